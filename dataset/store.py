"""Versions of the dataset in Redis, and a cache of decoded versions in memory.

Keys, in the database of the job records:

- `data.current`: the current version; absent if no dataset is loaded.
- `data.owner`: who loaded it, the name of an API key; absent without keys. Changes of records leave it.
- `data.<version>`: a hash of `description` (JSON), `memory` (bytes of the decoded rows), `pins` (the number of
  unfinished jobs and of changed versions that use the version), `next_row` (the number of the next row, if rows have
  been removed) and, for a version that has chunks of its own, `chunks` (their number).
- `data.<version>.<n>`, n from 0: the rows, in order, as compressed columns (Arrow IPC). Expires after an hour unless
  the version is published, so an aborted upload leaves nothing behind.
- A version that was made by a change of records has no chunks. It has a `base`, a version with chunks, and consists of
  the base's rows after the first `changes` entries of the list `data.<base>.changes`. The base counts such versions as
  `derived`, and in its `pins`.

- With `DATASET_STORE`, a version's only chunk in Redis names the folder in which its chunks are: see
  `dataset/object_store.py`. `data.folder` is the part of the storage that belongs to this Redis.

- `data.change.turn`: the process that may make the next change, for a second at most, after others were faster.

A version that is neither current nor pinned is deleted, by the script that replaces, clears or unpins it. When the list
of changes has become long, the version gets chunks and becomes the base of the next ones (`rebase.lua`).
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from dataset.arrow_chunks import EncodedTable
from dataset.changes import Change
from dataset.description import Description
from dataset.errors import Busy, NotCurrent, NotOwner, TooLarge, VersionNotFound
from dataset.object_store import ObjectChunks
from dataset.scanned_table import ScannedTable
from dataset.shared_files import SharedFiles
from dataset.table import Location, Table
from dataset.table_cache import TableCache
from dataset.table_changes import apply_change
from dataset.version_reader import VersionReader, move
from dataset.version_writer import VersionWriter

if TYPE_CHECKING:
    # Not imported at run time: it would delay the start of the ingest subprocess.
    import redis

__all__ = ["Store"]

_CURRENT: Final = "data.current"
_OWNER: Final = "data.owner"
_SAME: Final = "same owner"  # no name of a key has a blank
_TURN: Final = "data.change.turn"
_TURN_MILLISECONDS: Final = 1000
_TRIES_BEFORE_TURN: Final = 3
_MAX_PAUSE_SECONDS: Final = 0.01
_NO_FILES: Final = SharedFiles(0)
_ANY: Final = ""
_NONE: Final = "-"
_MAX_UPLOADS: Final = 5
_MAX_TRIES: Final = 100  # in half a second
_MIN_REBASE_BYTES: Final = 2**19
_REBASE_FRACTION: Final = 64
"""The list of changes may have a 64th of the bytes of the decoded rows, and at least 512 KiB."""
_INDEX_SECONDS: Final = 0.1  # most often enough, so that the first search after a load does not wait


class _Moved(Exception):
    """The current version is another one, or stored in another way, than it was."""


class Store:
    """The dataset in Redis, shared by all processes, and the cache of the versions that this process has decoded.

    `rd` is a client of the records database that returns bytes; the constructor opens no connection. Connection errors
    and redis.exceptions.OutOfMemoryError propagate to the caller; the current dataset then stays.
    """

    def __init__(
        self,
        rd: redis.Redis,
        max_memory: int | None = None,
        files: SharedFiles = _NO_FILES,
        objects: ObjectChunks | None = None,
    ) -> None:
        """Create a store whose rows and indexes take at most `max_memory` bytes, None for no limit.

        Large versions have one of `files`, which other processes share. The chunks are among `objects`, by default in
        Redis.
        """
        self._rd = rd
        self._files = files
        self._max_memory = max_memory
        self._publish, self._clear, self._change, self._rebase = (
            rd.register_script(
                "".join((Path(__file__).parent / "lua" / f"{each}.lua").read_text("utf-8") for each in names)
            )
            for names in (("drop_version", name) for name in ("publish", "clear", "change", "rebase"))
        )
        self._cache = TableCache(max_memory)
        self._reader = VersionReader(rd, self._cache, files, max_memory, objects)
        self._writer = VersionWriter(rd, self._reader, objects)
        self._changing = Lock()
        self._rebasing = Lock()

    def owner(self) -> str | None:
        """Return the owner of the dataset, None if it has none."""
        found: Any = self._rd.get(_OWNER)
        return None if found is None else found.decode()

    def publish(
        self,
        loaded: Table | EncodedTable,
        owner: str | None = None,
        *,
        only_own: bool = False,
        replaces: str | None = None,
    ) -> Description:
        """Replace the dataset atomically and return its description; its indexes may take longer.

        Raises NotOwner if `only_own` and the dataset that it would replace has another owner, NotCurrent if another
        version than `replaces` is current (None is any), VersionNotFound if its chunks are repeatedly deleted because
        others publish at the same time.
        """
        if not self._publish_replacing(loaded, replaces or _ANY, owner or "", only_own=only_own):
            raise NotCurrent
        return loaded.description

    def publish_first(self, loaded: Table | EncodedTable) -> bool:
        """Publish the dataset unless one is loaded; return whether it was. Raises VersionNotFound as `publish` does."""
        return self._publish_replacing(loaded, _NONE)

    def _publish_replacing(
        self, loaded: Table | EncodedTable, replaces: str, owner: str = "", *, only_own: bool = False
    ) -> bool:
        description = loaded.description
        # A large version is decoded, or read from its file, only after the one that it replaces has left the cache.
        is_mapped = isinstance(loaded, EncodedTable) and loaded.is_mapped
        is_small = self._max_memory is None or loaded.memory < self._max_memory // 4
        table = self._cache_before_publish(loaded) if is_small or is_mapped else None
        indexing = Thread(target=self._build_indexes, args=(table, loaded), name="build-indexes")
        if is_small and not is_mapped:
            indexing.start()
        published = False
        try:
            published = self._upload_and_publish(loaded, replaces, owner, only_own=only_own)
            if published:
                self._cache.clear(keep=description.version)
        finally:
            self.sweep_files()  # also what an upload that failed leaves in the storage
        if not published:
            return False
        if is_small and not is_mapped:
            indexing.join(_INDEX_SECONDS)
        elif isinstance(loaded, EncodedTable):
            indexing.start()
        return True

    def change(self, decide: Callable[[Table], Change | None]) -> Table | None:
        """Change the current version atomically and return the new one; None if no dataset is loaded.

        `decide` returns the change of a table, or None for none, and may raise. It is called again if another process
        replaced the version at the same time. Raises TooLarge, and Busy if the version is replaced all the time.
        """
        with self._changing:
            for _ in range(_TRIES_BEFORE_TURN):
                with suppress(_Moved):
                    return self._decide_and_try(decide, "")
            return self._change_in_turn(decide)

    def _change_in_turn(self, decide: Callable[[Table], Change | None]) -> Table | None:
        """Change the current version as `change` does, while other processes let this one go first."""
        caller = uuid4().hex
        try:
            for _ in range(_MAX_TRIES):
                self._rd.set(_TURN, caller, nx=True, px=_TURN_MILLISECONDS)
                with suppress(_Moved):
                    return self._decide_and_try(decide, caller)
                time.sleep(random.uniform(0, _MAX_PAUSE_SECONDS))
        finally:
            if self._rd.get(_TURN) == caller.encode():
                self._rd.delete(_TURN)
        raise Busy("The dataset is being replaced all the time: try again.")

    def _decide_and_try(self, decide: Callable[[Table], Change | None], caller: str) -> Table | None:
        """Change the current version unless it is replaced at the same time. Raises _Moved."""
        try:
            found = self.current_table()
            if found is None:
                return None
            change = decide(found[1])
            return found[1] if change is None else self._try_change(found[1], change, caller)
        except VersionNotFound as error:
            raise _Moved from error

    def current(self) -> Description | None:
        """Return the current description in one round trip; None if no dataset is loaded."""
        found = self._reader.read_current(None)
        return None if found is None else found.description

    def current_table(self) -> tuple[Description, Table] | None:
        """Return the current description and its table; None if no dataset is loaded.

        Raises VersionNotFound if the dataset is replaced all the time, and Busy as `table` does. Changes of records do
        not make it fail, however fast they follow each other.
        """
        return self._reader.current_table()

    def describe(self, version: str) -> Description:
        """Return the description of a version in Redis. Raises VersionNotFound."""
        return self._reader.describe(version)

    def table(self, version: str) -> Table:
        """Return a version's table, from Redis the first time and from the cache afterwards.

        Raises VersionNotFound, and Busy while tables in use leave no memory to decode it.

        A cached version is returned even after its deletion from Redis, with the description it had when it was
        fetched: call `describe` where that matters.
        """
        return self._cache.get(version, lambda: self._reader.fetch(version))

    def scanned(self, version: str, min_bytes: int, budget: int) -> ScannedTable | None:
        """Return a version whose rows, at least `min_bytes` in memory, are in the storage; None for another one.

        None also for a version with changes of records, which are not in the storage.
        """
        return self._reader.scan(version, min_bytes, budget)

    def is_cached(self, version: str) -> bool:
        """Return whether this version is in the cache."""
        return self._cache.has(version)

    def evict_others(self, *, keep: str, max_bytes: int) -> bool:
        """Evict all other versions from the cache if they exceed `max_bytes`; return whether they did.

        A version that `keep` follows from by changes stays, unless `keep` is in the cache itself.
        """
        kept = {keep}
        if keep and not self.is_cached(keep) and self._cache.tables():
            location = self._reader.locate(keep)
            nearest = location and self._reader.nearest(location)
            kept |= {nearest.description.version} if nearest else set()
        return self._cache.evict(kept, max_bytes)

    def clear(self, only_of: str | None = None, *, only: str | None = None) -> None:
        """Unload the dataset; a version pinned by unfinished jobs stays until they end.

        Raises NotOwner if it has another owner than `only_of`, NotCurrent if another version than `only` is current;
        None is any.
        """
        answer = self._clear(keys=[_CURRENT], args=[only_of or "", only or _ANY])
        if answer == b"foreign":
            raise NotOwner
        if answer == b"moved":
            raise NotCurrent
        self._cache.clear()
        self.sweep_files()

    def sweep_files(self) -> None:
        """Delete the files of versions that are no longer in Redis, now or once no process uses them."""
        self._reader.sweep_files(again=True)

    def rebase(self, table: Table) -> bool:
        """Give a changed version chunks of its own, so that its list of changes can be dropped; return whether it was.

        The list goes on with the changes that have been made since.
        """
        folded = table.location
        if not folded.changes:
            return False
        description = json.dumps(table.description.as_json())
        version = table.description.version
        try:
            count = self._writer.upload(table)
            answer: Any = self._rebase(
                keys=[_CURRENT], args=[*folded[:3], version, count, description, table.memory, table.next_row]
            )
            if answer != b"current":
                return False
            for other in self._cache.tables():
                move(other, folded, version)
        finally:
            self.sweep_files()
        return True

    def _try_change(self, table: Table, change: Change, caller: str) -> Table:
        """Publish the table with the change. Raises _Moved if another process replaced the version, or has its turn."""
        changed, stored = apply_change(table, change)
        if self._max_memory is not None and changed.memory > max(self._max_memory, table.memory):
            raise TooLarge(f"The dataset would take more than {self._max_memory:,} bytes of memory: send less.")
        parent, description = table.description.version, changed.description
        answer: Any = self._change(
            keys=[_CURRENT, _TURN],
            args=[
                parent,
                *table.location[:2],
                stored,
                description.version,
                json.dumps(description.as_json()),
                changed.memory,
                changed.next_row,
                caller,
            ],
        )
        if answer == b"forked":
            changed.location = Location(description.version)
            if not self._upload_and_publish(changed, parent, _SAME):
                raise _Moved
        elif answer != b"current":
            if (location := self._reader.locate(parent)) is not None:
                table.location = location
            raise _Moved
        self._cache.discard(parent)
        self._cache.add(changed)
        limit = max(_MIN_REBASE_BYTES, changed.memory // _REBASE_FRACTION)
        # The change that reaches the limit, and not all after it: that would encode the same rows in many processes.
        if changed.location.bytes // limit > table.location.bytes // limit and self._rebasing.acquire(blocking=False):
            Thread(target=self._rebase_and_release, args=(changed,), name="rebase").start()
        return changed

    def _rebase_and_release(self, table: Table) -> None:
        from redis.exceptions import RedisError  # not before: it would delay the start of the ingest subprocess

        try:
            with suppress(RedisError, Busy):  # a later change tries again
                self.rebase(table)
        finally:
            self._rebasing.release()

    def _upload_and_publish(
        self, loaded: Table | EncodedTable, replaces: str, owner: str, *, only_own: bool = False
    ) -> bool:
        """Upload and publish a version; return whether the version that it `replaces` was current."""
        description = loaded.description
        next_row = loaded.next_row if isinstance(loaded, Table) else description.count + 1
        for _ in range(_MAX_UPLOADS):
            count = self._writer.upload(loaded)
            if isinstance(loaded, EncodedTable) and loaded.arrow is not None and loaded.is_mapped:
                self._files.keep(loaded.arrow, description.version)
            text = json.dumps(description.as_json())
            answer: Any = self._publish(
                keys=[_CURRENT],
                args=[description.version, count, text, loaded.memory, next_row, replaces, owner, int(only_own)],
            )
            if answer == b"foreign":
                raise NotOwner
            if answer != b"incomplete":
                return bool(answer == b"current")
        raise VersionNotFound("Others replaced the dataset while this one was loaded: load it again.")

    def _cache_before_publish(self, loaded: Table | EncodedTable) -> Table:
        """Cache a version before it is published."""
        table = self._to_table(loaded) if isinstance(loaded, EncodedTable) else loaded
        self._cache.add(table)
        return table

    def _to_table(self, encoded: EncodedTable) -> Table:
        rows = self._files.map(encoded.description.version)
        most = self._max_memory
        if rows is None and not encoded.is_mapped and most is not None and encoded.memory > most:
            raise Busy("The dataset is larger than DATASET_MEMORY_MB, and has no file to be mapped.")
        return Table(encoded.description, encoded.frame() if rows is None else rows, encoded.memory, self._max_memory)

    def _build_indexes(self, table: Table | None, loaded: Table | EncodedTable) -> None:
        """Index a version; decode it first unless that is done, a request did so, or there is no memory."""

        def decode() -> Table:
            assert isinstance(loaded, EncodedTable)
            self._cache.evict_until_fits(loaded.description.version, loaded.memory)
            return self._to_table(loaded)

        with suppress(Busy):  # a request that needs it gives the reason
            (table or self._cache.get(loaded.description.version, decode)).build_indexes()
