"""Chunks of versions as Parquet in object storage, or in a folder that all hosts share (`DATASET_STORE`).

The chunks of one upload have a folder of their own, below one that belongs to this Redis, so that services may share a
bucket. In Redis, such a version has one chunk: a line of JSON with the folder, and the number of rows of each chunk.
A folder that no version names is deleted once it is an hour old: an aborted upload may have left it.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import uuid4

import polars as pl

from dataset.errors import Busy

if TYPE_CHECKING:
    from obstore.store import ObjectStore

__all__ = ["Folder", "ObjectChunks", "busy_if_unavailable", "parse_folder"]

_USER: Final = re.compile(r"//[^/@\s]*@")
_MIN_AGE: Final = dt.timedelta(hours=1)
_RETRIES: Final = 3
_RETRY_SECONDS: Final = 20
_REQUEST_SECONDS: Final = 30


class Folder(NamedTuple):
    """The folder of a version, and the number of rows of each of its chunks."""

    name: str
    rows: list[int]

    def as_chunk(self) -> bytes:
        """Return the chunk that names this folder in Redis."""
        return json.dumps(self._asdict()).encode()


def parse_folder(chunk: bytes | None) -> Folder | None:
    """Return the folder that a chunk in Redis names, None if it has rows."""
    return Folder(**json.loads(chunk)) if chunk is not None and chunk.startswith(b"{") else None


class ObjectChunks:
    """The chunks below `url`: `s3://BUCKET/PREFIX`, or an absolute path. No connection is made before it is needed.

    Credentials, region and endpoint of S3 are those of the environment (`AWS_ACCESS_KEY_ID`, …), for obstore and for
    polars alike. The methods raise Busy if the storage does not answer.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    @cached_property
    def _store(self) -> ObjectStore:
        # Not before: most processes have no such storage.
        from obstore.store import LocalStore, from_url

        if "://" in self._url:
            timeout = dt.timedelta(seconds=_RETRY_SECONDS)
            return from_url(self._url, retry_config={"max_retries": _RETRIES, "retry_timeout": timeout})
        return LocalStore(self._url, mkdir=True, automatic_cleanup=True)

    def upload(self, name: str, chunks: Iterable[bytes]) -> Folder:
        """Upload chunks, a few in memory at a time, into a folder whose name begins with `name`."""
        import obstore

        folder = Folder(f"{name}-{uuid4().hex[:12]}", [])
        with busy_if_unavailable():
            for chunk in chunks:
                obstore.put(self._store, _path(folder, len(folder.rows)), chunk)
                folder.rows.append(pl.scan_parquet(io.BytesIO(chunk)).select(pl.len()).collect().item())
        return folder

    def scan(self, folder: Folder, number: int | None = None) -> pl.LazyFrame:
        """Return the rows of a chunk, or of all chunks, of which nothing is read yet."""
        numbers = range(len(folder.rows)) if number is None else [number]
        # The storage options are those of S3: a path has none.
        options = {"max_retries": _RETRIES, "timeout": f"{_REQUEST_SECONDS}s"} if "://" in self._url else None
        paths = [f"{self._url}/{_path(folder, each)}" for each in numbers]
        return pl.scan_parquet(paths, storage_options=options, glob=False)

    def is_complete(self, folder: Folder) -> bool:
        """Return whether all chunks of a folder are there."""
        import obstore

        with busy_if_unavailable():
            found = sum(len(batch) for batch in obstore.list(self._store, folder.name))
        return found == len(folder.rows)

    def delete(self, folder: Folder) -> None:
        """Delete a folder."""
        import obstore

        with busy_if_unavailable():
            obstore.delete(self._store, [_path(folder, number) for number in range(len(folder.rows))])

    def sweep(self, own: str, is_used: Callable[[str], bool]) -> list[str]:
        """Delete the old folders below `own` that are not used, and return the names of the others."""
        import obstore

        found: dict[str, list[Any]] = {}
        with busy_if_unavailable():
            for batch in obstore.list(self._store, own):
                for meta in batch:
                    found.setdefault(meta["path"].rpartition("/")[0], []).append(meta)
            unused = {name: objects for name, objects in found.items() if not is_used(name)}
            oldest = dt.datetime.now(dt.UTC) - _MIN_AGE
            old = [name for name in unused if max(each["last_modified"] for each in unused[name]) < oldest]
            for name in old:
                obstore.delete(self._store, [each["path"] for each in unused[name]])
        return [name for name in found if name not in old]


def _path(folder: Folder, number: int) -> str:
    return f"{folder.name}/{number:06}.parquet"


@contextmanager
def busy_if_unavailable() -> Iterator[None]:
    """Raise Busy instead of the errors of obstore, or of polars for a scan of the storage."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError, pl.exceptions.ComputeError) as error:
        reason = _USER.sub("//", str(error).partition("\n")[0])[:200]
        raise Busy(f"The storage of datasets does not answer ({reason}): try again.") from error
