"""The memory that a child and all that it started use, and the limit that they are held to."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from pathlib import Path

from attempt.descendants import descendants_of

__all__ = ["give_way", "hold_to"]

_KIB = 1024
_GIVES_WAY = 300


def give_way() -> None:
    """Have the kernel, when the machine has no memory left, end this process before Redis, the API and the parent."""
    with suppress(OSError):
        score = Path("/proc/self/oom_score_adj")
        score.write_text(str(min(1000, int(score.read_text()) + _GIVES_WAY)))


def hold_to(limit: int, pid: int) -> int:
    """The bytes that ``pid`` and its descendants use; the process itself gets no more than is left until the next call.

    What counts is resident memory that is backed by no file. The kernel refuses what is mapped beyond ``limit``
    (``RLIMIT_DATA``), so that an analysis meets a MemoryError; what allocators keep mapped without using it is no
    use, so the line is drawn anew at each call. Pages that processes share are counted once.
    """
    if sys.platform != "linux":
        return 0
    own = _status(pid)
    below = list(descendants_of(pid))
    used = own["RssAnon"] + own["RssShmem"]
    if below:
        used += sum(status["RssAnon"] + status["RssShmem"] for status in map(_status, below))
        if used > limit:
            used = sum(map(_proportional, [pid, *below]))
    with suppress(OSError, ValueError):
        resource.prlimit(pid, resource.RLIMIT_DATA, (own["VmData"] + max(0, limit - used), resource.RLIM_INFINITY))
    return used


def _status(pid: int) -> dict[str, int]:
    """Bytes by name, 0 for a process that is gone."""
    found = {"RssAnon": 0, "RssShmem": 0, "VmData": 0}
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text("utf-8", "replace").splitlines():
            name, _, value = line.partition(":")
            if name in found:
                found[name] = int(value.split()[0]) * _KIB
    return found


def _proportional(pid: int) -> int:
    """Bytes, of each page only the share of one of the processes that share it."""
    used = 0
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in ("Pss_Anon", "Pss_Shmem"):
                used += int(value.split()[0]) * _KIB
    return used
