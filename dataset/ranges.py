"""Value ranges of columns over the rows of a job, computed on demand and cached."""

from __future__ import annotations

from typing import Final

from dataset.errors import BoundsError, Busy, FilterError, VersionNotFound
from dataset.selection import Selection
from dataset.store import Store

__all__ = ["Ranges"]

_ALL: Final = Selection()
_MAX_RANGES: Final = 100
"""The maximum number of ranges computed for one request, which bounds the time that it takes."""
_FILTERED: Final = 20
"""For how many a range of filtered rows counts."""


class Ranges:
    """Value ranges of the columns of one version."""

    def __init__(self, store: Store, version: str) -> None:
        self._store = store
        self._version = version
        self._found: dict[tuple[str, str], tuple[float, float] | None] = {}
        self._left = _MAX_RANGES

    def of(self, column: str, selection: Selection = _ALL) -> tuple[float, float] | None:
        """Return the result of `Table.range_of`.

        Also None if the version is not found or cannot be decoded now, the selection is invalid or too many ranges were
        requested. The table is loaded by the first call.
        """
        asked = (column, repr(selection))
        if asked not in self._found:
            if self._left <= 0:
                return None
            self._left -= _FILTERED if selection.where or selection.search else 1
            try:
                self._found[asked] = self._store.table(self._version).range_of(column, selection)
            except (BoundsError, Busy, FilterError, VersionNotFound):
                self._found[asked] = None
        return self._found[asked]
