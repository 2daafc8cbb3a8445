"""Value ranges of columns over the rows of a job, computed on demand and cached."""

from __future__ import annotations

from typing import Any, Final

from dataset.errors import BoundsError, Busy, VersionNotFound
from dataset.store import Store

__all__ = ["Ranges"]

_MAX_RANGES: Final = 100
"""The maximum number of ranges computed for one request, which bounds the time that it takes."""


class Ranges:
    """Value ranges of the columns of one version."""

    def __init__(self, store: Store, version: str) -> None:
        self._store = store
        self._version = version
        self._found: dict[tuple[Any, ...], tuple[float, float] | None] = {}

    def of(self, column: str, start: object = None, end: object = None) -> tuple[float, float] | None:
        """Return the result of `Table.range_of`.

        Also None if the version is not found or cannot be decoded now, the bounds are invalid or too many ranges were
        requested. The table is loaded by the first call.
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
