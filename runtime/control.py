"""The commands that a supervisor sends to a child: go, stop a run, drain."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import IO

from jobstore import Run

__all__ = ["ControlChannel", "Stopped"]

_PR_SET_PDEATHSIG = 1


class Stopped(BaseException):
    """Ends an analysis from inside; ``reason`` is ``cancelled``, ``released`` or ``timeout``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ControlChannel:
    """Receives commands in a thread and applies them in the main thread, by a signal that ends a sleep or a wait."""

    def __init__(self, pipe: IO[str], parent: int, on_drain: Callable[[], None]) -> None:
        self._pipe = pipe
        self._on_drain = on_drain
        self._drain = False
        self._stop: tuple[Run, str] | None = None
        self._running: Run | None = None
        self._go = threading.Event()
        self._main = threading.main_thread().ident
        self._pid = os.getpid()
        signal.signal(signal.SIGUSR1, self._apply)
        _set_parent_death_signal(parent)
        threading.Thread(target=self._listen, name="control", daemon=True).start()

    def wait_to_go(self) -> None:
        """Block until the supervisor has registered this child."""
        self._go.wait()

    def begin(self, run: Run) -> None:
        """Raise :class:`Stopped` from now on when this run is to be stopped; a stop of another run is ignored."""
        self._running = run
        self._apply()

    def end(self) -> None:
        """Raise nothing from now on."""
        self._running = None
        if os.getpid() != self._pid:
            # This is a fork made by the analysis: neither the connections nor the job belong to it.
            os._exit(0)

    def _listen(self) -> None:
        try:
            for line in self._pipe:
                self._on_message(*line.split())
        finally:
            # Without its supervisor nothing renews the lease or can stop a run: end this process and all it started.
            os.killpg(0, signal.SIGKILL)

    def _on_message(self, command: str, *words: str) -> None:
        if command == "go":
            self._go.set()
            return
        if command == "drain":
            self._drain = True
            self._go.set()
        elif command == "stop":
            self._stop = Run(*words[:2]), words[2]
        if self._main is not None:
            signal.pthread_kill(self._main, signal.SIGUSR1)

    def _apply(self, *_: object) -> None:
        if self._stop is not None and self._stop[0] == self._running:
            self._running = None
            raise Stopped(self._stop[1])
        if self._drain:
            self._on_drain()


def _set_parent_death_signal(parent: int) -> None:
    """Let the kernel kill this process when its parent dies, even while no Python code runs here."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.killpg(0, signal.SIGKILL)
