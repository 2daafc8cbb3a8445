"""Encoding of a version's rows as compressed chunks, a few in memory at a time: Arrow IPC, or Parquet for scans."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import pairwise
from typing import IO, TYPE_CHECKING, Final
from weakref import finalize

import polars as pl

from dataset.description import Description
from dataset.parallel import parallel_map

if TYPE_CHECKING:
    from dataset.shared_files import NewFile

__all__ = ["EncodedTable", "decode_chunks", "encode_chunks", "write_chunks"]

_CHUNK_BYTES: Final = 8 * 2**20
_SIZE: Final = struct.Struct("<Q")
_PARQUET: Final = b"PAR1"


def encode_chunks(frame: pl.DataFrame, body_bytes: int, *, parquet: bool = False) -> Iterator[bytes]:
    """Yield the rows as compressed chunks; encoding runs a few chunks ahead."""
    if parquet:
        # A scan reads one at a time, so it is small once decoded, too: a compressed body may be far smaller.
        return parallel_map(_encode_parquet, _split_rows(frame, max(body_bytes, int(frame.estimated_size()))))
    return parallel_map(_encode, _split_rows(frame, body_bytes))


def decode_chunks(chunks: Iterable[bytes]) -> pl.DataFrame:
    """Decode and concatenate the chunks."""
    return pl.concat(parallel_map(_decode, chunks))


def write_chunks(frame: pl.DataFrame, body_bytes: int, file: IO[bytes], *, parquet: bool = False) -> None:
    """Write the rows as chunks, each prefixed by its size."""
    for chunk in encode_chunks(frame, body_bytes, parquet=parquet):
        file.write(_SIZE.pack(len(chunk)))
        file.write(chunk)


class EncodedTable:
    """A table encoded by another process: its description, and its chunks in a temporary file owned by this object.

    `arrow` is another file of it, which has the rows if there was room for them.
    """

    def __init__(self, description: Description, memory: int, file: IO[bytes], arrow: NewFile | None = None) -> None:
        self.description = description
        self.memory = memory
        self.arrow = arrow
        self._file = file
        self._offset = file.tell()
        self._mapped: pl.DataFrame | None = None
        finalize(self, file.close)
        if arrow is not None:
            finalize(self, arrow.close)
            with suppress(OSError, ValueError):
                self._mapped = arrow.map()

    @property
    def is_mapped(self) -> bool:
        """Whether the rows are mapped, and need not be decoded."""
        return self._mapped is not None

    def frame(self) -> pl.DataFrame:
        """Return the rows, mapped or else decoded."""
        return decode_chunks(self.chunks()) if self._mapped is None else self._mapped

    def first_rows(self, count: int) -> pl.DataFrame:
        """Return the first rows, at most `count`."""
        frame = decode_chunks([next(self.chunks())]) if self._mapped is None else self._mapped
        return frame.head(count)

    def chunks(self) -> Iterator[bytes]:
        """Yield the chunks, reading one at a time. Safe to call from several threads."""
        place = self._offset
        while size := os.pread(self._file.fileno(), _SIZE.size, place):
            begin, length = place + _SIZE.size, _SIZE.unpack(size)[0]
            yield _pread_all(self._file.fileno(), length, begin)
            place = begin + length


def _split_rows(frame: pl.DataFrame, size: int) -> Iterator[pl.DataFrame]:
    """Split the rows into a number of chunks that depends only on the size. The body's is the same for a version.

    A compressed chunk is smaller than the part of the body that it was parsed from.
    """
    count = max(1, min(frame.height, -(-size // _CHUNK_BYTES)))
    edges = [number * frame.height // count for number in range(count + 1)]
    for first, following in pairwise(edges):
        yield frame.slice(first, following - first)


def _encode(rows: pl.DataFrame) -> bytes:
    chunk = io.BytesIO()
    rows.write_ipc(chunk, compression="zstd")
    return chunk.getvalue()


def _encode_parquet(rows: pl.DataFrame) -> bytes:
    chunk = io.BytesIO()
    # One row group, so that what a job does not need is skipped by columns and by chunks.
    rows.write_parquet(chunk, compression="zstd", row_group_size=max(1, rows.height))
    return chunk.getvalue()


def _decode(chunk: bytes) -> pl.DataFrame:
    read = pl.read_parquet if chunk.startswith(_PARQUET) else pl.read_ipc
    return read(io.BytesIO(chunk))


def _pread_all(file: int, size: int, place: int) -> bytes:
    """Read `size` bytes of a file; a single pread returns 2 GiB at most, and may return less."""
    part = os.pread(file, size, place)
    while len(part) < size and (more := os.pread(file, size - len(part), place + len(part))):
        part += more
    return part
