"""The records of a table that match, in an order, with some of their columns; or the values of one column, counted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from dataset.errors import FilterError
from dataset.expressions import column_expr
from dataset.filters import query_condition, unknown_column
from dataset.serialization import records
from dataset.sizes import count_fitting, fitting_slices, fixed_record_bytes

if TYPE_CHECKING:
    from dataset.table import Table

__all__ = ["Listing", "Page", "ReserveBytes"]

ReserveBytes = Callable[[int], None]
"""Called with the size of what is about to be created, in bytes; may raise."""

_BLOCK_ROWS: Final = 32_768
_BLOCK_BYTES: Final = 4 * 2**20
_VALUE_BYTES: Final = 16
_MAX_COMMAS: Final = 20
_REPEATS: Final = 8
_SORTED_BYTES: Final = 32
"""Bytes per row that is sorted."""
_COUNTED_BYTES: Final = 100
"""Bytes per value that is counted."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of records as JSON objects, the total count, and the row of the next page (None on the last).

    In a sorted list, `next_row` is a position in it. `numbers` are the records' row numbers from 1 if these are the
    identifiers, else None.
    """

    records: list[dict[str, Any]]
    total: int
    next_row: int | None
    numbers: list[int] | None


@dataclass(frozen=True, slots=True)
class _Cut:
    """Some records of a list, their rows (none for counted values), the total, and the count from the first on."""

    part: pl.DataFrame
    rows: Sequence[int]
    total: int
    remaining: int


class Listing:
    """A list of records. `sort` and `fields` name columns, separated by commas; a minus before one is descending order.

    Missing values come last, and rows of equal values in their order in the table. `distinct` lists the values of a
    column with their counts instead, most frequent first. `hold` is called with the bytes that sorting or counting
    takes. Raises FilterError.
    """

    def __init__(
        self,
        table: Table,
        *,
        search: str | None = None,
        filters: Sequence[tuple[str, str]] = (),
        sort: str | None = None,
        fields: str | Sequence[str] | None = None,
        distinct: str | None = None,
        hold: ReserveBytes = lambda size: None,
    ) -> None:
        types = table.description.types()
        self._table = table
        self._hold = hold
        self._condition = query_condition(types, filters)
        self._search = search if search and table.frame.width else None
        self._sort = [] if sort is None else _sort_keys(list(types), sort)
        self._fields = _split_columns(list(types), fields, "fields") if isinstance(fields, str) else fields
        if distinct is not None and distinct not in types:
            raise FilterError(unknown_column(types, distinct), "distinct")
        self._distinct = distinct

    @property
    def is_ordered(self) -> bool:
        """Whether the list is in another order than the table, so that a place in it is a position and not a row."""
        return bool(self._sort) or self._distinct is not None

    @property
    def schema(self) -> pl.DataFrame:
        """The columns of the list, without rows."""
        return self._count(self._table.frame.clear()) if self._distinct else self._project(self._table.frame.clear())

    @property
    def record_bytes(self) -> int:
        """The mean size of a record of the table in memory."""
        return self._table.memory // max(1, self._table.frame.height)

    def page(
        self, *, row: int = 0, offset: int = 0, limit: int, max_bytes: int, reserve: ReserveBytes | None = None
    ) -> Page:
        """Return up to `limit` records, skipping `offset` from `row` on (in a sorted list, from its beginning).

        The page has at most `max_bytes` of JSON, unless its first record alone is larger. `reserve` is called with its
        size before it is created. Raises Busy if too many searches run on large tables.
        """
        cut = self._cut(row, offset, limit)
        count, size = count_fitting(cut.part, self._fixed_bytes(cut.part), max_bytes)
        if reserve is not None:
            reserve(size)
        found = records(cut.part.head(count))
        return Page(found, cut.total, self._next(cut, offset, count), self._numbers(cut, count))

    def blocks(
        self, *, row: int = 0, offset: int = 0, limit: int | None = None, max_bytes: int = sys.maxsize
    ) -> tuple[Iterator[pl.DataFrame], int | None]:
        """Return the records in blocks of at most 4 MiB of text, or of one record; and where the next page begins.

        With a `limit`, they are those that `page` returns. Raises Busy as `page` does.
        """
        if limit is not None:
            cut = self._cut(row, offset, limit)
            count, _ = count_fitting(cut.part, self._fixed_bytes(cut.part), max_bytes)
            return _split(iter([cut.part.head(count)])), self._next(cut, offset, count)
        if self._distinct:
            return _split(iter([self._counts().slice(offset)])), None
        if self._sort:
            places = iter([self._order().slice(offset)])
        else:
            # A search may hold a resource until it ends, and a client may be slow.
            places = _skip(self._match() if self._search is None else iter([*self._match()]), row, offset)
        size = max(1, min(_BLOCK_ROWS, _BLOCK_BYTES // (_VALUE_BYTES * max(1, self.schema.width))))
        batches = (rows.slice(first, size) for rows in places for first in range(0, len(rows), size))
        return _split(map(self._gather, batches)), None

    def _cut(self, row: int, offset: int, limit: int) -> _Cut:
        if self._distinct:
            counts = self._counts()
            return _Cut(counts.slice(offset, limit), (), counts.height, counts.height - offset)
        if self._sort:
            order = self._order()
            rows = order.slice(offset, limit)
            return _Cut(self._gather(rows), rows.to_list(), len(order), len(order) - offset)
        height = self._table.frame.height
        if self._condition is None and self._search is None:
            first = min(row + offset, height)
            part = self._project(self._table.frame.slice(first, limit))
            return _Cut(part, range(first, first + part.height), height, height - first)
        total, remaining, chosen = 0, 0, list[int]()
        for places in self._match():
            total += len(places)
            after = places.slice(int(places.search_sorted(row)))
            skipped = min(offset, len(after))
            offset -= skipped
            remaining += len(after) - skipped
            chosen += after.slice(skipped, limit - len(chosen)).to_list()
        return _Cut(self._gather(chosen), chosen, total, remaining)

    def _fixed_bytes(self, part: pl.DataFrame) -> Any:
        whole = self._distinct is None and self._fields is None
        return self._table.fixed_bytes() if whole else fixed_record_bytes(part)

    def _next(self, cut: _Cut, offset: int, count: int) -> int | None:
        if not count or count >= cut.remaining:
            return None
        return offset + count if self.is_ordered else cut.rows[count - 1] + 1

    def _numbers(self, cut: _Cut, count: int) -> list[int] | None:
        if self._distinct or self._table.description.id in self._table.frame.columns:
            return None
        return [self._table.ids.number_at(row) for row in islice(cut.rows, count)]

    def _match(self) -> Iterator[pl.Series]:
        return self._table.match_rows(self._condition, self._search)

    def _matching(self, columns: Sequence[str]) -> tuple[pl.Series | None, pl.DataFrame]:
        """Return the matching rows (None for all) and their values in some columns."""
        frame = self._table.frame.select(column_expr(name) for name in columns)
        rows = None
        if self._condition is not None or self._search is not None:
            rows = pl.concat([pl.Series(dtype=pl.UInt32), *self._match()])
        return rows, frame if rows is None else frame[rows]

    def _order(self) -> pl.Series:
        """Return the matching rows in the order of the list."""
        rows, keys = self._matching([name for name, _ in self._sort])
        self._hold(_SORTED_BYTES * keys.height)
        order = _sort_order(keys, self._sort)
        return order if rows is None else rows.gather(order)

    def _counts(self) -> pl.DataFrame:
        _, values = self._matching([self._distinct or ""])
        self._hold(_COUNTED_BYTES * _estimate_unique(values.to_series()))
        return self._count(values)

    def _count(self, frame: pl.DataFrame) -> pl.DataFrame:
        counts = frame.select(column_expr(self._distinct or "").alias("value")).group_by("value").len("count")
        return counts[_sort_order(counts, [("count", True), ("value", False)])]

    def _gather(self, rows: pl.Series | Sequence[int]) -> pl.DataFrame:
        return self._project(self._table.frame)[rows]

    def _project(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame if self._fields is None else frame.select(column_expr(name) for name in self._fields)


def _sort_order(frame: pl.DataFrame, keys: Sequence[tuple[str, bool]]) -> pl.Series:
    """Return the numbers of the rows, stably sorted by columns, each in descending order or not; nulls come last."""
    order: pl.Series | None = None
    for name, descending in reversed(keys):  # several stable sorts are faster than one by several columns
        column = _ranks(frame[name].alias("key"))
        column = column if order is None else column.gather(order)
        step = column.to_frame().select(
            pl.arg_sort_by("key", descending=descending, nulls_last=True, maintain_order=True)
        )
        order = step.to_series() if order is None else order.gather(step.to_series())
    return pl.Series(dtype=pl.UInt32) if order is None else order


def _ranks(column: pl.Series) -> pl.Series:
    """Return the ranks of texts if most are repeated, since numbers are sorted much faster; else the column."""
    if column.dtype != pl.String or _estimate_unique(column) > len(column) // _REPEATS:
        return column
    return column.cast(pl.Enum(column.drop_nulls().unique().sort())).to_physical()


def _estimate_unique(column: pl.Series) -> int:
    estimate: Any = column.approx_n_unique() if len(column) else 0
    return int(estimate)


def _skip(places: Iterator[pl.Series], row: int, offset: int) -> Iterator[pl.Series]:
    """Yield the rows from `row` on, without the first `offset`."""
    for each in places:
        rows = each.slice(int(each.search_sorted(row)))
        skipped = min(offset, len(rows))
        offset -= skipped
        yield rows.slice(skipped)


def _split(parts: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    for part in parts:
        for first, length in fitting_slices(part, fixed_record_bytes(part), _BLOCK_BYTES):
            yield part.slice(first, length)


def _sort_keys(columns: Sequence[str], text: str) -> list[tuple[str, bool]]:
    """Return the columns of a sort in their order, each with whether it is descending."""
    keys = {name: (name, False) for name in columns} | {f"-{name}": (name, True) for name in columns}
    found = dict[str, bool]()
    for key in _split_columns(list(keys), text, "sort"):
        found.setdefault(*keys[key])
    return list(found.items())


def _split_columns(known: Sequence[str], text: str, parameter: str) -> list[str]:
    """Split a list of columns at its commas; a column's name may contain some, and the longest name counts."""
    names, parts, found = set(known), text.split(","), dict[str, None]()
    most = 1 + min(_MAX_COMMAS, max((name.count(",") for name in known), default=0))
    while parts:
        sizes = range(min(most, len(parts)), 0, -1)
        size = next((size for size in sizes if ",".join(parts[:size]) in names), 0)
        if not size:
            raise FilterError(unknown_column(known, parts[0]), parameter)
        found[",".join(parts[:size])] = None
        parts = parts[size:]
    return list(found)
