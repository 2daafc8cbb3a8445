"""Measures the memory of a child and its descendants, and enforces its limit."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from runtime.descendants import descendants_of

__all__ = [
    "ALLOCATOR_SETTINGS",
    "MemoryMeter",
    "MemoryWatch",
    "raise_oom_score",
    "release_memory",
    "resident_bytes",
    "seconds_to_fill",
]

ALLOCATOR_SETTINGS: Final = {"_RJEM_MALLOC_CONF": "dirty_decay_ms:50,muzzy_decay_ms:0"}
"""Make polars' allocator return freed memory within 50 ms, so that it does not count against the next job."""

_KIB: Final = 1024
_OOM_SCORE: Final = 300
_SHORTEST, _LONGEST = 0.002, 0.04
_SEARCH_SECONDS = 0.1
_FASTEST: Final = 8 * 2**30
"""Bytes a second that a process can allocate."""
_RESIDENT: Final = ("RssAnon", "RssShmem", "VmSwap")
_PROPORTIONAL: Final = ("Pss_Anon", "Pss_Shmem", "SwapPss")


def raise_oom_score() -> None:
    """Make this process the kernel's first choice when memory runs out, before Redis, the API and the supervisor."""
    with suppress(OSError):
        score = Path("/proc/self/oom_score_adj")
        score.write_text(str(min(1000, int(score.read_text()) + _OOM_SCORE)))


class MemoryMeter:
    """Measures the memory of a process and its descendants that is resident or swapped out and not backed by a file.

    Shared pages are counted once. Always 0 on systems other than Linux.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._below: list[int] = []
        self._search_at = 0.0

    def read(self, limit: int) -> int:
        """Return the bytes; exact only where they may be more than ``limit``."""
        if sys.platform != "linux":
            return 0
        # Finding descendants takes a read for each thread.
        if (now := time.monotonic()) >= self._search_at:
            self._below, self._search_at = list(descendants_of(self._pid)), now + _SEARCH_SECONDS
        pids = [self._pid, *self._below]
        used = sum(_read(f"/proc/{each}/status", _RESIDENT) for each in pids)
        if used > limit and self._below:
            used = sum(_read(f"/proc/{each}/smaps_rollup", _PROPORTIONAL) for each in pids)
        return used


def resident_bytes() -> int:
    """Return the memory of this process as :class:`MemoryMeter` counts it, without shared memory."""
    with open("/proc/self/statm", "rb") as file:
        _, resident, shared, *_ = map(int, file.read().split())
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def release_memory() -> None:
    """Return freed memory to the system; polars' allocator does so by itself (ALLOCATOR_SETTINGS)."""
    gc.collect()
    with suppress(AttributeError):  # the C library has no such call
        ctypes.CDLL(None).malloc_trim(0)


def seconds_to_fill(room: int) -> float:
    """Return the seconds until the next check of a process that may use ``room`` more bytes."""
    return min(_LONGEST, max(_SHORTEST, room / _FASTEST))


class Watched(Protocol):
    """A process with limits."""

    def enforce_limits(self) -> float:
        """Enforce the limits and return the seconds until the next check."""


class MemoryWatch:
    """Enforces the children's limits in a thread, because the supervisor's loop may wait for Redis."""

    def __init__(self, children: Callable[[], Iterable[Watched]]) -> None:
        self._children = children
        threading.Thread(target=self._watch, name="memory", daemon=True).start()

    def _watch(self) -> None:
        pause = threading.Event()
        seconds = _LONGEST
        while not pause.wait(seconds):
            seconds = min((child.enforce_limits() for child in self._children()), default=_LONGEST)


def _read(path: str, names: tuple[str, ...]) -> int:
    """Return the sum of these fields in bytes; 0 for a process that has exited."""
    used = 0
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            text = os.read(descriptor, 16_384).decode("ascii", "replace")
        finally:
            os.close(descriptor)
        for line in text.splitlines():
            name, _, value = line.partition(":")
            if name in names:
                used += int(value.split()[0]) * _KIB
    return used
