"""Shared memory in which a child publishes the run that it executes."""

from __future__ import annotations

import mmap
import time
from contextlib import suppress
from typing import Final

from jobstore import Run

__all__ = ["CORRUPTED", "NO_RUN", "SHARED_STATUS_BYTES", "SharedStatus"]

SHARED_STATUS_BYTES = 128
NO_RUN: Final = Run("", "")
CORRUPTED: Final = Run("", "corrupted")
_LOST_AT: Final = SHARED_STATUS_BYTES - 1


class SharedStatus:
    """Is written by a child and read by its supervisor. A torn read gives a run that matches none.

    The last byte is written by the supervisor.
    """

    def __init__(self, descriptor: int) -> None:
        self._shared = mmap.mmap(descriptor, SHARED_STATUS_BYTES)
        self._lost_seen = 0

    def mark_running(self, run: Run, *, has_reserved: bool = False) -> None:
        """Publish the run that begins, and whether jobs are reserved behind it."""
        since = f" {time.monotonic():.3f}" if has_reserved else ""
        self._shared[:_LOST_AT] = f"run {run.job_id} {run.attempt}{since}".encode("ascii").ljust(_LOST_AT)

    def mark_idle(self) -> None:
        """Publish that the analysis has ended; Redis may not know its outcome yet."""
        self._shared[:3] = b"end"

    def read(self) -> tuple[bool, Run]:
        """Return whether an analysis runs, and the run: NO_RUN before the first, CORRUPTED where it cannot be read."""
        state, *words = self._words() or [""]
        if not words:
            return state == "run", NO_RUN
        return state == "run", Run(*words[:2]) if len(words) in (2, 3) and words[1].isdecimal() else CORRUPTED

    def holds_up(self, seconds: float) -> bool:
        """Return whether the run lasts for longer than these seconds with jobs reserved behind it."""
        words = self._words()
        with suppress(ValueError):  # the analysis may have written here
            return len(words) == 4 and words[0] == "run" and time.monotonic() - float(words[3]) > seconds
        return False

    def mark_lost(self) -> None:
        """Publish that the reserved jobs are about to be queued."""
        self._shared[_LOST_AT] = (self._shared[_LOST_AT] + 1) % 256

    def has_lost_reserved(self) -> bool:
        """Return whether that was published since the last call."""
        before, self._lost_seen = self._lost_seen, self._shared[_LOST_AT]
        return before != self._lost_seen

    def _words(self) -> list[str]:
        return self._shared[:_LOST_AT].rstrip(b"\0 ").decode("ascii", "replace").split()
