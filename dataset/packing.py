"""The rows of a version as compressed columns (Arrow IPC), in chunks that are made and read one at a time."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import IO, Final
from weakref import finalize

import polars as pl

from .description import Description

__all__ = ["Packed", "pack", "unpack", "write_chunks"]

_CHUNK_BYTES: Final = 8 * 2**20
_SIZE: Final = struct.Struct("<Q")


def pack(frame: pl.DataFrame, body_bytes: int) -> Iterator[bytes]:
    """Split the rows by the size of the body they came from, so that the same version always has the same chunks.

    Compressed columns are smaller than the text they were.
    """
    count = max(1, min(frame.height, -(-body_bytes // _CHUNK_BYTES)))
    edges = [number * frame.height // count for number in range(count + 1)]
    for first, following in pairwise(edges):
        chunk = io.BytesIO()
        frame.slice(first, following - first).write_ipc(chunk, compression="zstd")
        yield chunk.getvalue()


def unpack(chunks: Iterable[bytes]) -> pl.DataFrame:
    """Join the rows of the chunks."""
    return pl.concat([pl.read_ipc(io.BytesIO(chunk)) for chunk in chunks])


def write_chunks(chunks: Iterable[bytes], file: IO[bytes]) -> None:
    """Write each chunk after its size."""
    for chunk in chunks:
        file.write(_SIZE.pack(len(chunk)))
        file.write(chunk)


class Packed:
    """A dataset that was read in another process: its description, and its chunks in a file, which goes with this."""

    def __init__(self, description: Description, memory: int, file: IO[bytes]) -> None:
        self.description = description
        self.memory = memory
        self._file = file
        self._begin = file.tell()
        finalize(self, file.close)

    def chunks(self) -> Iterator[bytes]:
        """Answer the chunks, each read when it is asked for."""
        self._file.seek(self._begin)
        while size := self._file.read(_SIZE.size):
            yield self._file.read(_SIZE.unpack(size)[0])
