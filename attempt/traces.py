"""What an attempt leaves behind in its process, taken away before the next one: a job hands nothing on to another."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import fcntl
import locale
import logging
import os
import signal
import sys
import threading

from attempt.descendants import end_children, has_children

__all__ = ["DESCRIPTORS_LOST", "Traces"]

DESCRIPTORS_LOST = 113
"""The exit status of a child whose analysis closed descriptors that are not its own: what it holds leads nowhere."""

_log = logging.getLogger(__name__)


class Traces:
    """Remembers how the process is before the first attempt; ``orders`` is a descriptor that it cannot do without."""

    def __init__(self, orders: int) -> None:
        self._orders = orders
        fcntl.fcntl(orders, fcntl.F_SETOWN, os.getpid())
        self._folder = os.getcwd()
        self._umask = os.umask(0o22)
        os.umask(self._umask)
        self._environ = _environ().copy()
        self._locale = locale.setlocale(locale.LC_ALL)
        self._depth = sys.getrecursionlimit()
        self._blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self._obey = _signal.getsignal(signal.SIGUSR1)
        self._streams = (sys.stdout, sys.stderr)
        self._threads = threading.active_count()

    def are_removable(self) -> bool:
        """What must be known before the next job is taken: False where threads stay, and the process must be replaced.

        Without its descriptors the process ends here and now.
        """
        self._check_descriptors()
        signal.setitimer(signal.ITIMER_REAL, 0)
        if threading.active_count() > self._threads:
            names = [thread.name for thread in threading.enumerate()[self._threads :]]
            _log.warning("threads outlive the attempt, the process is replaced", extra={"threads": names})
            return False
        return True

    def remove(self) -> None:
        """End the processes that the attempt started, and put back how this one was: Redis need not wait for it."""
        if has_children():
            _log.warning("processes outlived the attempt", extra={"ended": end_children()})
        # signal.getsignal looks every handler up among its enums first, which takes fifty times as long.
        if _signal.getsignal(signal.SIGUSR1) is not self._obey:
            signal.signal(signal.SIGUSR1, self._obey)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._blocked)
        if _folder() != self._folder:
            os.chdir(self._folder)
        os.umask(self._umask)
        if _environ() != self._environ:
            os.environb.clear()
            os.environb.update(self._environ)
        if locale.setlocale(locale.LC_ALL) != self._locale:
            locale.setlocale(locale.LC_ALL, self._locale)
        sys.setrecursionlimit(self._depth)
        sys.stdout, sys.stderr = self._streams

    def _check_descriptors(self) -> None:
        # What was opened in its place since has no owner; fstat would tell as well, but every job pays for this.
        try:
            lost = not fcntl.fcntl(self._orders, fcntl.F_GETOWN)
        except OSError:
            lost = True
        if lost:
            # Connections may lead into files that were opened since: nothing may be written to them any more.
            os._exit(DESCRIPTORS_LOST)


def _folder() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""


def _environ() -> dict[bytes, bytes]:
    # What is behind os.environ, which itself would decode every name at each comparison.
    environ: dict[bytes, bytes] = os.environ._data  # type: ignore[attr-defined]
    return environ
