"""The word between a child and its parent about what the child runs: a few shared bytes, at no cost to either."""

from __future__ import annotations

import mmap

__all__ = ["SHARED_STATUS_BYTES", "SharedStatus"]

SHARED_STATUS_BYTES = 128


class SharedStatus:
    """Shared by a child, which writes, and its parent, which reads. A torn read passes for a run that nobody knows."""

    def __init__(self, descriptor: int) -> None:
        self._shared = mmap.mmap(descriptor, SHARED_STATUS_BYTES)

    def runs(self, jid: str, attempt: str) -> None:
        """The child begins to run this."""
        self._shared[:] = f"run {jid} {attempt}".encode("ascii").ljust(SHARED_STATUS_BYTES)

    def ran(self) -> None:
        """Its analysis is over; what became of it may not be known to Redis yet."""
        self._shared[:3] = b"end"

    def read(self) -> tuple[bool, tuple[str, ...]]:
        """Whether the analysis runs, and job and attempt, which are () before the first."""
        state, *run = self._shared[:].rstrip(b"\0 ").decode("ascii", "replace").split() or [""]
        return state == "run", tuple(run)
