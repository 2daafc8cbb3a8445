"""Shared memory in which a child keeps the results that it has not sent yet."""

from __future__ import annotations

import mmap
import struct
from typing import Final

from runtime.meters import METERS_BYTES

__all__ = ["SHARED_BYTES", "SharedResults"]

SHARED_BYTES: Final = METERS_BYTES + 2**14
"""The size of the shared memory: the meters, then these results."""
_HEAD: Final = struct.Struct("<II")
"""How often they were cleared, and their length."""
_LINES_AT: Final = METERS_BYTES + _HEAD.size


class SharedResults:
    """Is written by a child, and read by its supervisor once the child is dead or runs a long job."""

    def __init__(self, descriptor: int) -> None:
        self._shared = mmap.mmap(descriptor, SHARED_BYTES)
        self._cleared = self._length = 0

    def append(self, line: bytes) -> None:
        """Add the line of a result; one that has no room is left out, and its job runs again if this process dies."""
        start = _LINES_AT + self._length
        if start + len(line) <= SHARED_BYTES:
            self._shared[start : start + len(line)] = line
            self._length += len(line)
            # Only now: a process may die between any two steps.
            _HEAD.pack_into(self._shared, METERS_BYTES, self._cleared, self._length)

    def clear(self) -> None:
        """Remove all lines: they are sent."""
        self._cleared, self._length = (self._cleared + 1) % 2**32, 0
        _HEAD.pack_into(self._shared, METERS_BYTES, self._cleared, self._length)

    def read(self) -> bytes:
        """Return the lines; none where the child removes them at this moment."""
        cleared, length = _HEAD.unpack_from(self._shared, METERS_BYTES)
        lines = self._shared[_LINES_AT : _LINES_AT + length]
        return lines if _HEAD.unpack_from(self._shared, METERS_BYTES)[0] == cleared else b""
