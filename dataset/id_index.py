"""Finds records by identifier, in one version and, without being built again, in those that follow from it by changes.

The *slot* of a record is its position in the base rows, or where it would be if nothing had been removed since.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from itertools import count
from threading import Lock
from typing import Any, Final

import polars as pl

from dataset.changes import Append, Change, Remove, Replace
from dataset.edits import nth_kept

__all__ = ["INDEXED_ID_BYTES", "IdIndex"]

INDEXED_ID_BYTES: Final = 40  # of one row in the index: text view and row number, twice while sorting
_MAX_CHANGES: Final = 5000
_FEW_VALUES: Final = 100
_SCANNED_ROWS: Final = 2**20


class _BaseIds:
    """The identifiers of the base rows as physical values; sorted on first use if `can_index`, else scanned."""

    def __init__(self, column: pl.Series, can_index: bool) -> None:
        self.column = column
        self._can_index = can_index
        self._building = Lock()
        self._sorted: tuple[pl.Series, pl.Series] | None = None

    def build(self) -> None:
        if self._can_index:
            self._index()

    def at(self, slot: int) -> Any:
        return self.column[slot]

    def find(self, value: Any) -> int | None:
        if not len(self.column):
            return None
        if not self._can_index:
            return self._scan(value)
        keys, slots = self._index()
        place = keys.search_sorted(value)
        return slots[place] if place < len(keys) and keys[place] == value else None

    def _index(self) -> tuple[pl.Series, pl.Series]:
        with self._building:
            if self._sorted is None:
                slots = self.column.arg_sort()
                self._sorted = self.column.gather(slots), slots
            return self._sorted

    def _scan(self, value: Any) -> int | None:
        for first in range(0, len(self.column), _SCANNED_ROWS):
            places = (self.column.slice(first, _SCANNED_ROWS) == value).arg_true()
            if len(places):
                return first + int(places[0])
        return None


class _BaseNumbers:
    """The numbers 1 to `height`."""

    def __init__(self, height: int) -> None:
        self.height = height

    @property
    def column(self) -> pl.Series:
        return pl.int_range(1, self.height + 1, dtype=pl.Int64, eager=True)

    def build(self) -> None:
        pass

    def at(self, slot: int) -> int:
        return slot + 1

    def find(self, value: int) -> int | None:
        return value - 1 if 1 <= value <= self.height else None


class IdIndex:
    """The identifiers of one version. Immutable and thread-safe."""

    def __init__(self, base: _BaseIds | _BaseNumbers, slots: int) -> None:
        self._base = base
        self._slots = slots
        self._added: dict[Any, int] = {}
        self._removed: list[int] = []

    @classmethod
    def of_column(cls, column: pl.Series, can_index: bool) -> IdIndex:
        """Create the index of a column of identifiers; without `can_index`, each look-up scans it."""
        return cls(_BaseIds(column.to_physical(), can_index), len(column))

    @classmethod
    def of_numbers(cls, height: int) -> IdIndex:
        """Create the index of rows that are numbered from 1 without gaps."""
        return cls(_BaseNumbers(height), height)

    @property
    def is_worn(self) -> bool:
        """Whether so many changes followed that a new index is faster."""
        return len(self._added) + len(self._removed) > _MAX_CHANGES

    def build(self) -> None:
        """Build the index ahead of the first look-up."""
        self._base.build()

    def find(self, value: Any) -> int | None:
        """Return the position of the record with this identifier, a physical value; or None."""
        slot = self._added.get(value)
        if slot is None:
            slot = self._base.find(value)
        if slot is None:
            return None
        place = bisect_left(self._removed, slot)
        return None if self._removed[place : place + 1] == [slot] else slot - place

    def find_all(self, values: Sequence[Any]) -> list[Any]:
        """Return those of the values that are identifiers of records."""
        if len(values) > _FEW_VALUES:
            column = self._base.column
            stored = pl.Series(values, dtype=column.dtype).is_in(column.implode())
            values = [value for value, known in zip(values, stored, strict=True) if known or value in self._added]
        return [value for value in values if self.find(value) is not None]

    def changed(self, changes: Sequence[Change], id_position: int | None) -> IdIndex:
        """Return the index after changes; `id_position` is that of the identifiers in a row, None for row numbers."""
        if all(isinstance(change, Replace) for change in changes):
            return self
        index = IdIndex(self._base, self._slots)
        index._added, index._removed = {**self._added}, [*self._removed]
        for change in changes:
            if isinstance(change, Remove):
                insort(index._removed, nth_kept(index._removed, change.position))
            elif isinstance(change, Append):
                ids = count(change.number) if id_position is None else (row[id_position] for row in change.rows)
                index._added.update(zip(ids, range(index._slots, index._slots + len(change.rows)), strict=False))
                index._slots += len(change.rows)
        return index

    def number_at(self, position: int) -> int:
        """Return the row number of the record at this position."""
        slot = nth_kept(self._removed, position)
        first = self._slots - len(self._added)
        number: int = self._base.at(slot) if slot < first else [*self._added][slot - first]
        return number

    def numbers(self) -> pl.Series:
        """Return the row numbers of all records, in their order; no number is used twice."""
        column = self._base.column
        if self._added:
            column = pl.concat([column, pl.Series(self._added.keys(), dtype=column.dtype)])
        if self._removed:
            column = column.filter(pl.repeat(value=True, n=len(column), eager=True).scatter(self._removed, False))
        return column
