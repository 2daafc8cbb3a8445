"""Equality filters over columns; values are parsed as the column's type."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import and_, or_
from typing import Any, Final

import polars as pl

from dataset.bounds import equal_range
from dataset.errors import BoundsError, FilterError, quoted
from dataset.type_inference import COLUMN_TYPES

__all__ = ["MAX_FILTERS", "Filters"]

MAX_FILTERS: Final = 50
"""The maximum number of filters in a request."""

_PREFIX: Final = "field."
_BOOLEANS: Final = {"true": True, "false": False}


class Filters:
    """A conjunction of filters, each a column's name and a text.

    A name may be written `field.NAME`. A repeated field matches any of its values. An empty text matches missing
    values, a date matches every time of that day (UTC).
    """

    def __init__(self, frame: pl.DataFrame, filters: Sequence[tuple[str, str]]) -> None:
        """Parse the filters. Raises FilterError."""
        if len(filters) > MAX_FILTERS:
            field = filters[MAX_FILTERS][0]
            raise FilterError(f"There are {len(filters)} filters; send {MAX_FILTERS} at most.", field)
        self._conditions: dict[str, _FieldCondition] = {}
        for field, text in filters:
            name = _resolve_column(frame, field)
            self._conditions.setdefault(name, _FieldCondition()).add(frame[name].dtype, text, field)

    def filter_mask(self, rows: pl.DataFrame) -> pl.Series:
        """Return the mask of the rows, a part of the table, that match all filters."""
        masks = [condition.filter_mask(rows[name]) for name, condition in self._conditions.items()]
        return reduce(and_, masks)


class _FieldCondition:
    """The accepted values of one column; single values are matched in one pass."""

    def __init__(self) -> None:
        self._missing = False
        self._values: dict[Any, None] = {}
        self._ranges: dict[tuple[Any, Any], None] = {}

    def add(self, dtype: pl.DataType, text: str, field: str) -> None:
        kind = COLUMN_TYPES[dtype]
        if not text:
            self._missing = True
            if kind == "text":
                self._values[""] = None
        elif kind == "boolean":
            if text.strip().lower() not in _BOOLEANS:
                raise FilterError(f"{quoted(text)} is not a boolean: use true or false.", field)
            self._values[_BOOLEANS[text.strip().lower()]] = None
        else:
            try:
                found = equal_range(kind, text)
            except BoundsError:
                raise FilterError(f"{quoted(text)} is not a value of the column's type, {kind}.", field) from None
            if found is not None and found[0] == found[1]:
                self._values[found[0]] = None
            elif found is not None:
                self._ranges[found] = None

    def filter_mask(self, column: pl.Series) -> pl.Series:
        physical = column.to_physical()
        masks = [physical.is_between(first, last) for first, last in self._ranges]
        if len(self._values) == 1:
            masks.append(physical == next(iter(self._values)))
        elif self._values:
            masks.append(physical.is_in(list(self._values)))
        no_match = pl.repeat(value=False, n=len(column), dtype=pl.Boolean, eager=True)
        found = reduce(or_, masks, no_match).fill_null(value=False)
        return found | column.is_null() if self._missing else found


def _resolve_column(frame: pl.DataFrame, field: str) -> str:
    for name in (field.removeprefix(_PREFIX), field):
        if name in frame.columns:
            return name
    known = ", ".join(map(quoted, frame.columns[:20])) or "none"
    raise FilterError(f"There is no column {quoted(field)}. The columns are: {known}.", field)
