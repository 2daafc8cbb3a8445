"""The file in which a supervisor records that its loop is running, read by ``python -m ops.health worker``."""

from __future__ import annotations

import os

__all__ = ["HeartbeatFile"]


class HeartbeatFile:
    """Holds the monotonic time of the loop's last round; all processes of a host share that clock. '' for no file."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644) if path else None

    def touch(self, now: float) -> None:
        """Record a round. The text has a fixed width, so that a reader never sees half of it."""
        if self._file is not None:
            os.pwrite(self._file, f"{now:020.3f}".encode(), 0)
