"""Reads versions from Redis; changed ones from the decoded rows of an earlier version, if there are any."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dataset.changes import decode_change
from dataset.description import Description
from dataset.errors import Busy, VersionNotFound, quoted
from dataset.id_index import IdIndex
from dataset.object_store import Folder, ObjectChunks, busy_if_unavailable, parse_folder
from dataset.scanned_table import ScannedTable
from dataset.shared_files import SharedFiles
from dataset.table import Location, Table
from dataset.table_cache import TableCache
from dataset.table_changes import replay_changes

if TYPE_CHECKING:
    # Not imported at run time: it would delay the start of the ingest subprocess.
    import polars as pl
    import redis

__all__ = ["OWN_FOLDER", "VersionReader", "move"]

OWN_FOLDER: Final = "data.folder"
_CURRENT: Final = "data.current"
_MAX_TRIES: Final = 20
_SWEEP_SECONDS: Final = 60
_VERSION: Final = re.compile("[0-9a-f]{32}")


class _Current(NamedTuple):
    """A version, and the changes that lead to it from a table."""

    description: Description
    memory: int
    location: Location
    further: list[bytes]


class VersionReader:
    """Reads the keys that `dataset/store.py` describes."""

    def __init__(
        self,
        rd: redis.Redis,
        cache: TableCache,
        files: SharedFiles,
        max_memory: int | None,
        objects: ObjectChunks | None = None,
    ) -> None:
        self._rd = rd
        self._objects = objects
        self._files = files
        self._cache = cache
        self._max_memory = max_memory
        self._later = Timer(0, self.sweep_files)
        self._current = rd.register_script((Path(__file__).parent / "lua" / "current.lua").read_text("utf-8"))
        self._last_parsed: tuple[bytes, Description] | None = None

    def describe(self, version: str) -> Description:
        """Return the description of a version in Redis. Raises VersionNotFound."""
        if not _VERSION.fullmatch(version):
            raise _version_not_found(version)
        answer: Any = self._rd.hget(f"data.{version}", "description")
        if answer is None:
            raise _version_not_found(version)
        return self.parse_description(answer)

    def read_current(self, known: Table | None) -> _Current | None:
        """Return the current version in one round trip, with the changes that lead to it from a table."""
        base, changes, log, _ = Location("") if known is None else known.location
        answer: Any = self._current(keys=[_CURRENT], args=[base, log, changes])
        if answer is None:
            return None
        version, (text, memory, *location), further = answer
        name = version.decode()
        found = _parse_location(name, [*location, b""])
        return (
            None
            if text is None or found is None
            else _Current(self.parse_description(text), int(memory or 0), found, further)
        )

    def current_table(self) -> tuple[Description, Table] | None:
        """Return the current description and its table; see `Store.current_table`."""
        known = next(iter(self._cache.tables()[::-1]), None)
        for _ in range(_MAX_TRIES):
            found = self.read_current(known)
            if found is None:
                return None
            version, location = found.description.version, found.location
            with suppress(VersionNotFound):  # replaced since
                if location.base == version or self._cache.has(version):
                    return found.description, self._cache.get(version, partial(self.fetch, version))
                if known is not None and _leads_to(known, location):
                    return found.description, self._cache.get(version, partial(_replay, known, found))
                # The base outlives the changes to come.
                known = self.nearest(location) or self._fetch_chunks(location.base)
        raise VersionNotFound("The dataset is being replaced all the time: try again.")

    def locate(self, version: str) -> Location | None:
        """Return how a version is stored; None if it is not."""
        return _parse_location(version, self._rd.hmget(f"data.{version}", "base", "changes", "log", "chunks"))

    def nearest(self, location: Location) -> Table | None:
        """Return the cached table from which the one at this location follows by the fewest changes."""
        tables = self._cache.tables()
        if tables and not any(_leads_to(table, location) for table in tables):
            folded: Any = self._rd.hget(f"data.{location.base}", "folded")
            if folded is not None:
                base, changes, log = folded.decode().split()
                for table in tables:
                    move(table, Location(base, int(changes), log), location.base)
        found = [table for table in tables if _leads_to(table, location)]
        return max(found, key=lambda table: table.location.changes, default=None)

    def fetch(self, version: str) -> Table:
        """Return the table of a version. Raises VersionNotFound, and Busy as `TableCache.evict_until_fits` does."""
        location = self.locate(version) if _VERSION.fullmatch(version) else None
        while location is not None:
            try:
                return self._fetch_from(location, version)
            except VersionNotFound:
                before, location = location, self.locate(version)
                if location == before:
                    raise
        raise _version_not_found(version)

    def sweep_files(self, *, again: bool = False) -> None:
        """Delete the files of versions that are no longer in Redis; `again` later, if they are in use."""
        from redis.exceptions import RedisError  # not before: it would delay the start of the ingest subprocess

        left = True
        with suppress(RedisError):
            left = self._files.sweep(self._stored)
        if again and (left or self._objects is not None):
            self._later.cancel()
            self._later = Timer(_SWEEP_SECONDS, self._sweep_later)
            self._later.daemon = True
            self._later.start()

    def _sweep_later(self) -> None:
        """Sweep the storage too, which takes longer, and all again until only what is current is left."""
        from redis.exceptions import RedisError

        left = True
        with suppress(RedisError, Busy):
            left = self._sweep_objects()
        self.sweep_files(again=left)

    def _sweep_objects(self) -> bool:
        own: Any = self._rd.get(OWN_FOLDER)
        if self._objects is None or own is None:
            return False
        left = self._objects.sweep(own.decode(), self._is_used)
        current: Any = self._rd.get(_CURRENT) or b""
        base: Any = self._rd.hget(f"data.{current.decode()}", "base") or current
        return any(_version_of(name) != base.decode() for name in left)

    def _is_used(self, name: str) -> bool:
        folder = self.folder_of(_version_of(name))
        return folder is not None and folder.name == name

    def folder_of(self, version: str) -> Folder | None:
        """Return the folder of a version's chunks in the storage; None if it has none."""
        chunk: Any = self._rd.get(f"data.{version}.0")
        return parse_folder(chunk)

    def scan(self, version: str, min_bytes: int, budget: int) -> ScannedTable | None:
        """Return a version whose rows stay in the storage; see `Store.scanned`."""
        if self._objects is None:
            return None
        fields: Any = self._rd.hmget(f"data.{version}", "description", "memory", "base")
        text, memory, base = fields
        if text is None or base is not None or int(memory or 0) < min_bytes:
            return None
        folder = self.folder_of(version)
        return folder and ScannedTable(self.parse_description(text), self._objects, folder, budget)

    def _stored(self, versions: Collection[str]) -> set[str]:
        """Return those of the versions that are in Redis, or about to be published."""
        with self._rd.pipeline(transaction=False) as moment:
            for version in versions:
                moment.exists(f"data.{version}", f"data.{version}.0")
            return {version for version, found in zip(versions, moment.execute(), strict=True) if found}

    def _fetch_from(self, location: Location, version: str) -> Table:
        if location.base == version:
            return self._fetch_chunks(version)
        # These do not change while the version is there.
        description, memory = self.describe(version), self._rd.hget(f"data.{version}", "memory")
        table = self.nearest(location) or self._fetch_chunks(location.base)
        first = table.location.changes
        with self._rd.pipeline() as moment:
            moment.lrange(f"data.{location.base}.changes", first, location.changes - 1)
            moment.hmget(f"data.{version}", "base", "changes", "log", "chunks")
            changes, fields = moment.execute()
        if _parse_location(version, fields) != location:
            raise _version_not_found(version)
        return _replay(table, _Current(description, int(memory or 0), location, changes))

    def _fetch_chunks(self, version: str) -> Table:
        description = self.describe(version)
        count, memory, next_row = self._rd.hmget(f"data.{version}", "chunks", "memory", "next_row")
        # Versions published by older releases lack `memory`; this estimate is rarely exceeded.
        needed = int(memory or 2 * description.bytes)
        self._cache.evict_until_fits(version, needed)
        frame = self._files.map(version)
        if frame is None:
            self.sweep_files()  # there will be another file
            # Whether the rows are in the storage is only known from their chunk, and most services have none.
            with busy_if_unavailable() if self._objects is not None else nullcontext():
                frame = self._files.get(
                    version, needed, lambda: self._read_rows(version, int(count or 0)), self._max_memory
                )
        ids = None
        if description.id in frame.columns and description.id not in description.types():
            ids = IdIndex.of_column(frame[description.id], can_index=True)
            frame = frame.drop(description.id)
        return Table(description, frame, needed, self._max_memory, ids, int(next_row) if next_row else None)

    def _read_rows(self, version: str, count: int) -> Iterator[bytes] | pl.LazyFrame:
        chunks = self._chunks(version, count)
        if count != 1:
            return chunks
        [chunk] = chunks
        folder = parse_folder(chunk)
        if folder is None:
            return iter([chunk])
        if self._objects is None:
            raise Busy("The rows of the dataset are in the storage that DATASET_STORE named: set it again.")
        return self._objects.scan(folder)

    def _chunks(self, version: str, count: int) -> Iterator[bytes]:
        for number in range(count) or [0]:
            chunk: Any = self._rd.get(f"data.{version}.{number}")
            if chunk is None:
                raise _version_not_found(version)
            yield chunk

    def parse_description(self, text: bytes) -> Description:
        """Parse a description, or return the last one if unchanged: parsing thousands of columns is slow."""
        last = self._last_parsed
        if last is None or last[0] != text:
            last = text, Description.from_json(json.loads(text))
            self._last_parsed = last
        return last[1]


def _version_of(folder: str) -> str:
    return folder.rpartition("/")[2].rpartition("-")[0]


def move(table: Table, folded: Location, base: str) -> None:
    """Note that the changes up to this location are in the chunks of a new base, if the table has them all."""
    location = table.location
    if (location.base, location.log) == (folded.base, folded.log) and location.changes >= folded.changes:
        left = location.changes - folded.changes
        table.location = Location(base, left, location.log if left else "")


def _replay(table: Table, found: _Current) -> Table:
    location = found.location._replace(bytes=table.location.bytes + sum(map(len, found.further)))
    return replay_changes(table, list(map(decode_change, found.further)), found.description, location, found.memory)


def _parse_location(version: str, fields: Any) -> Location | None:
    base, changes, log, chunks = fields
    if base is None:
        return None if chunks is None else Location(version)
    return Location(base.decode(), int(changes), log.decode())


def _leads_to(table: Table, location: Location) -> bool:
    """Return whether the version at this location follows from the table by changes, or is the same."""
    own = table.location
    return own.base == location.base and own.changes <= location.changes and own.log in ("", location.log)


def _version_not_found(version: str) -> VersionNotFound:
    return VersionNotFound(
        f"Version {quoted(version)} of the dataset is no longer kept: begin again with the current one."
    )
