"""A child as its parent sees it: started, ordered, killed, found dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping
from contextlib import suppress
from threading import Lock
from typing import Any

from runtime.errors import death, failure, out_of_memory
from runtime.memory import MemoryMeter, seconds_to_fill
from runtime.memory_files import shared_bytes, shared_output
from runtime.output import drop_beginning
from runtime.shared_status import SHARED_STATUS_BYTES, SharedStatus
from runtime.signals import signals_blocked

__all__ = ["GRACE_SECONDS", "ChildProcess"]

GRACE_SECONDS = 1.0
"""What an analysis that is ordered to stop has, until its process is killed."""


class ChildProcess:
    """A child as its parent sees it: ``script --child …``. Its worker id is new, and never used again."""

    def __init__(self, script: str, memory: int = 0, environ: Mapping[str, str] = os.environ) -> None:
        """Start it; it and all that it starts are held to ``memory`` bytes, 0 for no limit."""
        self.worker = str(uuid.uuid4())
        self.registered = False
        self.memory = memory
        self._killed = False
        self.why = "killed"
        self.error: dict[str, Any] | None = None
        self.meant: tuple[str, ...] = ()
        self.stopping: tuple[str, ...] = ()
        self.kill_at = 0.0
        self.stray: tuple[str, str] | None = None
        self.stray_since = 0.0
        self._timed: tuple[str, ...] = ()
        self._over_at = 0.0
        # Whoever kills it must not meet another process, which may have its id once its end was learned.
        self._ending = Lock()
        self._output = shared_output()
        with shared_bytes(SHARED_STATUS_BYTES) as shared:
            self.slot = SharedStatus(shared.fileno())
            ear, mouth = os.pipe()
            try:
                self.process = self._start(script, (ear, shared.fileno(), self._output.fileno()), environ)
            except OSError:
                os.close(mouth)
                self._output.close()
                raise
            finally:
                os.close(ear)
        self._meter = MemoryMeter(self.process.pid)
        self._mouth = os.fdopen(mouth, "wb", buffering=0)

    def _start(self, script: str, descriptors: tuple[int, ...], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
        numbers = map(str, (*descriptors, os.getpid()))
        with signals_blocked():
            return subprocess.Popen(
                [sys.executable, os.path.abspath(script), "--child", self.worker, *numbers],
                start_new_session=True,
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
                env=environ,
            )

    def order(self, *words: str) -> None:
        """Say something to the child, which may be dead already."""
        with suppress(BrokenPipeError):
            self._mouth.write((" ".join(words) + "\n").encode("ascii"))

    def stop(self, run: tuple[str, ...], reason: str, now: float) -> None:
        """Have this run stopped: an exception in the analysis, SIGKILL a second later."""
        running = self.slot.read() == (True, run)
        if running and self.stopping != run:
            self.stopping, self.kill_at = run, now + GRACE_SECONDS
            self.order("stop", *run, reason)
        elif running and now >= self.kill_at:
            error = failure("timeout") if reason == "timeout" else None
            self.kill("timeout" if reason == "timeout" else "drain", error, run)

    def is_timed_out(self, run: tuple[str, ...], seconds_left: float, now: float) -> bool:
        """Whether this run is over its time, by the clock of this host since it was first heard of: that of Redis may
        jump meanwhile."""
        if self._timed != run:
            self._timed, self._over_at = run, now + seconds_left
        return now > self._over_at

    def is_garbled(self) -> bool:
        """Whether the slot says nothing that a child says, because the analysis wrote into it."""
        _, run = self.slot.read()
        return run != () and not (len(run) == 2 and run[1].isdecimal())

    def look(self) -> float:
        """End it if its job uses more memory than it may, and keep its output small; the seconds until the next look.

        Called from a thread of its own.
        """
        running, run = self.slot.read()
        with self._ending:
            if self.process.returncode is None:
                drop_beginning(self._output.fileno())
        if not running or not self.memory:
            return seconds_to_fill(sys.maxsize)
        used = self._meter.read(self.memory)
        if used > self.memory and self.slot.read() == (True, run):
            self.kill("killed", out_of_memory(used, self.memory), run)
        return seconds_to_fill(self.memory - used)

    def kill(self, why: str, error: dict[str, Any] | None = None, meant: tuple[str, ...] = ()) -> None:
        """End the process and all that it started; ``why`` becomes of the job ``meant``, or of any.

        The first reason counts; a process that has ended is left as it is.
        """
        with self._ending:
            if self.process.returncode is None:
                if not self._killed:
                    self._killed, self.why, self.error, self.meant = True, why, error, meant
                with suppress(ProcessLookupError):
                    os.killpg(self.process.pid, signal.SIGKILL)

    def is_over(self) -> bool:
        """Whether the process has ended; then nothing that it started is left either."""
        with self._ending:
            code = self.process.poll()
            if code is None:
                return False
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self._output.close()
        if code == 0 and not self.slot.read()[0]:
            self.why, self.error = "drain", None
        elif self.error is None and self.why == "killed":
            self.error = death(code, self.memory)
        self._mouth.close()
        return True

    def failed_to_start(self) -> bool:
        """Whether it ended by itself before it ran anything."""
        return self.process.returncode not in (0, -signal.SIGKILL) and self.slot.read()[1] == ()
