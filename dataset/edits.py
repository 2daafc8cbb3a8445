"""Changes that have not been applied to a frame yet, and their application, which copies only the slices they touch."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Final

import polars as pl

from dataset.changes import Append, Change, Remove, Replace, Row, to_frame
from dataset.sizes import SLICE_ROWS, row_slices

__all__ = ["Edits", "Slices", "apply_edits", "nth_kept"]

_MAX_PENDING: Final = 1000

Slices = list[tuple[int, int]]
"""Offset and length of each."""


class Edits:
    """Changes to the rows of a frame of `base_height` rows."""

    def __init__(self, base_height: int) -> None:
        self.base_height = base_height
        self.replaced: dict[int, Row] = {}
        self.removed: list[int] = []
        self.appended: list[Row] = []

    @property
    def height(self) -> int:
        """The number of rows after the changes."""
        return self.base_height - len(self.removed) + len(self.appended)

    @property
    def are_many(self) -> bool:
        """Whether to apply them now rather than to copy them for each further change."""
        return len(self.replaced) + len(self.removed) + len(self.appended) > _MAX_PENDING

    def copy(self) -> Edits:
        """Return a copy, which may be changed."""
        copied = Edits(self.base_height)
        copied.replaced, copied.removed, copied.appended = dict(self.replaced), [*self.removed], [*self.appended]
        return copied

    def add(self, change: Change) -> None:
        """Add a change; its positions count the rows after the earlier changes."""
        match change:
            case Append(rows):
                self.appended += rows
            case Replace(position, row):
                if (number := self._appended_number(position)) >= 0:
                    self.appended[number] = row
                else:
                    self.replaced[nth_kept(self.removed, position)] = row
            case Remove(position):
                if (number := self._appended_number(position)) >= 0:
                    del self.appended[number]
                else:
                    place = nth_kept(self.removed, position)
                    insort(self.removed, place)
                    self.replaced.pop(place, None)

    def find(self, position: int) -> Row | int:
        """Return the row at this position if it was changed, else its position in the frame."""
        if (number := self._appended_number(position)) >= 0:
            return self.appended[number]
        place = nth_kept(self.removed, position)
        return self.replaced.get(place, place)

    def _appended_number(self, position: int) -> int:
        """Return the number of the appended row at this position; it is negative for the others."""
        return position - self.base_height + len(self.removed)


def nth_kept(removed: list[int], position: int) -> int:
    """Return the place, among all, of the item at `position` among those that are not in the sorted `removed`."""
    low, high = 0, len(removed)
    while low < high:
        middle = (low + high) // 2
        if removed[middle] - middle <= position:
            low = middle + 1
        else:
            high = middle
    return position + low


def apply_edits(frame: pl.DataFrame, slices: Slices, edits: Edits) -> tuple[pl.DataFrame, Slices, dict[int, int]]:
    """Return the changed frame, its slices, and which slice of the old frame each unchanged one is.

    Unchanged slices share their memory with the old frame.
    """
    touched = sorted({*edits.replaced, *edits.removed})
    parts: list[pl.DataFrame] = []
    changed: Slices = []
    unchanged: dict[int, int] = {}
    height, begin = 0, 0
    for number, (first, length) in enumerate(slices):
        part = frame.slice(first, length)
        end = bisect_left(touched, first + length, begin)
        if begin == end:
            unchanged[len(parts)] = number
        else:
            part = _edit(part, first, touched[begin:end], edits)
        begin = end
        if part.height:
            changed.append((height, part.height))
            parts.append(part)
            height += part.height
    if edits.appended:
        rows = to_frame(frame.schema, edits.appended)
        if changed and changed[-1][1] < SLICE_ROWS:
            height = changed.pop()[0]
            unchanged.pop(len(changed), None)
            rows = pl.concat([parts.pop(), rows], rechunk=True)
        parts.append(rows)
        changed += [(height + first, length) for first, length in row_slices(rows)]
    return pl.concat(parts) if parts else frame.clear(), changed, unchanged


def _edit(part: pl.DataFrame, first: int, touched: list[int], edits: Edits) -> pl.DataFrame:
    """Replace and remove rows of one slice, which starts at `first`."""
    order = pl.int_range(part.height, dtype=pl.Int64, eager=True)
    replaced = [place for place in touched if place in edits.replaced]
    if replaced:
        rows = to_frame(part.schema, [edits.replaced[place] for place in replaced])
        new = [*range(part.height, part.height + len(replaced))]
        part = pl.concat([part, rows])
        order = order.scatter([place - first for place in replaced], new)
    removed = [place - first for place in touched if place not in edits.replaced]
    if removed:
        order = order.filter(pl.repeat(value=True, n=len(order), eager=True).scatter(removed, False))
    return part[order]
