"""The ranges of columns in_range the rows of a job: found when somebody asks, and once."""

from __future__ import annotations

from typing import Any, Final

from dataset.errors import BoundsError, Busy, VersionNotFound
from dataset.store import Store

__all__ = ["Ranges"]

_MAX_RANGES: Final = 100
"""Ranges that are looked for: a body with more jobs on other rows each would keep others waiting."""


class Ranges:
    """The ranges of one version's columns."""

    def __init__(self, store: Store, version: str) -> None:
        self._store = store
        self._version = version
        self._found: dict[tuple[Any, ...], tuple[float, float] | None] = {}

    def of(self, column: str, start: object = None, end: object = None) -> tuple[float, float] | None:
        """Answer as `Table.range_of`; None too where the version is gone or
        cannot be decoded now, the bounds are bad or too many were asked.

        Opens nothing before the first call.
        """
        asked = (column, start, end)
        if asked not in self._found:
            if len(self._found) >= _MAX_RANGES:
                return None
            try:
                self._found[asked] = self._store.table(self._version).range_of(column, start, end)
            except (BoundsError, Busy, VersionNotFound):
                self._found[asked] = None
        return self._found[asked]
