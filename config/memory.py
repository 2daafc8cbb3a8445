"""The memory that this process may use: its container's limit, or the machine's."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["available_memory", "return_freed_memory"]

_ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_M_MMAP_THRESHOLD = -3  # of malloc.h
_LARGE = 256 * 1024


def available_memory(root: Path = _ROOT, own: Path = _OWN) -> int:
    """Return the least limit, in bytes, of the control groups (v1, v2) of this process and of the machine."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in _limit_files(root, own):
        try:
            text = file.read_text().strip()
        except OSError:  # no such group in this container's view, or no limit at this level
            continue
        if text.isdecimal():
            limits.append(int(text))
    return min(limits)


def return_freed_memory() -> None:
    """Have the C library give large blocks back to the system when they are freed, instead of keeping them for reuse.

    By default glibc keeps more with each large block that is freed, for each thread.
    """
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)


def _limit_files(root: Path, own: Path) -> Iterator[Path]:
    try:
        lines = own.read_text().splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        # A group is held to the limits of all above it; in a container its own group is the root.
        for group in (Path(path), *Path(path).parents):
            inside = str(group).lstrip("/")
            if controllers:
                yield root / "memory" / inside / "memory.limit_in_bytes"
            else:
                yield root / inside / "memory.max"
                yield root / "unified" / inside / "memory.max"
