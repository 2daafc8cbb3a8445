"""The datasets that a child keeps decoded, and the memory that they leave to the next job."""

from __future__ import annotations

import sys
import time
from typing import Final, Protocol

from dataset import Table
from runtime.memory import release_memory, resident_bytes

__all__ = ["Tables"]

_SMALL: Final = 16
"""A dataset of this fraction of the limit, or less, is kept beside any job."""
_LEFT: Final = 8
_LEFT_BYTES: Final = 96 * 2**20
"""What an analysis may leave in its process: imported libraries, caches."""
_SECONDS: Final = 0.05
_SETTLE_SECONDS: Final = 0.5


class _Store(Protocol):
    def is_cached(self, version: str) -> bool: ...
    def table(self, version: str) -> Table: ...
    def evict_others(self, *, keep: str, max_bytes: int) -> bool: ...


class Tables:
    """Decoded datasets of a child that is held to ``limit`` bytes (0 for no limit).

    A job finds as much memory in a process that has run others as in a fresh one, or it would fail in the one and
    complete in the other.
    """

    def __init__(self, store: _Store, limit: int) -> None:
        self._store = store
        self._limit = limit if sys.platform == "linux" else 0
        self._bare = self._expected = resident_bytes() if self._limit else 0
        self._checked = 0.0

    def make_room(self, version: str) -> None:
        """Drop what a job on this dataset ('' for none) has no use for, unless it is small."""
        if self._limit and self._store.evict_others(keep=version, max_bytes=self._limit // _SMALL):
            self._expected = self._bare
            _settle(self._bare + self._limit // _SMALL)

    def get(self, version: str) -> Table:
        """Return a version's rows. Raises VersionNotFound, and the errors of the connection."""
        if not self._limit or self._store.is_cached(version):
            return self._store.table(version)
        before = resident_bytes()
        table = self._store.table(version)
        release_memory()
        self._expected += max(0, resident_bytes() - before)
        return table

    def has_leak(self) -> bool:
        """Whether the jobs so far left more memory in use than the next one can do without; looks now and then."""
        if not self._limit or (now := time.monotonic()) - self._checked < _SECONDS:
            return False
        self._checked = now
        most = self._expected + max(self._limit // _LEFT, _LEFT_BYTES)
        if resident_bytes() <= most:
            return False
        return not _settle(most)


def _settle(most: int) -> bool:
    """Return freed memory to the system, which allocators do within a moment, until ``most`` bytes are in use."""
    release_memory()
    give_up = time.monotonic() + _SETTLE_SECONDS
    while (over := resident_bytes() > most) and time.monotonic() < give_up:
        time.sleep(0.01)
    return not over
