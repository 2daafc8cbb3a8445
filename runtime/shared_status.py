"""Shared memory in which a child publishes the run that it executes."""

from __future__ import annotations

import mmap
from typing import Final

from jobstore import Run

__all__ = ["CORRUPTED", "NO_RUN", "SHARED_STATUS_BYTES", "SharedStatus"]

SHARED_STATUS_BYTES = 128
NO_RUN: Final = Run("", "")
CORRUPTED: Final = Run("", "corrupted")


class SharedStatus:
    """Is written by a child and read by its supervisor. A torn read gives a run that matches none."""

    def __init__(self, descriptor: int) -> None:
        self._shared = mmap.mmap(descriptor, SHARED_STATUS_BYTES)

    def mark_running(self, run: Run) -> None:
        """Publish the run that begins."""
        self._shared[:] = f"run {run.job_id} {run.attempt}".encode("ascii").ljust(SHARED_STATUS_BYTES)

    def mark_idle(self) -> None:
        """Publish that the analysis has ended; Redis may not know its outcome yet."""
        self._shared[:3] = b"end"

    def read(self) -> tuple[bool, Run]:
        """Return whether an analysis runs, and the run: NO_RUN before the first, CORRUPTED where it cannot be read."""
        state, *run = self._shared[:].rstrip(b"\0 ").decode("ascii", "replace").split() or [""]
        if not run:
            return state == "run", NO_RUN
        return state == "run", Run(*run) if len(run) == 2 and run[1].isdecimal() else CORRUPTED
