"""One version of the dataset in memory: look-up, search, pagination and slicing without the network."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, NamedTuple

import polars as pl

from dataset.arrow_chunks import EncodedTable
from dataset.bounds import in_range
from dataset.changes import Append, Change, Replace, Row, encode_change, to_frame
from dataset.description import Description
from dataset.filters import Filters
from dataset.id_index import INDEXED_ID_BYTES, IdIndex
from dataset.record_values import parse_text
from dataset.revision import UNKNOWN, Ends, Unknown, change_ends, revise, to_json_ends, version_of_change
from dataset.rows import Rows
from dataset.search import Matcher, SearchIndex
from dataset.serialization import records
from dataset.sizes import count_fitting, fixed_record_bytes, memory_size, row_bytes

__all__ = ["Location", "Page", "Table", "first_records"]

ReserveBytes = Callable[[int], None]
"""Called with the size of the JSON that is about to be created."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of records as JSON objects, the total count, and the row of the next page (None on the last).

    `numbers` are the records' row numbers from 1 if these are the identifiers, else None.
    """

    records: list[dict[str, Any]]
    total: int
    next_row: int | None
    numbers: list[int] | None


class Location(NamedTuple):
    """How a version is stored: as the chunks of its base, and `changes`, of so many `bytes`, after which it is."""

    base: str
    changes: int = 0
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
        self.memory = memory_size(self.frame) if memory is None else memory
        self._max_memory = max_memory
        self._index_budget = None if max_memory is None else max(0, max_memory - self.memory)
        self._building = Lock()
        self._ids = ids
        self.next_row = self.rows.height + 1 if next_row is None else next_row
        self._ends: Ends | Unknown = UNKNOWN
        self._search_index: SearchIndex | None = None
        self._fixed_bytes = 0

    @property
    def frame(self) -> pl.DataFrame:
        """The rows as columns."""
        return self.rows.frame

    @property
    def has_numbers(self) -> bool:
        """Whether the row numbers are the identifiers."""
        return self.description.id not in self.rows.schema

    def record(self, id_text: str, reserve: ReserveBytes | None = None) -> dict[str, Any] | None:
        """Return the record with this identifier as JSON values, or None.

        The text is parsed as the identifier's type, so a time may have any offset. `reserve` is called as by `page`.
        """
        row = self.find(id_text)
        return None if row is None else self.records_of([self.rows.row(row)], reserve)[0]

    def records_of(self, rows: Sequence[Row], reserve: ReserveBytes | None = None) -> list[dict[str, Any]]:
        """Return rows with the columns of this table as records with JSON values."""
        return self._records(to_frame(self.rows.schema, rows), sys.maxsize, reserve)

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
        numbers = [self.ids.number_at(each) for each in page_rows] if self.has_numbers else None
        return Page(found, total, next_row, numbers)

    def changed(self, change: Change) -> tuple[Table, bytes]:
        """Return the table after a change, and the change as it is stored."""
        stored = encode_change(change)
        removed = [] if isinstance(change, Append) else [self.rows.row(change.position)]
        added = [*change.rows] if isinstance(change, Append) else [change.row] if isinstance(change, Replace) else []
        grown = sum(map(row_bytes, added)) - sum(map(row_bytes, removed))
        base, changes, size = self.location
        table = self.after(
            [change],
            revise(self.description, version_of_change(self.description.version, stored), removed, added, grown),
            Location(base, changes + 1, size + len(stored)),
            self.memory + grown,
        )
        table._ends = change_ends(self.ends, self._index_values(removed, change), self._index_values(added, change))
        if table.ends != self.ends:
            first, last = to_json_ends(table.ends, self.rows.schema.get(self.description.index, pl.Int64()))
            table.description = replace(table.description, first=first, last=last)
        return table, stored

    def after(self, changes: Sequence[Change], description: Description, location: Location, memory: int) -> Table:
        """Return the table after these changes, with this description."""
        appended = [change for change in changes if isinstance(change, Append)]
        next_row = self.next_row
        if self.has_numbers:
            next_row += sum(len(change.rows) for change in appended)
        ids = self.ids.changed(changes, self._id_position())
        rows = self.rows.changed(*changes)
        if ids.is_worn:
            column = ids.numbers() if self.has_numbers else rows.frame[self.description.id]
            ids = IdIndex.of_column(column, self._can_index_ids())
        table = Table(description, rows, memory, self._max_memory, ids, next_row)
        table.location = location
        table._fixed_bytes = self._fixed_bytes
        return table

    def stored_frame(self) -> pl.DataFrame:
        """Return the rows as they are stored: with a column of the row numbers, if these have gaps."""
        if not self.has_numbers or self.next_row == self.rows.height + 1:
            return self.frame
        return self.frame.with_columns(self.ids.numbers().alias(self.description.id))

    @property
    def ends(self) -> Ends:
        """The least and the greatest physical value of the index; None if it has no values."""
        if isinstance(self._ends, Unknown):
            column = self._index().to_physical()
            low = column.min()
            self._ends = None if low is None else (low, column.max())
        return self._ends

    def _index_values(self, rows: Sequence[Row], change: Change) -> Sequence[Any]:
        """Return the index values of rows that a change removes or adds."""
        if self.description.index in self.rows.schema:
            place = self.rows.schema.names().index(self.description.index)
            return [row[place] for row in rows]
        if not rows:
            return []
        if isinstance(change, Append):
            return range(self.next_row, self.next_row + len(rows))
        return [self.ids.number_at(change.position)]

    def _id_position(self) -> int | None:
        return None if self.has_numbers else self.rows.schema.names().index(self.description.id)

    def build_indexes(self) -> None:
        """Build the search and identifier indexes ahead of the first request."""
        self._get_search_index().build()
        self.ids.build()

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
        for number, (first, length) in enumerate(self.rows.slices):
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
        self._fixed_bytes = self._fixed_bytes or fixed_record_bytes(part)
        count, size = count_fitting(part, self._fixed_bytes, max_bytes)
        if reserve is not None:
            reserve(size)
        return records(part.head(count))

    def _get_search_index(self) -> SearchIndex:
        slices = self.rows.slices
        with self._building:
            if self._search_index is None:
                budget = self._index_budget
                if budget is not None and self._can_index_ids():
                    budget -= INDEXED_ID_BYTES * self.frame.height
                self._search_index = SearchIndex(self.frame, slices, budget, self.rows.lines)
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
        return self.frame[name] if name in self.frame.columns else self.ids.numbers()

    @property
    def ids(self) -> IdIndex:
        """The index of the identifiers."""
        with self._building:
            if self._ids is None:
                if self.has_numbers:
                    self._ids = IdIndex.of_numbers(self.rows.height)
                else:
                    self._ids = IdIndex.of_column(self.frame[self.description.id], self._can_index_ids())
            return self._ids

    def _can_index_ids(self) -> bool:
        return self._index_budget is None or INDEXED_ID_BYTES * self.rows.height <= self._index_budget


def first_records(
    loaded: Table | EncodedTable, limit: int, max_bytes: int, reserve: ReserveBytes
) -> list[dict[str, Any]]:
    """Return the first records of a table, at most `limit` and `max_bytes` of them, as `Table.page` does."""
    if isinstance(loaded, EncodedTable):
        loaded = Table(loaded.description, loaded.first_rows(limit))
    return loaded.page(limit=limit, max_bytes=max_bytes, reserve=reserve).records
