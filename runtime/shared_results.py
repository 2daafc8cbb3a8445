"""Shared memory in which a child keeps the results that Redis has not answered yet."""

from __future__ import annotations

import mmap
import struct
from typing import Final

from runtime.meters import METERS_BYTES

__all__ = ["SHARED_BYTES", "SharedResults"]

_HEAD: Final = struct.Struct("<IHH")
"""How often all lines were removed, and where those that remain begin and end; written at once."""
_LINES_AT: Final = METERS_BYTES + _HEAD.size
_LINES_BYTES: Final = 2**16 - 1
SHARED_BYTES: Final = _LINES_AT + _LINES_BYTES
"""The size of the shared memory: the meters, then these results."""


class SharedResults:
    """Is written by a child, and read by its supervisor once the child is dead or runs a long job.

    No line is moved or overwritten while it is one of those that remain: the child may die between any two steps.
    """

    def __init__(self, descriptor: int) -> None:
        self._shared = mmap.mmap(descriptor, SHARED_BYTES)
        self._emptied = self._begin = self._end = 0

    def append(self, line: bytes) -> bool:
        """Add the line of a result; return whether there is room for it."""
        end = self._end + len(line)
        if end > _LINES_BYTES:
            return False
        self._shared[_LINES_AT + self._end : _LINES_AT + end] = line
        self._set(self._begin, end)
        return True

    def remove(self, size: int) -> None:
        """Remove lines of this size from the front: they are answered."""
        begin = min(self._begin + size, self._end)
        if begin == self._end:
            self._emptied = (self._emptied + 1) % 2**32
            self._set(0, 0)
        else:
            self._set(begin, self._end)

    def read(self) -> bytes | None:
        """Return the lines; None where the child changes them at this moment."""
        head = self._shared[METERS_BYTES:_LINES_AT]
        _, begin, end = _HEAD.unpack(head)
        lines = self._shared[_LINES_AT + begin : _LINES_AT + end]
        return lines if self._shared[METERS_BYTES:_LINES_AT] == head else None

    def _set(self, begin: int, end: int) -> None:
        self._begin, self._end = begin, end
        self._shared[METERS_BYTES:_LINES_AT] = _HEAD.pack(self._emptied, begin, end)
