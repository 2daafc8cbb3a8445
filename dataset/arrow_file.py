"""Places of the columns in an uncompressed Arrow file, read from its footer.

The file is one that polars wrote: a record batch after another, each with metadata in the form of FlatBuffers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import polars as pl

__all__ = ["ColumnPart", "NotAnArrowFile", "read_batches"]

_MAGIC: Final = b"ARROW1"
_FOOTER_BATCHES, _MESSAGE_BATCH = 3, 2
_BATCH_NODES, _BATCH_BUFFERS, _BATCH_COMPRESSION, _BATCH_VARIADIC = 1, 2, 3, 4
_CONTINUATION: Final = 0xFFFFFFFF


class NotAnArrowFile(ValueError):
    """The content is not a complete, uncompressed Arrow file with these columns."""


class ColumnPart(NamedTuple):
    """The rows of a column in a record batch: how many, how many are missing, and the buffers as (offset, size)."""

    rows: int
    missing: int
    buffers: list[tuple[int, int]]


def read_batches(content: memoryview, types: Sequence[pl.DataType]) -> list[list[ColumnPart]]:
    """Return the parts of the columns of these types, by record batch. Raises NotAnArrowFile."""
    try:
        end = len(content) - len(_MAGIC) - 4
        if bytes(content[-len(_MAGIC) :]) != _MAGIC:
            raise NotAnArrowFile("the end is missing")
        footer = _Table.root(content, end - _unpack("i", content, end))
        return [
            _read_batch(content, offset, size, types) for offset, size, _, _ in footer.structs(_FOOTER_BATCHES, "qiiq")
        ]
    except (struct.error, StopIteration) as error:
        raise NotAnArrowFile(str(error)) from error


def _read_batch(content: memoryview, offset: int, metadata: int, types: Sequence[pl.DataType]) -> list[ColumnPart]:
    prefix = 8 if _unpack("I", content, offset) == _CONTINUATION else 4
    batch = _Table.root(content, offset + prefix).table(_MESSAGE_BATCH)
    if batch.place(_BATCH_COMPRESSION):
        raise NotAnArrowFile("it is compressed")
    buffers = ((offset + metadata + first, size) for first, size in batch.structs(_BATCH_BUFFERS, "qq"))
    variadic = (count for (count,) in batch.structs(_BATCH_VARIADIC, "q"))
    parts = []
    for (rows, missing), dtype in zip(batch.structs(_BATCH_NODES, "qq"), types, strict=True):
        count = 2 + (next(variadic) if dtype == pl.String else 0)
        parts.append(ColumnPart(rows, missing, [next(buffers) for _ in range(count)]))
    if any(first + size > len(content) for part in parts for first, size in part.buffers):
        raise NotAnArrowFile("a column is missing")
    return parts


class _Table(NamedTuple):
    """A table of FlatBuffers: its fields are found by the offsets in another table, which precedes or follows it."""

    content: memoryview
    start: int

    @classmethod
    def root(cls, content: memoryview, start: int) -> _Table:
        return cls(content, start + _unpack("I", content, start))

    def place(self, field: int) -> int:
        """Return where a field is, 0 if it is absent."""
        offsets = self.start - _unpack("i", self.content, self.start)
        entry = 4 + 2 * field
        if entry >= _unpack("H", self.content, offsets):
            return 0
        offset = _unpack("H", self.content, offsets + entry)
        return offset and self.start + offset

    def table(self, field: int) -> _Table:
        return self.root(self.content, self.place(field))

    def structs(self, field: int, form: str) -> Iterator[tuple[Any, ...]]:
        """Return the structs of a list."""
        place = self.place(field)
        if not place:
            return iter(())
        first = place + _unpack("I", self.content, place)
        size = struct.calcsize(f"<{form}") * _unpack("I", self.content, first)
        return struct.iter_unpack(f"<{form}", self.content[first + 4 : first + 4 + size])


def _unpack(form: str, content: memoryview, place: int) -> int:
    value: int = struct.unpack_from(f"<{form}", content, place)[0]
    return value
