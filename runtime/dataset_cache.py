"""Keeps decoded datasets in a child, within the memory that the next job needs."""

from __future__ import annotations

import sys
import time
from typing import Final, Protocol

from dataset import ScannedTable, Table
from runtime.memory import release_memory, resident_bytes

__all__ = ["Tables"]

_SMALL: Final = 16
"""Datasets of at most this fraction of the limit are kept while other jobs run."""
_SCANNED: Final = 4
"""Datasets in the storage that take more than this fraction of the limit are read from there by each job."""
_PROCESS_BYTES: Final = 80 * 2**20
"""Memory of a process that reads them: its libraries, and the chunks that are being decoded."""
_HELD: Final = 4
"""An analysis may hold this fraction of the rest of the limit; it needs more for copies."""
_MIN_HELD_BYTES: Final = 2**20
_UNLIMITED: Final = 2**32
"""The limit that holds for datasets in the storage where there is none."""
_LEFT: Final = 8
_LEFT_BYTES: Final = 96 * 2**20
"""Memory that an analysis may leave in its process: imported libraries, caches."""
_SECONDS: Final = 0.05
_SETTLE_SECONDS: Final = 0.5


class _Store(Protocol):
    def is_cached(self, version: str) -> bool: ...
    def scanned(self, version: str, min_bytes: int, budget: int) -> ScannedTable | None: ...
    def table(self, version: str) -> Table: ...
    def evict_others(self, *, keep: str, max_bytes: int) -> bool: ...


class Tables:
    """Caches decoded datasets in a child with a memory limit of ``limit`` bytes (0 for none).

    A reused process leaves a job as much memory as a fresh one, or the job would fail in the one and complete in the
    other.
    """

    def __init__(self, store: _Store, limit: int) -> None:
        self._store = store
        self._limit = limit if sys.platform == "linux" else 0
        self._bare = self._expected = resident_bytes() if self._limit else 0
        self._checked = 0.0

    def make_room(self, version: str) -> None:
        """Drop large datasets other than this one ('' for none)."""
        if self._limit and self._store.evict_others(keep=version, max_bytes=self._limit // _SMALL):
            self._expected = self._bare
            _settle(self._bare + self._limit // _SMALL)

    def get(self, version: str) -> Table | ScannedTable:
        """Return the table of a version, which is not decoded if it is large and in the storage of datasets.

        :raises VersionNotFound: it is not in Redis.
        """
        if self._store.is_cached(version):
            return self._store.table(version)
        limit = self._limit or _UNLIMITED
        budget = max(_MIN_HELD_BYTES, (limit - _PROCESS_BYTES) // _HELD)
        # Not cached: a version that was deleted and loaded again has other files.
        if scanned := self._store.scanned(version, limit // _SCANNED, budget):
            return scanned
        if not self._limit:
            return self._store.table(version)
        before = resident_bytes()
        table = self._store.table(version)
        table.rows.frame  # noqa: B018 - applies changes of records, so that their memory is counted here
        release_memory()
        self._expected += max(0, resident_bytes() - before)
        return table

    def has_leak(self) -> bool:
        """Return whether earlier jobs left too much memory in use; measures at most every 50 ms."""
        if not self._limit or (now := time.monotonic()) - self._checked < _SECONDS:
            return False
        self._checked = now
        left = max(self._limit // _LEFT, _LEFT_BYTES)
        # Of a low limit, half of what is free at first.
        most = self._expected + min(left, (self._limit - self._expected) // 2)
        if resident_bytes() <= most:
            return False
        return not _settle(most)


def _settle(most: int) -> bool:
    """Release freed memory and wait briefly until at most ``most`` bytes are in use; return whether they are."""
    release_memory()
    give_up = time.monotonic() + _SETTLE_SECONDS
    while (over := resident_bytes() > most) and time.monotonic() < give_up:
        time.sleep(0.01)
    return not over
