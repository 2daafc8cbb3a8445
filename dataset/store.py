"""Versions of the dataset in Redis.

Keys, in the database of the job records:

- `data.current`: the version that is loaded; absent when none is.
- `data.<version>`: a hash of `description` (JSON), `chunks` (how many) and `pins` (how many unfinished jobs hold it).
- `data.<version>.<n>`, n from 0: the rows, in order, as compressed columns (Arrow IPC). Expires after an hour until the
  version is published, so an upload that dies leaves nothing.

What is neither current nor pinned is removed by the script that takes the last of the two away.
"""

from __future__ import annotations

import io
import json
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from .description import Description
from .errors import VersionGone, quoted
from .table import Table

if TYPE_CHECKING:
    # The process that reads a body, whose start the sender waits for, can do without.
    import redis

__all__ = ["Store"]

_CURRENT: Final = "data.current"
_CHUNK_BYTES: Final = 8 * 2**20
_UPLOAD_SECONDS: Final = 3600
_UPLOADS: Final = 5
_KEPT: Final = 3
_KEPT_BYTES: Final = 512 * 2**20
_VERSION: Final = re.compile("[0-9a-f]{32}")


@dataclass(slots=True)
class _Shelf:
    """Where one version is decoded: by one thread, while others that want it wait."""

    decoding: Lock = field(default_factory=Lock)
    table: Table | None = None


class Store:
    """The dataset as all processes share it, and the few versions that this process has decoded.

    Takes a client of the records database that answers bytes, and opens nothing. Errors of the connection and
    redis.exceptions.OutOfMemoryError are the caller's; the dataset that was loaded then stays.
    """

    def __init__(self, rd: redis.Redis) -> None:
        self._rd = rd
        self._publish, self._clear, self._current = (
            rd.register_script((Path(__file__).parent / f"{name}.lua").read_text(encoding="utf-8"))
            for name in ("publish", "clear", "current")
        )
        self._shelves: OrderedDict[str, _Shelf] = OrderedDict()
        self._guard = Lock()

    def publish(self, table: Table) -> Description:
        """Replace the dataset whole, and answer its description.

        Raises VersionGone when others replace it all the while.
        """
        wanted = table.description
        chunks = _split(table.frame, wanted.bytes)
        for _ in range(_UPLOADS):
            self._upload(wanted.version, chunks)
            answer: Any = self._publish(
                keys=[_CURRENT], args=[wanted.version, len(chunks), json.dumps(wanted.as_json())]
            )
            if answer != b"incomplete":
                self._forget_all()
                self._keep(wanted.version, _Shelf(table=table))
                return wanted
        raise VersionGone("Others replaced the dataset while this one was loaded: load it again.")

    def current(self) -> Description | None:
        """Answer what is loaded, in one round trip; None when nothing is."""
        answer: Any = self._current(keys=[_CURRENT])
        return None if answer is None else _read_description(answer)

    def describe(self, version: str) -> Description:
        """Answer the description of a version that Redis still has. Raises VersionGone."""
        if not _VERSION.fullmatch(version):
            raise _gone(version)
        answer: Any = self._rd.hget(f"data.{version}", "description")
        if answer is None:
            raise _gone(version)
        return _read_description(answer)

    def table(self, version: str) -> Table:
        """Answer a version's rows, from Redis the first time and then from memory. Raises VersionGone.

        A version that this process kept is answered even after it went from Redis, and with the description that it had
        when it was fetched: ask `describe` where that matters.
        """
        with self._guard:
            shelf = self._shelves.setdefault(version, _Shelf())
        with shelf.decoding:
            if shelf.table is None:
                try:
                    shelf.table = self._fetch(version)
                finally:
                    self._drop_if_empty(version, shelf)
        self._keep(version, shelf)
        return shelf.table

    def holds(self, version: str) -> bool:
        """Answer whether `table` would answer this version from memory."""
        shelf = self._shelves.get(version)
        return shelf is not None and shelf.table is not None

    def drop(self, *, but: str, most_bytes: int) -> bool:
        """Drop what this process decoded of other versions if it has more than `most_bytes`; answer whether it had."""
        with self._guard:
            others = {name: shelf.table for name, shelf in self._shelves.items() if shelf.table and name != but}
            if sum(table.frame.estimated_size() for table in others.values()) <= most_bytes:
                return False
            for name in others:
                del self._shelves[name]
        return True

    def clear(self) -> None:
        """Leave no dataset loaded; a version that unfinished jobs hold stays until they end."""
        self._clear(keys=[_CURRENT])
        self._forget_all()

    def _upload(self, version: str, chunks: list[bytes]) -> None:
        for number, chunk in enumerate(chunks):
            self._rd.set(f"data.{version}.{number}", chunk, nx=True, ex=_UPLOAD_SECONDS)

    def _fetch(self, version: str) -> Table:
        description = self.describe(version)
        count: Any = self._rd.hget(f"data.{version}", "chunks")
        frames = []
        # One after the other: all of them together would take as much memory again.
        for number in range(int(count or 0)):
            chunk: Any = self._rd.get(f"data.{version}.{number}")
            if chunk is None:
                raise _gone(version)
            frames.append(pl.read_ipc(io.BytesIO(chunk)))
        if not frames:
            raise _gone(version)
        return Table(description, pl.concat(frames))

    def _keep(self, version: str, shelf: _Shelf) -> None:
        with self._guard:
            self._shelves[version] = shelf
            self._shelves.move_to_end(version)
            kept, size = 0, 0.0
            for name, other in [*self._shelves.items()][::-1]:
                if other.table is not None:
                    kept, size = kept + 1, size + other.table.frame.estimated_size()
                    if kept > 1 and (kept > _KEPT or size > _KEPT_BYTES):
                        del self._shelves[name]

    def _forget_all(self) -> None:
        """What was replaced: nobody asks a process that replaces datasets for it again."""
        with self._guard:
            for name in [name for name, shelf in self._shelves.items() if shelf.table is not None]:
                del self._shelves[name]

    def _drop_if_empty(self, version: str, shelf: _Shelf) -> None:
        with self._guard:
            if shelf.table is None and self._shelves.get(version) is shelf:
                del self._shelves[version]


def _split(frame: pl.DataFrame, body_bytes: int) -> list[bytes]:
    """Split the rows by the size of the body they came from, so that the same version always has the same chunks.

    Compressed columns are smaller than the text they were.
    """
    count = max(1, min(frame.height, -(-body_bytes // _CHUNK_BYTES)))
    edges = [number * frame.height // count for number in range(count + 1)]
    chunks = []
    for first, following in pairwise(edges):
        chunk = io.BytesIO()
        frame.slice(first, following - first).write_ipc(chunk, compression="zstd")
        chunks.append(chunk.getvalue())
    return chunks


def _read_description(text: bytes) -> Description:
    return Description.from_json(json.loads(text))


def _gone(version: str) -> VersionGone:
    return VersionGone(f"Version {quoted(version)} of the dataset is no longer kept: begin again with the current one.")
