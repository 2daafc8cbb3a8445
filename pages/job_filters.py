"""The rows of a form that filter records, and the object `where` of a job that they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pages.field_values import Form, join_texts, split_texts, to_value
from pages.fields import to_text
from web.problems import pointer_to

__all__ = ["COLUMN", "OPERATOR", "OPERATORS", "VALUE", "FilterRow", "read_rows", "rows_of", "where_of"]

COLUMN: Final = "where.column"
OPERATOR: Final = "where.operator"
VALUE: Final = "where.value"
"""The names of a row's controls; a form has them once a row."""

OPERATORS: Final = {
    "": "is",
    "ne": "is not",
    "lt": "is less than",
    "lte": "is at most",
    "gt": "is greater than",
    "gte": "is at least",
    "in": "is one of",
    "contains": "contains",
}
"""The operators of a filter, in words."""


@dataclass(frozen=True, slots=True)
class FilterRow:
    """One filter of a form."""

    column: str = ""
    operator: str = ""
    value: str = ""

    @property
    def pointer(self) -> str:
        """The JSON pointer of the filter in the job."""
        parts = [self.column, self.operator] if self.operator else [self.column]
        return "/where" + pointer_to(*parts)


def read_rows(form: Form) -> list[FilterRow]:
    """Return the filters of a form; a row without a column is none."""
    columns, operators, values = (form.get(name, []) for name in (COLUMN, OPERATOR, VALUE))
    return [FilterRow(*each) for each in zip(columns, operators, values, strict=False) if each[0]]


def where_of(rows: list[FilterRow], columns: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the object `where` that the rows make, and the errors of rows that it has no room for, by pointer.

    A value that is left empty is the missing value.
    """
    by_column: dict[str, dict[str, Any]] = {}
    errors: dict[str, str] = {}
    for row in rows:
        conditions = by_column.setdefault(row.column, {})
        if row.operator in conditions:
            errors[row.pointer] = f"The column has a filter “{OPERATORS.get(row.operator, row.operator)}” already."
        conditions.setdefault(row.operator, _operand(row, columns.get(row.column, "text")))
    return {name: _compact(conditions) for name, conditions in by_column.items()}, errors


def _operand(row: FilterRow, kind: str) -> Any:
    if row.operator == "in":
        return [to_value(text, (kind,)) for text in split_texts(row.value)]
    if row.operator == "contains":
        return row.value
    return to_value(row.value, (kind,)) if row.value else None


def _compact(conditions: dict[str, Any]) -> Any:
    """Return the conditions of a column: a bare value if it is the only one, else an object of operators."""
    if conditions.keys() == {""}:
        return conditions[""]
    if "" in conditions:
        value = conditions.pop("")
        conditions["in"] = [value, *conditions.get("in", [])]
    return conditions


def rows_of(where: Any) -> list[FilterRow]:
    """Return the rows that make the object `where`."""
    rows = []
    for column, value in (where if isinstance(where, dict) else {}).items():
        for operator, operand in (value if isinstance(value, dict) else {"": value}).items():
            texts = [_to_text(each) for each in operand] if isinstance(operand, list) else None
            rows.append(FilterRow(column, operator, _to_text(operand) if texts is None else join_texts(texts)))
    return rows


def _to_text(value: Any) -> str:
    return "" if value is None else to_text(value)
