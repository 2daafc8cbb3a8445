"""The parent's orders to a child: go, stop this attempt, drain; and the end of the parent, which is the child's."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import IO

__all__ = ["ControlChannel", "Stopped"]

_PR_SET_PDEATHSIG = 1


class Stopped(BaseException):
    """Raised inside an analysis that is ordered to stop; ``reason`` is ``cancelled`` or ``timeout``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ControlChannel:
    """Listens to the parent. A signal brings its orders to the main thread, so that they end a sleep or a wait."""

    def __init__(self, pipe: IO[str], parent: int, on_drain: Callable[[], None]) -> None:
        self._pipe = pipe
        self._on_drain = on_drain
        self._drain = False
        self._stop: tuple[str, ...] = ()
        self._running: tuple[str, ...] = ()
        self._go = threading.Event()
        self._main = threading.main_thread().ident
        self._pid = os.getpid()
        signal.signal(signal.SIGUSR1, self._obey)
        _set_parent_death_signal(parent)
        threading.Thread(target=self._listen, name="orders", daemon=True).start()

    def wait_to_go(self) -> None:
        """Block until the parent has registered this child."""
        self._go.wait()

    def begin(self, jid: str, attempt: str) -> None:
        """From now on an order to stop this attempt raises :class:`Stopped`; an order for another one is ignored."""
        self._running = (jid, attempt)
        self._obey()

    def end(self) -> None:
        """From now on nothing is raised."""
        self._running = ()
        if os.getpid() != self._pid:
            # A copy that the analysis forked: the connections are not its own, nor is the job.
            os._exit(0)

    def _listen(self) -> None:
        try:
            for line in self._pipe:
                self._hear(*line.split())
        finally:
            # The parent is gone, or can not be heard any more: it cannot renew the lease, or stop anything, so nothing
            # may go on, in this process or those it started.
            os.killpg(0, signal.SIGKILL)

    def _hear(self, order: str, *words: str) -> None:
        if order == "go":
            self._go.set()
            return
        if order == "drain":
            self._drain = True
            self._go.set()
        elif order == "stop":
            self._stop = tuple(words)
        if self._main is not None:
            signal.pthread_kill(self._main, signal.SIGUSR1)

    def _obey(self, *_: object) -> None:
        if self._stop[:2] == self._running != ():
            self._running = ()
            raise Stopped(self._stop[2])
        if self._drain:
            self._on_drain()


def _set_parent_death_signal(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, even while no Python can run here."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.killpg(0, signal.SIGKILL)
