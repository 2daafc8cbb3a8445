"""The rows of a version: a frame, or those of an earlier version with changes, which are applied on demand."""

from __future__ import annotations

from threading import Lock

import polars as pl

from dataset.changes import Change, Row
from dataset.distinct_values import DistinctValues, add_values, find_distinct_values
from dataset.edits import Edits, Slices, apply_edits
from dataset.sizes import row_slices

__all__ = ["Rows"]


class Rows:
    """The rows of one version. Immutable and thread-safe.

    `lines` are the texts of the search index by kind and slice; a later version takes those of unchanged slices.
    """

    def __init__(self, frame: pl.DataFrame | None, earlier: tuple[Rows, Edits] | None = None) -> None:
        """Create the rows of a frame, or else those of an earlier version with changes."""
        self._frame = frame
        self._earlier = earlier
        self._slices: Slices | None = None
        self._physical: list[pl.Series] | None = None
        self._lock = Lock()
        self.lines: dict[tuple[bool, int], pl.Series] = {}
        self._distinct: dict[str, DistinctValues] | None = None

    @property
    def schema(self) -> pl.Schema:
        """The names and types of the columns."""
        earlier = self._earlier
        return self.frame.schema if earlier is None else earlier[0].schema

    @property
    def height(self) -> int:
        """The number of rows."""
        earlier = self._earlier
        return self.frame.height if earlier is None else earlier[1].height

    @property
    def frame(self) -> pl.DataFrame:
        """The rows as columns."""
        if self._frame is None:
            with self._lock:
                if self._earlier is not None:
                    self._apply(*self._earlier)
        assert self._frame is not None
        return self._frame

    @property
    def slices(self) -> Slices:
        """Offset and length of each slice that is searched at once."""
        frame = self.frame
        with self._lock:
            if self._slices is None:
                self._slices = row_slices(frame)
            return self._slices

    @property
    def distinct(self) -> dict[str, DistinctValues]:
        """The values of the columns in which they repeat, for the search index."""
        frame = self.frame
        with self._lock:
            if self._distinct is None:
                self._distinct = find_distinct_values(frame)
            return self._distinct

    @property
    def is_read(self) -> bool:
        """Whether the rows are in memory, or mapped."""
        return self._frame is not None

    def row(self, position: int) -> Row:
        """Return the physical values of the row at this position, counted from 0."""
        earlier = self._earlier
        if earlier is None:
            if self._physical is None:
                self._physical = self.frame.select(pl.all().to_physical()).get_columns()
            return tuple(column[position] for column in self._physical)
        found = earlier[1].find(position)
        return found if isinstance(found, tuple) else earlier[0].row(found)

    def changed(self, *changes: Change) -> Rows:
        """Return the rows after these changes."""
        earlier = self._earlier
        before, edits = (self, Edits(self.height)) if earlier is None else (earlier[0], earlier[1].copy())
        for change in changes:
            edits.add(change)
        rows = Rows(None, (before, edits))
        if edits.are_many:
            rows.frame  # noqa: B018 - applies them
        return rows

    def _apply(self, before: Rows, edits: Edits) -> None:
        self._frame, self._slices, unchanged = apply_edits(before.frame, before.slices, edits)
        if before._distinct is not None:
            new = [each for number, each in enumerate(self._slices) if number not in unchanged]
            self._distinct = add_values(before._distinct, self._frame, new)
        if self._distinct is None:
            unchanged = {}  # the lines may be of other columns
        for number, old in unchanged.items():
            for textual in (True, False):
                if (texts := before.lines.get((textual, old))) is not None:
                    self.lines[textual, number] = texts
        self._earlier = None
