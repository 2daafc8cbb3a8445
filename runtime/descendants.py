"""Finds and kills the processes that an analysis started, even in other sessions or without their parent.

Child and supervisor are subreapers (``PR_SET_CHILD_SUBREAPER``): an orphan becomes a child of the nearest one. On
systems other than Linux only the child's own process group is killed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["become_subreaper", "child_pids", "descendants_of", "end_children", "end_orphans", "has_children"]

_PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """Make this process the parent of each descendant whose own parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def descendants_of(pid: int) -> Iterator[int]:
    """Yield the ids of all processes below ``pid``."""
    for child in _children_of(pid):
        yield child
        yield from descendants_of(child)


def child_pids() -> list[int]:
    """Return the ids of this process' children, dead or alive."""
    return list(_children_of(os.getpid()))


def has_children() -> bool:
    """Return whether this process has a child, dead or alive, by one system call."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def end_children() -> int:
    """Kill the children of this process, and the orphans that these leave, until none is left; return how many."""
    ended = 0
    while found := child_pids():
        _kill(found)
        for pid in found:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
        ended += len(found)
    return ended


def end_orphans(own: Collection[int]) -> bool:
    """Kill the adopted children of this process, those not in ``own``, without waiting; return whether there were any.

    Call it until there are none: a killed process may leave orphans.
    """
    found = [pid for pid in child_pids() if pid not in own]
    _kill(found)
    for pid in found:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    return bool(found)


def _kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _children_of(pid: int) -> Iterator[int]:
    # A thread or the whole process may end at any moment.
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                yield from map(int, (task / "children").read_text().split())
