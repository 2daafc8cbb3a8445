"""One version of the dataset in memory: look-up, search, pagination and slicing without the network."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from threading import Lock
from typing import Any, Final, NamedTuple

import polars as pl

from dataset.arrow_chunks import EncodedTable
from dataset.changes import Row, to_frame
from dataset.description import Description
from dataset.id_index import INDEXED_ID_BYTES, IdIndex
from dataset.listing import Listing, Page, ReserveBytes
from dataset.record_values import parse_text
from dataset.revision import UNKNOWN, Ends, Unknown
from dataset.rows import Rows
from dataset.search import SearchIndex
from dataset.selection import Selection, Selector
from dataset.serialization import record_of, records
from dataset.sizes import fixed_record_bytes, json_bytes, max_record_bytes, memory_size

__all__ = ["Location", "Table", "first_records"]

_SMALL_BYTES: Final = 2**16
"""A record of at most so many bytes is rendered in Python; the memory of a larger one is computed more precisely."""


class Location(NamedTuple):
    """How a version is stored: as the chunks of its base and the first `changes` of a list, `log`, of so many bytes."""

    base: str
    changes: int = 0
    log: str = ""
    bytes: int = 0


class Table:
    """The rows of one version and their indexes. Immutable and thread-safe.

    `memory` is the size of the rows in bytes; `max_memory` limits rows and indexes together: an index that would exceed
    it is not built, and each search or look-up scans the rows.
    """

    def __init__(
        self,
        description: Description,
        rows: pl.DataFrame | Rows,
        memory: int | None = None,
        max_memory: int | None = None,
        ids: IdIndex | None = None,
        next_row: int | None = None,
    ) -> None:
        """Create a table; `ids` are its identifiers where these are row numbers with gaps, or have been indexed.

        `next_row` is the number of the next row that is appended, if it is not one more than there are rows.
        """
        self.description = description
        self.location = Location(description.version)
        self.rows = Rows(rows) if isinstance(rows, pl.DataFrame) else rows
        self.selector = Selector(description)
        self.memory = memory_size(self.frame) if memory is None else memory
        self.max_memory = max_memory
        self.next_row = self.rows.height + 1 if next_row is None else next_row
        self._index_budget = None if max_memory is None else max(0, max_memory - self.memory)
        self._building = Lock()
        self._ids = ids
        self._search_index: SearchIndex | None = None
        self._ends: Ends | Unknown = UNKNOWN
        self._fixed_bytes = 0

    @property
    def frame(self) -> pl.DataFrame:
        """The rows as columns."""
        return self.rows.frame

    @property
    def held_bytes(self) -> int:
        """The memory of the rows, 0 until they have been read."""
        return self.memory if self.rows.is_read else 0

    @property
    def has_numbers(self) -> bool:
        """Whether the row numbers are the identifiers."""
        return self.description.id not in self.rows.schema

    @property
    def has_gaps(self) -> bool:
        """Whether rows have been removed, so that the numbers of those after them are not their positions."""
        return self.has_numbers and self.next_row != self.rows.height + 1

    def record(self, id_text: str, reserve: ReserveBytes | None = None) -> dict[str, Any] | None:
        """Return the record with this identifier as JSON values, or None.

        The text is parsed as the identifier's type, so a time may have any offset. `reserve` is called as by `page`.
        """
        row = self.find(id_text)
        return None if row is None else self.records_of([self.rows.row(row)], reserve)[0]

    def records_of(self, rows: Sequence[Row], reserve: ReserveBytes | None = None) -> list[dict[str, Any]]:
        """Return rows with the columns of this table as records with JSON values."""
        if len(rows) == 1 and (most := max_record_bytes(self.fixed_bytes(), rows[0])) <= _SMALL_BYTES:
            if reserve is not None:
                reserve(most)
            with suppress(OverflowError):
                return [record_of(self.rows.schema, rows[0])]
        part = to_frame(self.rows.schema, rows)
        if reserve is not None:
            reserve(json_bytes(part))
        return records(part)

    def find(self, id_text: str) -> int | None:
        """Return the position of the record with this identifier, counted from 0; or None."""
        dtype = pl.Int64 if self.has_numbers else self.rows.schema[self.description.id]
        value = parse_text(id_text, dtype)
        return None if value is None else self.ids.find(value)

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
            for number, (first, length) in enumerate(self.rows.slices):
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
        self.ids.build()

    def fixed_bytes(self) -> int:
        """Return the result of `fixed_record_bytes` for the rows, computed once."""
        with self._building:
            self._fixed_bytes = self._fixed_bytes or fixed_record_bytes(self.frame)
            return self._fixed_bytes

    def _get_search_index(self) -> SearchIndex:
        slices, distinct = self.rows.slices, self.rows.distinct
        with self._building:
            if self._search_index is None:
                budget = self._index_budget
                if budget is not None and self.can_index_ids():
                    budget -= INDEXED_ID_BYTES * self.frame.height
                self._search_index = SearchIndex(self.frame, slices, budget, self.rows.lines, distinct)
            return self._search_index

    def slice(self, start: object, end: object) -> pl.DataFrame:
        """Return the rows with start <= index <= end, in their original order; None is an open end.

        Text is parsed as the index's type; a time without offset is UTC; a bare date as `end` of times includes its
        day. Rows without an index value are only in the fully open range. Raises BoundsError.
        """
        return self.select(Selection(start, end))

    def select(self, selection: Selection) -> pl.DataFrame:
        """Return the rows of a job, in their original order. Raises BoundsError or FilterError."""
        return self.selector.select(self.frame, selection, numbers=self.numbers())

    def range_of(self, column: str, selection: Selection) -> tuple[float, float] | None:
        """Return the least and the greatest finite value of a column of numbers, dates or times in selected rows.

        Dates and times are seconds since 1970. None if there is no such value. Raises BoundsError or FilterError.
        """
        values = self.selector.select(self.frame, selection, column, self.numbers()).to_series()
        seconds = {pl.Date: 86_400.0, pl.Datetime: 1e-6}.get(values.dtype.base_type(), 1.0)
        numbers = values.to_physical().drop_nulls()
        if numbers.dtype.is_float():
            numbers = numbers.filter(numbers.is_finite())
        if not numbers.dtype.is_numeric() or not len(numbers):
            return None
        return float(numbers.min()) * seconds, float(numbers.max()) * seconds  # type: ignore[arg-type]

    def numbers(self) -> pl.Series | None:
        """Return the numbers of the rows, None if these are their positions counted from 1."""
        return self.ids.numbers() if self.has_gaps else None

    def stored_frame(self) -> pl.DataFrame:
        """Return the rows as they are stored: with a column of the row numbers, if these have gaps."""
        numbers = self.numbers()
        return self.frame if numbers is None else self.frame.with_columns(numbers.alias(self.description.id))

    @property
    def ends(self) -> Ends:
        """The least and the greatest physical value of the index; None if it has no values."""
        if isinstance(self._ends, Unknown):
            name = self.description.index
            column = self.frame[name].to_physical() if name in self.rows.schema else self.ids.numbers()
            low = column.min()
            self._ends = None if low is None else (low, column.max())
        return self._ends

    def set_ends(self, ends: Ends | Unknown) -> None:
        """Set the ends of the index, where they are known."""
        self._ends = ends

    @property
    def ids(self) -> IdIndex:
        """The index of the identifiers."""
        with self._building:
            if self._ids is None:
                if self.has_numbers:
                    self._ids = IdIndex.of_numbers(self.rows.height)
                else:
                    self._ids = IdIndex.of_column(self.frame[self.description.id], self.can_index_ids())
            return self._ids

    def can_index_ids(self) -> bool:
        """Return whether there is memory for an index of the identifiers."""
        return self._index_budget is None or INDEXED_ID_BYTES * self.rows.height <= self._index_budget


def first_records(
    loaded: Table | EncodedTable, limit: int, max_bytes: int, reserve: ReserveBytes
) -> list[dict[str, Any]]:
    """Return the first records of a table, at most `limit` and `max_bytes` of them, as `Table.page` does."""
    if isinstance(loaded, EncodedTable):
        loaded = Table(loaded.description, loaded.first_rows(limit))
    return loaded.page(limit=limit, max_bytes=max_bytes, reserve=reserve).records
