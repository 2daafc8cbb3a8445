"""Locks for what only one process of the API may do at a time."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from threading import Lock
from typing import IO

__all__ = ["ProcessLock", "share_locks"]

_POLL_SECONDS = 0.02

_file: IO[bytes] | None = None
"""Its bytes are locked; the system releases the locks of a process that dies."""


def share_locks() -> None:
    """Let the processes that this one forks from now on exclude each other."""
    global _file
    if _file is None:
        _file = TemporaryFile()  # noqa: SIM115 - kept open by the processes


class ProcessLock:
    """A lock between threads, and between the processes forked after :func:`share_locks`; ``number`` identifies it."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._lock = Lock()

    def acquire(self, timeout: float = -1) -> bool:
        """Wait for the lock, for at most ``timeout`` seconds if that is not negative; return whether it is held now."""
        deadline = time.monotonic() + timeout
        if not self._lock.acquire(timeout=timeout):
            return False
        while not self._lock_file():
            if timeout >= 0 and time.monotonic() >= deadline:
                self._lock.release()
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def release(self) -> None:
        """Release the lock."""
        if _file is not None:
            fcntl.lockf(_file, fcntl.LOCK_UN, 1, self._number)
        self._lock.release()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock for a block."""
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def _lock_file(self) -> bool:
        if _file is None:
            return True
        try:
            fcntl.lockf(_file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, self._number)
        except BlockingIOError:
            return False
        return True
