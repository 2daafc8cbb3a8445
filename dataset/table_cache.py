"""The versions that this process has decoded, within a limit of memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final
from weakref import WeakSet

from dataset.errors import Busy
from dataset.table import Table

__all__ = ["TableCache"]

_CACHED_VERSIONS: Final = 3
_CACHED_BYTES: Final = 512 * 2**20
_WAIT_SECONDS: Final = 10


@dataclass(slots=True)
class _Entry:
    """A cached version; `decoding` is held by the thread that decodes it while others wait."""

    decoding: Lock = field(default_factory=Lock)
    table: Table | None = None


class TableCache:
    """Caches the versions that were used last. Thread-safe.

    With `max_memory`, decoded tables may take so many bytes, those included that are in use but no longer cached.
    """

    def __init__(self, max_memory: int | None) -> None:
        self._max_memory = max_memory
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._decoded: WeakSet[Table] = WeakSet()
        self._lock = Lock()

    def get(self, version: str, decode: Callable[[], Table]) -> Table:
        """Return a version, decoded by the first caller while others wait."""
        with self._lock:
            entry = self._entries.setdefault(version, _Entry())
        with entry.decoding:
            if entry.table is None:
                try:
                    entry.table = self._track(decode())
                finally:
                    self._drop_if_empty(version, entry)
        self._add(version, entry)
        return entry.table

    def add(self, table: Table) -> None:
        """Add a table."""
        self._add(table.description.version, _Entry(table=self._track(table)))

    def discard(self, version: str) -> None:
        """Evict a version."""
        with self._lock:
            self._entries.pop(version, None)

    def has(self, version: str) -> bool:
        """Return whether this version is cached."""
        entry = self._entries.get(version)
        return entry is not None and entry.table is not None

    def tables(self) -> list[Table]:
        """Return the cached tables, the most recently used one last."""
        with self._lock:
            return [entry.table for entry in self._entries.values() if entry.table is not None]

    def clear(self, keep: str | None = None) -> None:
        """Evict all versions but one: replaced versions are unlikely to be requested from this process again."""
        with self._lock:
            for name in [name for name, entry in self._entries.items() if entry.table is not None and name != keep]:
                del self._entries[name]

    def evict(self, keep: set[str], max_bytes: int) -> bool:
        """Evict all versions but `keep` if they exceed `max_bytes`; return whether they did."""
        with self._lock:
            others = {name: entry.table for name, entry in self._entries.items() if entry.table and name not in keep}
            if sum(table.held_bytes for table in others.values()) <= max_bytes:
                return False
            for name in others:
                del self._entries[name]
        return True

    def evict_until_fits(self, version: str, memory: int) -> None:
        """Evict versions, least recently used first, until this one fits beside those in use. Raises Busy."""
        if self._max_memory is None:
            return
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            with self._lock:
                used = sum(table.memory for table in self._decoded)
                cached = [name for name, each in self._entries.items() if each.table is not None and name != version]
                if not used or used + memory <= self._max_memory:
                    return
                for name in cached[:1]:
                    del self._entries[name]
            if not cached:
                # Requests still use evicted tables.
                if time.monotonic() > deadline:
                    raise Busy("Other versions of the dataset take all memory at the moment: try again.")
                time.sleep(0.05)

    def _track(self, table: Table) -> Table:
        with self._lock:
            self._decoded.add(table)
        return table

    def _add(self, version: str, entry: _Entry) -> None:
        with self._lock:
            self._entries[version] = entry
            self._entries.move_to_end(version)
            kept, size = 0, 0
            for name, other in [*self._entries.items()][::-1]:
                if other.table is not None:
                    kept, size = kept + 1, size + other.table.held_bytes
                    if kept > 1 and (kept > _CACHED_VERSIONS or size > _CACHED_BYTES):
                        del self._entries[name]

    def _drop_if_empty(self, version: str, entry: _Entry) -> None:
        with self._lock:
            if entry.table is None and self._entries.get(version) is entry:
                del self._entries[version]
