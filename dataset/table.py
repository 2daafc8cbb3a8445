"""One version of the dataset in memory: look-up, search, pagination and slicing without the network."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

import polars as pl

from dataset.arrow_chunks import EncodedTable
from dataset.bounds import in_range
from dataset.description import Description
from dataset.filters import Filters
from dataset.search import Matcher, SearchIndex
from dataset.serialization import records
from dataset.sizes import count_fitting, fixed_record_bytes, memory_size, row_slices
from dataset.type_inference import infer_numeric, infer_temporal

__all__ = ["Page", "Table", "first_records"]

ReserveBytes = Callable[[int], None]
"""Called with the size of the JSON that is about to be created."""

_INDEXED_ID_BYTES: Final = 40  # of one row in the identifier index: text view and row number, twice while sorting


@dataclass(frozen=True, slots=True)
class Page:
    """A page of records as JSON objects, the total count, and the row of the next page (None on the last).

    `numbers` are the records' row numbers from 1 if these are the identifiers, else None.
    """

    records: list[dict[str, Any]]
    total: int
    next_row: int | None
    numbers: list[int] | None


class Table:
    """The rows of one version and their indexes. Immutable and thread-safe.

    `memory` is the size of the rows in bytes; `max_memory` limits rows and indexes together: an index that would exceed
    it is not built, and each search or look-up scans the rows.
    """

    def __init__(
        self,
        description: Description,
        frame: pl.DataFrame,
        memory: int | None = None,
        max_memory: int | None = None,
    ) -> None:
        self.description = description
        self.frame = frame
        self.memory = memory_size(frame) if memory is None else memory
        self._index_budget = None if max_memory is None else max(0, max_memory - self.memory)
        self._building = Lock()
        self._sorted_ids: tuple[pl.Series, pl.Series] | None = None
        self._search_index: SearchIndex | None = None
        self._row_slices: list[tuple[int, int]] = []
        self._fixed_bytes = 0

    def record(self, id_text: str, reserve: ReserveBytes | None = None) -> dict[str, Any] | None:
        """Return the record with this identifier as JSON values, or None.

        The text is parsed as the identifier's type, so a time may have any offset. `reserve` is called as by `page`.
        """
        row = self._find_row(id_text)
        return None if row is None else self._records(self.frame.slice(row, 1), 0, reserve)[0]

    def page(
        self,
        *,
        search: str | None = None,
        filters: Sequence[tuple[str, str]] = (),
        row: int = 0,
        limit: int,
        max_bytes: int = sys.maxsize,
        reserve: ReserveBytes | None = None,
    ) -> Page:
        """Return up to `limit` records starting at `row` (from 0), in their original order.

        `search` selects records with this text in any formatted value, ignoring case; `filters` selects records whose
        named fields equal one of the given values. The page has at most `max_bytes` of JSON, unless its first record
        alone is larger. `reserve` is called with its size before it is created, and may raise. Raises FilterError, and
        Busy if too many searches run on large tables.
        """
        if filters or (search and self.frame.width):
            total, after, rows = self._find_rows(search, filters, row, limit)
            part = self.frame[rows]
        else:
            total, part = self.frame.height, self.frame.slice(row, limit)
            after, rows = total - row, [*range(row, row + part.height)]
        found = self._records(part, max_bytes, reserve)
        page_rows = rows[: len(found)]
        next_row = page_rows[-1] + 1 if page_rows and len(page_rows) < after else None
        numbers = None if self.description.id in self.frame.columns else [each + 1 for each in page_rows]
        return Page(found, total, next_row, numbers)

    def build_indexes(self) -> None:
        """Build the search and identifier indexes ahead of the first request."""
        self._get_search_index().build()
        if self.description.id in self.frame.columns and self._can_index_ids():
            self._id_index()

    def _find_rows(
        self, search: str | None, filters: Sequence[tuple[str, str]], row: int, limit: int
    ) -> tuple[int, int, list[int]]:
        """Return the counts of matching rows, in total and from `row` on, and the first `limit` of the latter."""
        condition = Filters(self.frame, filters) if filters else None
        if search:
            with self._get_search_index().matcher(search) as match_slice:
                return self._scan_slices(condition, match_slice, row, limit)
        return self._scan_slices(condition, None, row, limit)

    def _scan_slices(
        self, condition: Filters | None, match_slice: Matcher | None, row: int, limit: int
    ) -> tuple[int, int, list[int]]:
        total, after, rows = 0, 0, list[int]()
        for number, (first, length) in enumerate(self._get_row_slices()):
            hits = condition.filter_mask(self.frame.slice(first, length)) if condition else None
            if match_slice is not None and (hits is None or hits.any()):
                found = match_slice(number)
                found = found if found is not None else pl.repeat(value=False, n=length, dtype=pl.Boolean, eager=True)
                hits = found if hits is None else hits & found
            count = int(hits.sum()) if hits is not None else 0
            total += count
            if hits is None or not count or first + length <= row:
                continue
            places = hits.arg_true() + first
            places = places.slice(int(places.search_sorted(row)))
            after += len(places)
            rows += places.head(limit - len(rows)).to_list()
        return total, after, rows

    def _records(self, part: pl.DataFrame, max_bytes: int, reserve: ReserveBytes | None) -> list[dict[str, Any]]:
        with self._building:
            self._fixed_bytes = self._fixed_bytes or fixed_record_bytes(self.frame)
        count, size = count_fitting(part, self._fixed_bytes, max_bytes)
        if reserve is not None:
            reserve(size)
        return records(part.head(count))

    def _get_row_slices(self) -> list[tuple[int, int]]:
        with self._building:
            self._row_slices = self._row_slices or row_slices(self.frame)
            return self._row_slices

    def _get_search_index(self) -> SearchIndex:
        slices = self._get_row_slices()
        with self._building:
            if self._search_index is None:
                budget = self._index_budget
                if budget is not None and self._can_index_ids():
                    budget -= _INDEXED_ID_BYTES * self.frame.height
                self._search_index = SearchIndex(self.frame, slices, budget)
            return self._search_index

    def slice(self, start: object, end: object) -> pl.DataFrame:
        """Return the rows with start <= index <= end, in their original order; None is an open end.

        Text is parsed as the index's type; a time without offset is UTC; a bare date as `end` of times includes its
        day. Rows without an index value are only in the fully open range. Raises BoundsError.
        """
        if start is None and end is None:
            return self.frame
        return self.frame.filter(in_range(self._index(), start, end))

    def range_of(self, column: str, start: object, end: object) -> tuple[float, float] | None:
        """Return the least and the greatest finite value of a column of numbers, dates or times in `slice(start, end)`.

        Dates and times are seconds since 1970. None if there is no such value. Raises BoundsError.
        """
        values = self.frame[column]
        if not (start is None and end is None):
            values = values.filter(in_range(self._index(), start, end))
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

    def _find_row(self, id_text: str) -> int | None:
        name = self.description.id
        if name not in self.frame.columns:
            number = _parse_id(id_text, pl.Int64)
            return number - 1 if number is not None and 1 <= number <= self.frame.height else None
        value = _parse_id(id_text, self.frame[name].dtype)
        if value is None or not self.frame.height:
            return None
        if not self._can_index_ids():
            return self._scan_ids(value)
        keys, rows = self._id_index()
        place = keys.search_sorted(value)
        return rows[place] if place < len(keys) and keys[place] == value else None

    def _can_index_ids(self) -> bool:
        return self._index_budget is None or _INDEXED_ID_BYTES * self.frame.height <= self._index_budget

    def _scan_ids(self, value: Any) -> int | None:
        for first, length in self._get_row_slices():
            place = (self.frame[self.description.id].slice(first, length).to_physical() == value).arg_true()
            if len(place):
                return first + int(place[0])
        return None

    def _id_index(self) -> tuple[pl.Series, pl.Series]:
        """Return the identifier index, built once: the sorted values and the row of each."""
        with self._building:
            if self._sorted_ids is None:
                column = self.frame[self.description.id].to_physical()
                rows = column.arg_sort()
                self._sorted_ids = column.gather(rows), rows
            return self._sorted_ids


def _parse_id(id_text: str, dtype: pl.DataType | type[pl.DataType]) -> Any:
    """Parse the text as a physical value of this type, or return None."""
    try:
        text = pl.Series([id_text])
    except UnicodeEncodeError:
        return None
    if dtype == pl.String:
        return id_text
    read = infer_numeric(text) if dtype in (pl.Int64, pl.Float64, pl.Boolean) else infer_temporal(text)
    if read is not None and dtype == pl.Float64 and read.dtype == pl.Int64:
        read = read.cast(pl.Float64)
    return read.to_physical().item() if read is not None and read.dtype == dtype else None


def first_records(
    loaded: Table | EncodedTable, limit: int, max_bytes: int, reserve: ReserveBytes
) -> list[dict[str, Any]]:
    """Return the first records of a table, at most `limit` and `max_bytes` of them, as `Table.page` does."""
    if isinstance(loaded, EncodedTable):
        loaded = Table(loaded.description, loaded.first_rows(limit))
    return loaded.page(limit=limit, max_bytes=max_bytes, reserve=reserve).records
