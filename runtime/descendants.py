"""What an analysis started, and what those started: found and ended, though they left its session or lost their parent.

An orphan goes to the next ancestor that adopts; child and parent both do (``PR_SET_CHILD_SUBREAPER``), so none gets
away. On systems other than Linux only the child's own process group is ended.
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
    """From now on this process is the parent of every descendant whose own parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def descendants_of(pid: int) -> Iterator[int]:
    """The processes below ``pid``, as far as they are still there."""
    for child in _children_of(pid):
        yield child
        yield from descendants_of(child)


def child_pids() -> list[int]:
    """The children of this process, dead or alive."""
    return list(_children_of(os.getpid()))


def has_children() -> bool:
    """Whether this process has any child, dead or alive: one system call."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def end_children() -> int:
    """Kill the children of this process, and what they leave behind, until there are none; how many there were."""
    ended = 0
    while found := child_pids():
        _kill(found)
        for pid in found:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
        ended += len(found)
    return ended


def end_orphans(own: Collection[int]) -> bool:
    """Kill the children of this process that are not its ``own``, and wait for none: whether there were any.

    Call it again until there are none: those that a killed one leaves behind come next.
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
    # A thread, or the whole process, may end at any moment while it is looked at.
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                yield from map(int, (task / "children").read_text().split())
