"""A version whose rows stay in the storage: a job reads the columns and chunks that it needs, one chunk at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate, pairwise

import polars as pl

from dataset.bounds import range_condition
from dataset.description import Description
from dataset.expressions import column_expr
from dataset.object_store import Folder, ObjectChunks, busy_if_unavailable
from dataset.parallel import parallel_map
from dataset.selection import RowBounds, Selection, Selector, search_rows

__all__ = ["ScannedRows", "ScannedTable"]


class ScannedTable:
    """The rows of one version in the storage. Immutable and thread-safe."""

    def __init__(self, description: Description, objects: ObjectChunks, folder: Folder, budget: int) -> None:
        """Create a table; an analysis may hold about `budget` bytes of its rows at once."""
        self.description = description
        self._budget = budget
        self.selector = Selector(description)
        self._objects = objects
        self._folder = folder

    def select(self, selection: Selection) -> ScannedRows:
        """Return the rows of a job; they are read as they are used. Raises BoundsError or FilterError."""
        condition, bounds = self.selector.conditions(selection)
        schema, identifier = dict(self._schema), self.description.id
        if identifier in schema and identifier not in self.description.types():
            # Rows have been removed, so that a column has the numbers of the others.
            del schema[identifier]
            if bounds is not None:
                numbered = range_condition(column_expr(identifier), "integer", *bounds)
                given = [each for each in (numbered, condition) if each is not None]
                condition, bounds = (pl.all_horizontal(given) if given else None), None
        chunks = [*self._chunks(bounds)]
        return ScannedRows(pl.Schema(schema), chunks, condition, selection.search or None, self._budget)

    def _chunks(self, bounds: RowBounds | None) -> Iterator[tuple[pl.LazyFrame, int]]:
        """Yield the chunks with rows in the bounds, cut to these, with the numbers of their rows."""
        low, high = bounds or (None, None)
        first = 0 if low is None else max(0, math.ceil(low) - 1)
        last = sum(self._folder.rows) if high is None else math.floor(high)
        for number, (begin, end) in enumerate(pairwise([0, *accumulate(self._folder.rows)])):
            length = min(end, last) - max(begin, first)
            if length > 0:
                scan = self._objects.scan(self._folder, number)
                yield scan if length == end - begin else scan.slice(max(0, first - begin), length), length

    @cached_property
    def _schema(self) -> pl.Schema:
        with busy_if_unavailable():
            return self._objects.scan(self._folder, 0).collect_schema()


class ScannedRows:
    """The rows that a job selects, with the names and types of all columns: see `analyses.kit.Rows`."""

    def __init__(
        self,
        schema: pl.Schema,
        chunks: Sequence[tuple[pl.LazyFrame, int]],
        condition: pl.Expr | None,
        search: str | None,
        budget: int,
    ) -> None:
        self.schema = schema
        self.budget: int | None = budget
        self._chunks = chunks
        self._condition = condition
        self._search = search

    @cached_property
    def height(self) -> int:
        """The number of the rows; counting those that match reads only what decides it."""
        if self._condition is None and self._search is None:
            return sum(length for _, length in self._chunks)
        return sum(int(part.item()) for part in self._read([pl.len()]))

    def batches(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Yield these columns of the rows, in their order, a chunk at a time. Raises Busy."""
        return self._read([column_expr(name) for name in dict.fromkeys(columns)])

    def frame(self, columns: Sequence[str]) -> pl.DataFrame:
        """Return these columns of all rows. Raises Busy."""
        return pl.concat(self.batches(columns))

    def _read(self, columns: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
        def read(chunk: tuple[pl.LazyFrame, int]) -> pl.DataFrame:
            scan = chunk[0] if self._condition is None else chunk[0].filter(self._condition)
            if self._search:
                return search_rows(scan.select(map(column_expr, self.schema)).collect(), self._search).select(columns)
            return scan.select(columns).collect()

        if not self._chunks:
            yield pl.DataFrame(schema=self.schema).select(columns)
        with busy_if_unavailable():
            yield from parallel_map(read, self._chunks)
