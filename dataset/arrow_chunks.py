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
from dataset.parallel import parallel_map

__all__ = ["EncodedTable", "decode_chunks", "encode_chunks", "write_chunks"]

_CHUNK_BYTES: Final = 8 * 2**20
_SIZE: Final = struct.Struct("<Q")


def encode_chunks(frame: pl.DataFrame, body_bytes: int) -> Iterator[bytes]:
    """Answer the rows in compressed chunks, a few made ahead."""
    return parallel_map(_encode, _split_rows(frame, body_bytes))


def decode_chunks(chunks: Iterable[bytes]) -> pl.DataFrame:
    """Join the rows of the chunks."""
    return pl.concat(parallel_map(lambda chunk: pl.read_ipc(io.BytesIO(chunk)), chunks))


def write_chunks(frame: pl.DataFrame, body_bytes: int, file: IO[bytes]) -> None:
    """Write each chunk of the rows after its size."""
    for chunk in encode_chunks(frame, body_bytes):
        file.write(_SIZE.pack(len(chunk)))
        file.write(chunk)


class EncodedTable:
    """A dataset that was read in another process: its description, and its chunks in a file, which goes with this."""

    def __init__(self, description: Description, memory: int, file: IO[bytes]) -> None:
        self.description = description
        self.memory = memory
        self._file = file
        self._offset = file.tell()
        finalize(self, file.close)

    def chunks(self) -> Iterator[bytes]:
        """Answer the chunks as they are uploaded, each read when it is asked for. Several threads may read at once."""
        place = self._offset
        while size := os.pread(self._file.fileno(), _SIZE.size, place):
            begin, length = place + _SIZE.size, _SIZE.unpack(size)[0]
            yield _pread_all(self._file.fileno(), length, begin)
            place = begin + length


def _split_rows(frame: pl.DataFrame, body_bytes: int) -> Iterator[pl.DataFrame]:
    """Split the rows by the size of the body they came from, so that the same version always has the same chunks.

    Compressed columns are smaller than the text they were.
    """
    count = max(1, min(frame.height, -(-body_bytes // _CHUNK_BYTES)))
    edges = [number * frame.height // count for number in range(count + 1)]
    for first, following in pairwise(edges):
        yield frame.slice(first, following - first)


def _encode(rows: pl.DataFrame) -> bytes:
    chunk = io.BytesIO()
    rows.write_ipc(chunk, compression="zstd")
    return chunk.getvalue()


def _pread_all(file: int, size: int, place: int) -> bytes:
    """Read a part of a file; the system reads 2 GiB at most at a time, and may read less."""
    part = os.pread(file, size, place)
    while len(part) < size and (more := os.pread(file, size - len(part), place + len(part))):
        part += more
    return part
