"""Versions of the dataset in Redis, and a cache of decoded versions in memory.

Keys, in the database of the job records:

- `data.current`: the current version; absent if no dataset is loaded.
- `data.<version>`: a hash of `description` (JSON), `chunks` (their number), `memory` (bytes of the decoded rows) and
  `pins` (the number of unfinished jobs that use the version).
- `data.<version>.<n>`, n from 0: the rows, in order, as compressed columns (Arrow IPC). Expires after an hour unless
  the version is published, so an aborted upload leaves nothing behind.

A version that is neither current nor pinned is deleted, by the script that replaces, clears or unpins it.
"""

from __future__ import annotations

import json
import re
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from dataset.arrow_chunks import EncodedTable, decode_chunks, encode_chunks
from dataset.description import Description
from dataset.errors import Busy, VersionNotFound, quoted
from dataset.table import Table

if TYPE_CHECKING:
    # Not imported at run time: it would delay the start of the ingest subprocess.
    import redis

__all__ = ["Store"]

_CURRENT: Final = "data.current"
_UPLOAD_SECONDS: Final = 3600
_MAX_UPLOADS: Final = 5
_CACHED_VERSIONS: Final = 3
_CACHED_BYTES: Final = 512 * 2**20
_WAIT_SECONDS: Final = 10
_INDEX_SECONDS: Final = 0.1  # most often enough, so that the first search after a load does not wait
_VERSION: Final = re.compile("[0-9a-f]{32}")


@dataclass(slots=True)
class _CacheEntry:
    """A cached version; `decoding` is held by the thread that decodes it while others wait."""

    decoding: Lock = field(default_factory=Lock)
    table: Table | None = None


class Store:
    """The dataset in Redis, shared by all processes, and the cache of the versions that this process has decoded.

    `rd` is a client of the records database that returns bytes; the constructor opens no connection. Connection errors
    and redis.exceptions.OutOfMemoryError propagate to the caller; the current dataset then stays.
    """

    def __init__(self, rd: redis.Redis, max_memory: int | None = None) -> None:
        """Create a store whose decoded rows and indexes take at most `max_memory` bytes; None means no limit."""
        self._rd = rd
        self._max_memory = max_memory
        self._publish, self._clear, self._current = (
            rd.register_script((Path(__file__).parent / f"{name}.lua").read_text(encoding="utf-8"))
            for name in ("publish", "clear", "current")
        )
        self._cache: OrderedDict[str, _CacheEntry] = OrderedDict()
        self._decoded: WeakSet[Table] = WeakSet()
        self._lock = Lock()
        self._last_parsed: tuple[bytes, Description] | None = None

    def publish(self, loaded: Table | EncodedTable) -> Description:
        """Replace the dataset atomically and return its description; its indexes may take longer.

        Raises VersionNotFound if its chunks are repeatedly deleted because others publish at the same time.
        """
        description = loaded.description
        # A large version is decoded only after the version that it replaces has left the cache.
        early = self._max_memory is None or loaded.memory < self._max_memory // 4
        indexing = self._cache_before_publish(loaded) if early else None
        for _ in range(_MAX_UPLOADS):
            count = self._upload(loaded)
            answer: Any = self._publish(
                keys=[_CURRENT], args=[description.version, count, json.dumps(description.as_json()), loaded.memory]
            )
            if answer != b"incomplete":
                self._clear_cache(keep=description.version)
                if indexing is not None:
                    indexing.join(_INDEX_SECONDS)
                if isinstance(loaded, EncodedTable) and not early:
                    Thread(
                        target=self._cache_after_publish, args=(description.version, loaded), name="build-indexes"
                    ).start()
                return description
        raise VersionNotFound("Others replaced the dataset while this one was loaded: load it again.")

    def current(self) -> Description | None:
        """Return the current description in one round trip; None if no dataset is loaded."""
        answer: Any = self._current(keys=[_CURRENT])
        return None if answer is None else self._parse_description(answer)

    def describe(self, version: str) -> Description:
        """Return the description of a version in Redis. Raises VersionNotFound."""
        if not _VERSION.fullmatch(version):
            raise _version_not_found(version)
        answer: Any = self._rd.hget(f"data.{version}", "description")
        if answer is None:
            raise _version_not_found(version)
        return self._parse_description(answer)

    def table(self, version: str) -> Table:
        """Return a version's table, from Redis the first time and from the cache afterwards.

        Raises VersionNotFound, and Busy while tables in use leave no memory to decode it.

        A cached version is returned even after its deletion from Redis, with the description it had when it was
        fetched: call `describe` where that matters.
        """
        with self._lock:
            entry = self._cache.setdefault(version, _CacheEntry())
        with entry.decoding:
            if entry.table is None:
                try:
                    entry.table = self._fetch(version)
                finally:
                    self._drop_if_empty(version, entry)
        self._add_to_cache(version, entry)
        return entry.table

    def is_cached(self, version: str) -> bool:
        """Return whether this version is in the cache."""
        entry = self._cache.get(version)
        return entry is not None and entry.table is not None

    def evict_others(self, *, keep: str, max_bytes: int) -> bool:
        """Evict all other versions from the cache if they exceed `max_bytes`; return whether they did."""
        with self._lock:
            others = {name: entry.table for name, entry in self._cache.items() if entry.table and name != keep}
            if sum(table.frame.estimated_size() for table in others.values()) <= max_bytes:
                return False
            for name in others:
                del self._cache[name]
        return True

    def clear(self) -> None:
        """Unload the dataset; a version pinned by unfinished jobs stays until they end."""
        self._clear(keys=[_CURRENT])
        self._clear_cache()

    def _upload(self, loaded: Table | EncodedTable) -> int:
        """Upload the chunks, a few in memory at a time, and return their number."""
        chunks = (
            loaded.chunks()
            if isinstance(loaded, EncodedTable)
            else encode_chunks(loaded.frame, loaded.description.bytes)
        )
        count = 0
        for chunk in chunks:
            self._rd.set(f"data.{loaded.description.version}.{count}", chunk, nx=True, ex=_UPLOAD_SECONDS)
            count += 1
        return count

    def _fetch(self, version: str) -> Table:
        description = self.describe(version)
        count, memory = self._rd.hmget(f"data.{version}", "chunks", "memory")
        # Versions published by older releases lack `memory`; this estimate is rarely exceeded.
        needed = int(memory or 2 * description.bytes)
        self._evict_until_fits(version, needed)
        chunks = self._chunks(version, int(count or 0))
        return self._track(Table(description, decode_chunks(chunks), needed, self._max_memory))

    def _chunks(self, version: str, count: int) -> Iterator[bytes]:
        for number in range(count) or [0]:
            chunk: Any = self._rd.get(f"data.{version}.{number}")
            if chunk is None:
                raise _version_not_found(version)
            yield chunk

    def _cache_before_publish(self, loaded: Table | EncodedTable) -> Thread:
        """Cache a version before it is published; return the thread that builds its indexes."""
        table = self._decode(loaded) if isinstance(loaded, EncodedTable) else loaded
        self._add_to_cache(table.description.version, _CacheEntry(table=self._track(table)))
        indexing = Thread(target=table.build_indexes, name="build-indexes")
        indexing.start()
        return indexing

    def _decode(self, encoded: EncodedTable) -> Table:
        return Table(encoded.description, decode_chunks(encoded.chunks()), encoded.memory, self._max_memory)

    def _cache_after_publish(self, version: str, encoded: EncodedTable) -> None:
        """Decode a version from its file and index it, unless a request did so first or there is no memory."""
        with self._lock:
            entry = self._cache.setdefault(version, _CacheEntry())
        with entry.decoding:
            try:
                if entry.table is None:
                    self._evict_until_fits(version, encoded.memory)
                    entry.table = self._track(self._decode(encoded))
            except Busy:
                return
            finally:
                self._drop_if_empty(version, entry)
        self._add_to_cache(version, entry)
        entry.table.build_indexes()

    def _track(self, table: Table) -> Table:
        with self._lock:
            self._decoded.add(table)
        return table

    def _evict_until_fits(self, version: str, memory: int) -> None:
        """Evict versions, least recently used first, until this one fits beside those in use. Raises Busy."""
        if self._max_memory is None:
            return
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            with self._lock:
                used = sum(table.memory for table in self._decoded)
                cached = [name for name, entry in self._cache.items() if entry.table is not None and name != version]
                if not used or used + memory <= self._max_memory:
                    return
                for name in cached[:1]:
                    del self._cache[name]
            if not cached:
                # Requests still use evicted tables.
                if time.monotonic() > deadline:
                    raise Busy("Other versions of the dataset take all memory at the moment: try again.")
                time.sleep(0.05)

    def _add_to_cache(self, version: str, entry: _CacheEntry) -> None:
        with self._lock:
            self._cache[version] = entry
            self._cache.move_to_end(version)
            kept, size = 0, 0.0
            for name, other in [*self._cache.items()][::-1]:
                if other.table is not None:
                    kept, size = kept + 1, size + other.table.frame.estimated_size()
                    if kept > 1 and (kept > _CACHED_VERSIONS or size > _CACHED_BYTES):
                        del self._cache[name]

    def _clear_cache(self, keep: str | None = None) -> None:
        """Evict all versions but one: replaced versions are unlikely to be requested from this process again."""
        with self._lock:
            for name in [name for name, entry in self._cache.items() if entry.table is not None and name != keep]:
                del self._cache[name]

    def _parse_description(self, text: bytes) -> Description:
        """Parse a description, or return the last one if unchanged: parsing thousands of columns is slow."""
        last = self._last_parsed
        if last is None or last[0] != text:
            last = text, Description.from_json(json.loads(text))
            self._last_parsed = last
        return last[1]

    def _drop_if_empty(self, version: str, entry: _CacheEntry) -> None:
        with self._lock:
            if entry.table is None and self._cache.get(version) is entry:
                del self._cache[version]


def _version_not_found(version: str) -> VersionNotFound:
    return VersionNotFound(
        f"Version {quoted(version)} of the dataset is no longer kept: begin again with the current one."
    )
