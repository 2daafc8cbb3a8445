"""One version of the dataset in memory: looked up, searched, paged and sliced without the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Any

import polars as pl

from .bounds import within
from .description import Description
from .filters import matching
from .printing import records
from .recognition import recognise_instants, recognise_numerals
from .search import SearchIndex

__all__ = ["Page", "Table"]


@dataclass(frozen=True, slots=True)
class Page:
    """Some records as JSON objects, how many there are in all, and the row after them (None where no more follow).

    `numbers` are the records' row numbers from 1, where these identify them, else None.
    """

    records: list[dict[str, Any]]
    total: int
    next_row: int | None
    numbers: list[int] | None


class Table:
    """The rows of one version and what was built to find them. Safe to share between threads; nothing changes it."""

    def __init__(self, description: Description, frame: pl.DataFrame) -> None:
        self.description = description
        self.frame = frame
        self._building = Lock()
        self._sorted_ids: tuple[pl.Series, pl.Series] | None = None
        self._search = SearchIndex(frame)

    def record(self, id_text: str) -> dict[str, Any] | None:
        """Answer the record with this identifier as JSON values, or None.

        The text is read as the identifier's type, so a time may be written with any offset.
        """
        row = self._row_of(id_text)
        return None if row is None else records(self.frame.slice(row, 1))[0]

    def page(
        self, *, search: str | None = None, filters: Sequence[tuple[str, str]] = (), row: int = 0, limit: int
    ) -> Page:
        """Answer up to `limit` records from `row` (0 and more) on, in the order they were loaded in.

        With `search`, only those with this text in any value as printed, upper and lower case alike; with `filters`,
        only those whose named fields equal one of the values given for them. Raises FilterError.
        """
        hits = [matching(self.frame, filters)] if filters else []
        if search and self.frame.width:
            hits.append(self._search.matches(search))
        if hits:
            rows = (hits[0] if len(hits) == 1 else hits[0] & hits[1]).arg_true()
            total, begin = len(rows), int(rows.search_sorted(row))
            chosen = rows.slice(begin, limit).to_list()
            part = self.frame[chosen]
            following = chosen[-1] + 1 if 0 < len(chosen) < total - begin else None
        else:
            total, part = self.frame.height, self.frame.slice(row, limit)
            chosen = [*range(row, row + part.height)]
            following = row + part.height if 0 < part.height < total - row else None
        numbers = None if self.description.id in self.frame.columns else [each + 1 for each in chosen]
        return Page(records(part), total, following, numbers)

    def prepare(self) -> None:
        """Begin to build, in a thread of its own, what the first search and look-up would otherwise wait for."""
        Thread(target=self._build, name="prepare").start()

    def _build(self) -> None:
        self._search.build()
        if self.description.id in self.frame.columns:
            self._ids()

    def slice(self, start: object, end: object) -> pl.DataFrame:
        """Answer the rows with start <= index <= end, in the order they were loaded in; None is an open end.

        Text that reads as the index's type is converted; a time without offset is UTC; a bare date as `end` of times
        includes its day. Rows with no index value are in the fully open range only. Raises BoundsError.
        """
        if start is None and end is None:
            return self.frame
        return self.frame.filter(within(self._index(), start, end))

    def range_of(self, column: str, start: object, end: object) -> tuple[float, float] | None:
        """Answer the least and the greatest finite value of a column of numbers, dates or times in `slice(start, end)`.

        Dates and times are seconds since 1970. None where there is none. Raises BoundsError.
        """
        values = self.frame[column]
        if not (start is None and end is None):
            values = values.filter(within(self._index(), start, end))
        seconds = {pl.Date: 86_400.0, pl.Datetime: 1e-6}.get(values.dtype.base_type(), 1.0)
        numbers = values.to_physical().drop_nulls()
        if numbers.dtype.is_float():
            numbers = numbers.filter(numbers.is_finite())
        if not numbers.dtype.is_numeric() or not len(numbers):
            return None
        return float(numbers.min()) * seconds, float(numbers.max()) * seconds  # type: ignore[arg-type]

    def _index(self) -> pl.Series:
        name = self.description.index
        return self.frame[name] if name in self.frame.columns else self._row_numbers()

    def _row_numbers(self) -> pl.Series:
        return pl.int_range(1, self.frame.height + 1, dtype=pl.Int64, eager=True)

    def _row_of(self, id_text: str) -> int | None:
        name = self.description.id
        if name not in self.frame.columns:
            number = _as_identifier(id_text, pl.Int64)
            return number - 1 if number is not None and 1 <= number <= self.frame.height else None
        keys, rows = self._ids()
        value = _as_identifier(id_text, self.frame[name].dtype)
        if value is None or not len(keys):
            return None
        place = keys.search_sorted(value)
        return rows[place] if place < len(keys) and keys[place] == value else None

    def _ids(self) -> tuple[pl.Series, pl.Series]:
        """Build the index of identifiers once: their sorted values, and the row of each."""
        with self._building:
            if self._sorted_ids is None:
                column = self.frame[self.description.id].to_physical()
                rows = column.arg_sort()
                self._sorted_ids = column.gather(rows), rows
            return self._sorted_ids


def _as_identifier(id_text: str, dtype: pl.DataType | type[pl.DataType]) -> Any:
    """Read the text as a (physical) value of this type, or None."""
    try:
        text = pl.Series([id_text])
    except UnicodeEncodeError:
        return None
    if dtype == pl.String:
        return id_text
    read = recognise_numerals(text) if dtype in (pl.Int64, pl.Float64, pl.Boolean) else recognise_instants(text)
    if read is not None and dtype == pl.Float64 and read.dtype == pl.Int64:
        read = read.cast(pl.Float64)
    return read.to_physical().item() if read is not None and read.dtype == dtype else None
