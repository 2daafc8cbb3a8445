"""The rows of a version in chunks of columns (Arrow IPC) that are made and read few at a time."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import IO, Final
from weakref import finalize

import polars as pl

from dataset.description import Description
from dataset.parallel import map_two

__all__ = ["Packed", "pack", "unpack", "write_chunks"]

_CHUNK_BYTES: Final = 8 * 2**20
_SIZE: Final = struct.Struct("<Q")


def pack(frame: pl.DataFrame, body_bytes: int) -> Iterator[bytes]:
    """Answer the rows in compressed chunks, a few made ahead."""
    return map_two(_compressed, _split(frame, body_bytes))


def unpack(chunks: Iterable[bytes]) -> pl.DataFrame:
    """Join the rows of the chunks."""
    return pl.concat(map_two(lambda chunk: pl.read_ipc(io.BytesIO(chunk)), chunks))


def write_chunks(frame: pl.DataFrame, body_bytes: int, file: IO[bytes]) -> None:
    """Write each chunk of the rows after its size."""
    for chunk in pack(frame, body_bytes):
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
        """Answer the chunks as they are uploaded, each read when it is asked for. Several threads may read at once."""
        place = self._begin
        while size := os.pread(self._file.fileno(), _SIZE.size, place):
            begin, length = place + _SIZE.size, _SIZE.unpack(size)[0]
            yield _read_all(self._file.fileno(), length, begin)
            place = begin + length


def _split(frame: pl.DataFrame, body_bytes: int) -> Iterator[pl.DataFrame]:
    """Split the rows by the size of the body they came from, so that the same version always has the same chunks.

    Compressed columns are smaller than the text they were.
    """
    count = max(1, min(frame.height, -(-body_bytes // _CHUNK_BYTES)))
    edges = [number * frame.height // count for number in range(count + 1)]
    for first, following in pairwise(edges):
        yield frame.slice(first, following - first)


def _compressed(rows: pl.DataFrame) -> bytes:
    chunk = io.BytesIO()
    rows.write_ipc(chunk, compression="zstd")
    return chunk.getvalue()


def _read_all(file: int, size: int, place: int) -> bytes:
    """Read a part of a file; the system reads 2 GiB at most at a time, and may read less."""
    part = os.pread(file, size, place)
    while len(part) < size and (more := os.pread(file, size - len(part), place + len(part))):
        part += more
    return part
