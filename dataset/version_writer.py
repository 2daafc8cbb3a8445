"""Writes the chunks of a version to Redis, or to the storage of datasets, before the version is published."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from dataset.arrow_chunks import EncodedTable, encode_chunks
from dataset.errors import Busy
from dataset.object_store import ObjectChunks
from dataset.table import Table
from dataset.version_reader import OWN_FOLDER, VersionReader

if TYPE_CHECKING:
    # Not imported at run time: it would delay the start of the ingest subprocess.
    import redis

__all__ = ["VersionWriter"]

_UPLOAD_SECONDS: Final = 3600


class VersionWriter:
    """Writes the keys of chunks that `dataset/store.py` describes."""

    def __init__(self, rd: redis.Redis, reader: VersionReader, objects: ObjectChunks | None = None) -> None:
        self._rd = rd
        self._reader = reader
        self._objects = objects

    def upload(self, loaded: Table | EncodedTable) -> int:
        """Upload the chunks, a few in memory at a time, and return the number of those in Redis. Raises Busy."""
        version = loaded.description.version
        chunks = (
            loaded.chunks()
            if isinstance(loaded, EncodedTable)
            else encode_chunks(loaded.stored_frame(), loaded.description.bytes, parquet=self._objects is not None)
        )
        if self._objects is not None:
            return self._upload_objects(self._objects, version, chunks)
        if self._reader.folder_of(version) is not None:
            raise Busy(
                "The rows of this dataset are in the storage that DATASET_STORE named: set it again, or delete the "
                "dataset first."
            )
        count = 0
        for chunk in chunks:
            self._rd.set(f"data.{version}.{count}", chunk, nx=True, ex=_UPLOAD_SECONDS)
            count += 1
        return count

    def _upload_objects(self, objects: ObjectChunks, version: str, chunks: Iterable[bytes]) -> int:
        """Upload the chunks to the storage, unless they are there, and return the number of those in Redis."""
        key = f"data.{version}.0"
        known = self._reader.folder_of(version)
        if known is not None and objects.is_complete(known):
            return 1
        if known is None and (published := self._rd.hget(f"data.{version}", "chunks")):
            return int(published)  # before there was a storage
        self._rd.set(OWN_FOLDER, uuid4().hex[:12], nx=True)
        own: Any = self._rd.get(OWN_FOLDER)
        folder = objects.upload(f"{own.decode()}/{version}", chunks)
        if self._rd.set(key, folder.as_chunk(), nx=True, ex=_UPLOAD_SECONDS):
            return 1
        if self._reader.folder_of(version) in (None, known):
            # What stands there is of an upload to Redis that was aborted, or a folder that is gone.
            self._rd.set(key, folder.as_chunk(), xx=True, keepttl=True)
        else:
            objects.delete(folder)  # another process was faster
        return 1
