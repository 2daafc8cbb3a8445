"""The rows that a job selects: bounds of an index, filters, and a text in any value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from dataset.bounds import parse_bounds, range_condition
from dataset.description import Description
from dataset.errors import BoundsError, FilterError, quoted
from dataset.expressions import column_expr
from dataset.filters import unknown_column, where_condition
from dataset.search import SearchIndex
from dataset.sizes import row_slices

__all__ = ["RowBounds", "Selection", "Selector", "search_rows"]

RowBounds = tuple[float | None, float | None]
"""The least and the greatest number of a row; None is an open end."""

_YEARS: Final = range(1000, 3000)
_LEAST_TIMESTAMP: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Selection:
    """What a job selects: rows with start <= index <= end, that match `where`, and with the text `search` in any value.

    None is an open end, the dataset's index, or no condition.
    """

    start: Any = None
    end: Any = None
    index: str | None = None
    where: Mapping[str, Any] | None = None
    search: str | None = None


class Selector:
    """Checks selections against one version of the dataset, and applies them to its rows."""

    def __init__(self, description: Description) -> None:
        self._types = description.types()
        self._id = description.id
        self._index = description.index

    def errors(self, selection: Selection) -> list[tuple[tuple[str, ...], str]]:
        """Return the path of each member of the selection that does not fit the dataset, and what is wrong with it."""
        found: list[tuple[tuple[str, ...], str]] = []
        try:
            self._bounds(selection)
        except BoundsError as error:
            found.append(((error.pointer.removeprefix("/"),), error.detail))
        try:
            where_condition(self._types, selection.where or {})
        except FilterError as error:
            found.append((("where", *error.path), error.detail))
        return found

    def index(self, selection: Selection) -> str:
        """Return the name of the column that the bounds range over.

        Two integers that no date is written as range over an identifier of integers if the dataset's index is a date or
        time and the selection names none.
        """
        if selection.index is not None:
            return selection.index
        bounds = (selection.start, selection.end)
        is_temporal = self._types.get(self._index) in ("date", "time")
        if is_temporal and self._types.get(self._id) == "integer" and all(map(_is_ordinal, bounds)):
            return self._id
        return self._index

    def select(
        self,
        frame: pl.DataFrame,
        selection: Selection,
        column: str | None = None,
        numbers: pl.Series | None = None,
    ) -> pl.DataFrame:
        """Return the selected rows of a version, in their order, or one column of them.

        `numbers` are the numbers of the rows, by default their positions counted from 1.
        Raises BoundsError or FilterError.
        """
        condition, bounds = self.conditions(selection)
        if bounds is not None:
            frame = _slice_rows(frame, *bounds, numbers)
        if condition is not None and column is not None and not selection.search:
            return frame.lazy().filter(condition).select(column_expr(column)).collect()
        if condition is not None:
            frame = frame.lazy().filter(condition).collect()
        if selection.search and frame.width:
            frame = search_rows(frame, selection.search)
        return frame if column is None else frame.select(column_expr(column))

    def conditions(self, selection: Selection) -> tuple[pl.Expr | None, RowBounds | None]:
        """Return the condition of each row, and the bounds of the row numbers if the selection ranges over these.

        Raises BoundsError or FilterError.
        """
        index, low, high = self._bounds(selection)
        condition = where_condition(self._types, selection.where or {})
        if index not in self._types:
            return condition, (low, high)
        in_range = range_condition(column_expr(index), self._types[index], low, high)
        given = [each for each in (in_range, condition) if each is not None]
        return (pl.all_horizontal(given) if given else None), None

    def _bounds(self, selection: Selection) -> tuple[str, Any, Any]:
        """Return the index and the bounds as its physical values."""
        index = self.index(selection)
        kind = self._types.get(index, "integer")
        if index not in self._types and index not in (self._id, self._index):
            raise BoundsError(unknown_column(self._types, index), "/index")
        if kind == "boolean":
            raise BoundsError(f"The column {quoted(index)} is boolean and has no range: name another.", "/index")
        return index, *parse_bounds(kind, selection.start, selection.end, index)


def _is_ordinal(bound: object) -> bool:
    """Return whether a bound is an integer that can be meant neither as a year, nor as a date or time in digits."""
    return type(bound) is int and bound not in _YEARS and bound < _LEAST_TIMESTAMP


def _slice_rows(frame: pl.DataFrame, low: float | None, high: float | None, numbers: pl.Series | None) -> pl.DataFrame:
    """Return the rows whose number is in [low, high]."""
    height: Any = frame.height if numbers is None else numbers.last() or 0
    first = 1 if low is None else max(1, math.ceil(low))
    last = height if high is None else max(0, min(height, math.floor(high)))
    if numbers is not None:
        first = int(numbers.search_sorted(min(first, height + 1))) + 1
        last = int(numbers.search_sorted(last, side="right"))
    return frame.slice(first - 1, max(0, last - first + 1))


def search_rows(frame: pl.DataFrame, text: str) -> pl.DataFrame:
    """Return the rows with the text in any value; the values are formatted a slice at a time."""
    slices = row_slices(frame)
    with SearchIndex(frame, slices, 0).matcher(text) as match:
        kept = [
            frame.slice(*rows).filter(mask) for number, rows in enumerate(slices) if (mask := match(number)) is not None
        ]
    return pl.concat(kept) if kept else frame.clear()
