"""One grammar of filters: `?field.OP=value` of `GET /data` and the object `where` of a job become a condition."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, cast

import polars as pl

from dataset.bounds import Interval, Ordering, compare, parse_value, physical, rounded
from dataset.errors import FilterError, quoted
from dataset.expressions import column_expr
from dataset.folding import fold, fold_text
from dataset.types.type_inference import ColumnType

__all__ = ["MAX_FILTERS", "query_condition", "unknown_column", "where_condition"]

MAX_FILTERS: Final = 50
"""The maximum number of filters in a request or a job."""

_PREFIX: Final = "field."
_ORDERINGS: Final = ("lt", "lte", "gt", "gte")
_BLANK_SIGN: Final = re.compile(r"(:\d\d(?:\.\d+)?) (?=\d\d:?\d\d(?:,|$))", re.ASCII)
_OPERATORS: Final = ("ne", *_ORDERINGS, "in", "contains")

Types = Mapping[str, ColumnType]


def query_condition(types: Types, filters: Sequence[tuple[str, str]]) -> pl.Expr | None:
    """Return the condition of all filters, each a field as in a query and a text; None if there are none.

    A field is a column, or a column, a dot and an operator; `field.NAME` reaches a column of any name. A field without
    an operator that is repeated matches any of its values. Raises FilterError.
    """
    if len(filters) > MAX_FILTERS:
        raise _too_many(len(filters), filters[MAX_FILTERS][0])
    equal: dict[str, tuple[_Field, list[str]]] = {}
    conditions: list[pl.Expr] = []
    for written, text in filters:
        name, operator = _split_field(types, written)
        if types[name] == "time":
            text = _BLANK_SIGN.sub(r"\1+", text)  # an unescaped `+` arrives as a blank
        if operator:
            conditions.append(_Field(name, types[name], written).condition(operator, text))
        else:
            equal.setdefault(name, (_Field(name, types[name], written), []))[1].append(text)
    conditions += [field.equals(texts) for field, texts in equal.values()]
    return pl.all_horizontal(conditions) if conditions else None


def where_condition(types: Types, where: Mapping[str, Any]) -> pl.Expr | None:
    """Return the condition of a job's `where`: `{"a": value, "b": {"gte": 5, "lt": 9}, "c": {"in": ["x", "y"]}}`.

    None if it is empty. Raises FilterError with the path of the value at fault.
    """
    conditions: list[pl.Expr] = []
    for name, value in where.items():
        if name not in types:
            raise FilterError(unknown_column(types, name), name, (name,))
        field = _Field(name, types[name], name)
        if isinstance(value, Mapping):
            if not value:
                raise field.error(f"Expected a value, or an object of operators: {', '.join(_OPERATORS)}.")
            conditions += [field.condition(operator, operand) for operator, operand in value.items()]
        else:
            conditions.append(field.equals([value]))
        if len(conditions) > MAX_FILTERS:
            raise _too_many(len(conditions), name)
    return pl.all_horizontal(conditions) if conditions else None


def unknown_column(columns: Iterable[str], name: str) -> str:
    """Return the detail of the error that there is no such column."""
    known = ", ".join(map(quoted, islice(columns, 20))) or "none"
    return f"There is no column {quoted(name)}. The columns are: {known}."


class _Field:
    """One column of a filter, and the name by which errors refer to it."""

    def __init__(self, name: str, kind: ColumnType, field: str) -> None:
        self._column = column_expr(name)
        self._kind = kind
        self._field = field
        self._name = name

    def error(self, detail: str, operator: str | None = None) -> FilterError:
        return FilterError(detail, self._field, (self._name, operator) if operator else (self._name,))

    def condition(self, operator: str, value: Any) -> pl.Expr:
        """Return the condition of an operator and its operand."""
        has = [each for each in _OPERATORS if self._has(each)]
        if operator not in has:
            detail = f"A column of type {self._kind} has no operator {quoted(operator)}; it has: {', '.join(has)}."
            raise self.error(detail, operator)
        match operator:
            case "in":
                if not isinstance(value, list | str):
                    raise self.error("Expected a list of values, or a text that separates them by commas.", operator)
                return self.equals(value.split(",") if isinstance(value, str) else value, operator)
            case "ne":
                return ~self.equals([value], operator)
            case "contains":
                return self._contains(value)
        if value is None or value == "":
            raise self.error("A missing value is neither before nor after another: send a value.", operator)
        return compare(self._column, self._kind, cast(Ordering, operator), self._parse(value, operator))

    def equals(self, values: Sequence[Any], operator: str | None = None) -> pl.Expr:
        """Return the condition that the column has one of these values; None and the empty text match missing ones."""
        kind = self._kind
        found: list[Any] = []
        conditions: list[pl.Expr] = []
        if any(value is None or value == "" for value in values):
            conditions.append(self._column.is_null())
            found += [""] if kind == "text" else []
        for value in values:
            if value is None or value == "":
                continue
            first, last = rounded(kind, self._parse(value, operator))
            if first < last:
                conditions.append(physical(self._column, kind).is_between(first, last))
            elif first == last and (kind in ("number", "text", "boolean") or -(2**63) <= first < 2**63):
                found.append(first)
        if found:
            values_column = physical(self._column, kind)
            conditions.append(values_column == found[0] if len(found) == 1 else values_column.is_in(found))
        return pl.any_horizontal(condition.fill_null(value=False) for condition in conditions or [self._nothing()])

    def _contains(self, value: Any) -> pl.Expr:
        if not isinstance(value, str):
            raise self.error("Expected a text.", "contains")
        try:
            return fold(self._column).str.contains(fold_text(value), literal=True)
        except UnicodeEncodeError:
            return self._nothing()

    def _nothing(self) -> pl.Expr:
        return self._column.is_null() & pl.lit(value=False)

    def _parse(self, value: Any, operator: str | None) -> Interval:
        found = parse_value(self._kind, value)
        if found is None:
            hint = ' For several values: {"in": […]}.' if isinstance(value, list) and operator is None else ""
            detail = f"{quoted(value)} is not a value of the column's type, {self._kind}.{hint}"
            raise self.error(detail, operator)
        return found

    def _has(self, operator: str) -> bool:
        if operator == "contains":
            return self._kind == "text"
        return operator not in _ORDERINGS or self._kind != "boolean"


def _split_field(types: Types, field: str) -> tuple[str, str]:
    """Return the column that a field of a query names, and its operator or an empty text.

    A column whose name ends like an operator is reached without the prefix only if there is no shorter one.
    """
    has_prefix = field.startswith(_PREFIX)
    stem, _, operator = field.rpartition(".")
    if not has_prefix and operator in _OPERATORS and stem in types:
        return stem, operator
    if has_prefix and field.removeprefix(_PREFIX) not in types and operator in _OPERATORS:
        for name in (stem.removeprefix(_PREFIX), stem):
            if name in types:
                return name, operator
    for name in (field.removeprefix(_PREFIX), field):
        if name in types:
            return name, ""
    raise FilterError(unknown_column(types, field), field)


def _too_many(count: int, field: str) -> FilterError:
    return FilterError(f"There are {count} filters; send {MAX_FILTERS} at most.", field)
