"""One version of the dataset in memory: look-up, search, pagination and slicing without the network."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from threading import Lock
from typing import Any, Final

import polars as pl

from dataset.arrow_chunks import EncodedTable
from dataset.description import Description
from dataset.listing import Listing, Page, ReserveBytes
from dataset.search import SearchIndex
from dataset.selection import Selection, Selector
from dataset.sizes import fixed_record_bytes, memory_size, row_slices
from dataset.type_inference import infer_numeric, infer_temporal

__all__ = ["Table", "first_records"]

_INDEXED_ID_BYTES: Final = 40  # of one row in the identifier index: text view and row number, twice while sorting


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
        self.selector = Selector(description)
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
        return None if row is None else self.page(row=row, limit=1, max_bytes=0, reserve=reserve).records[0]

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
        """Return a page of the records that match, in their original order; see `Listing`."""
        return Listing(self, search=search, filters=filters).page(
            row=row, limit=limit, max_bytes=max_bytes, reserve=reserve
        )

    def match_rows(self, condition: pl.Expr | None, search: str | None) -> Iterator[pl.Series]:
        """Yield the numbers (from 0) of the rows that match both, in their order, slice by slice.

        Raises Busy if too many searches run on large tables.
        """
        with self._get_search_index().matcher(search) if search else nullcontext() as match:
            for number, (first, length) in enumerate(self._get_row_slices()):
                hits = pl.repeat(value=True, n=length, dtype=pl.Boolean, eager=True)
                if condition is not None:
                    hits = self.frame.slice(first, length).select(condition).to_series()
                if match is not None and hits.any():
                    found = match(number)
                    hits = hits.clear() if found is None else hits & found
                yield hits.arg_true() + first

    def build_indexes(self) -> None:
        """Build the search and identifier indexes ahead of the first request."""
        self._get_search_index().build()
        if self.description.id in self.frame.columns and self._can_index_ids():
            self._id_index()

    def fixed_bytes(self) -> int:
        """Return the result of `fixed_record_bytes` for the rows, computed once."""
        with self._building:
            self._fixed_bytes = self._fixed_bytes or fixed_record_bytes(self.frame)
            return self._fixed_bytes

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
        return self.select(Selection(start, end))

    def select(self, selection: Selection) -> pl.DataFrame:
        """Return the rows of a job, in their original order. Raises BoundsError or FilterError."""
        return self.selector.select(self.frame, selection)

    def range_of(self, column: str, selection: Selection) -> tuple[float, float] | None:
        """Return the least and the greatest finite value of a column of numbers, dates or times in selected rows.

        Dates and times are seconds since 1970. None if there is no such value. Raises BoundsError or FilterError.
        """
        values = self.selector.select(self.frame, selection, column).to_series()
        seconds = {pl.Date: 86_400.0, pl.Datetime: 1e-6}.get(values.dtype.base_type(), 1.0)
        numbers = values.to_physical().drop_nulls()
        if numbers.dtype.is_float():
            numbers = numbers.filter(numbers.is_finite())
        if not numbers.dtype.is_numeric() or not len(numbers):
            return None
        return float(numbers.min()) * seconds, float(numbers.max()) * seconds  # type: ignore[arg-type]

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
