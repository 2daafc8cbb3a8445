"""A child as its parent sees it: started, ordered, killed, found dead."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from contextlib import suppress
from typing import IO, Any

from attempt.failure import death, failure, out_of_memory
from attempt.memory import hold_to
from attempt.slot import SLOT_BYTES, Slot

__all__ = ["GRACE_SECONDS", "ChildProcess"]

GRACE_SECONDS = 1.0
"""What an analysis that is ordered to stop has, until its process is killed."""


class ChildProcess:
    """A child as its parent sees it: ``script --child …``. Its worker id is new, and never used again."""

    def __init__(self, script: str, memory: int = 0) -> None:
        """Start it; it and all that it starts are held to ``memory`` bytes, 0 for no limit."""
        self.worker = str(uuid.uuid4())
        self.registered = False
        self.memory = memory
        self.why = "killed"
        self.error: dict[str, Any] | None = None
        self.meant: tuple[str, ...] = ()
        self.stopping: tuple[str, ...] = ()
        self.kill_at = 0.0
        self.stray: tuple[str, str] | None = None
        self.stray_since = 0.0
        self._timed: tuple[str, ...] = ()
        self._over_at = 0.0
        with _shared_bytes() as shared:
            self.slot = Slot(shared.fileno())
            ear, mouth = os.pipe()
            words = [self.worker, str(ear), str(shared.fileno()), str(os.getpid())]
            try:
                self.process = subprocess.Popen(
                    [sys.executable, os.path.abspath(script), "--child", *words],
                    start_new_session=True,
                    pass_fds=(ear, shared.fileno()),
                    stdin=subprocess.DEVNULL,
                )
            except OSError:
                os.close(mouth)
                raise
            finally:
                os.close(ear)
        self._mouth = os.fdopen(mouth, "wb", buffering=0)

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

    def is_over_time(self, run: tuple[str, ...], seconds_left: float, now: float) -> bool:
        """Whether this run is over its time, by the clock of this host since it was first heard of: that of Redis may
        jump meanwhile."""
        if self._timed != run:
            self._timed, self._over_at = run, now + seconds_left
        return now > self._over_at

    def is_garbled(self) -> bool:
        """Whether the slot says nothing that a child says, because the analysis wrote into it."""
        _, run = self.slot.read()
        return run != () and not (len(run) == 2 and run[1].isdecimal())

    def hold_to_memory(self) -> None:
        """End it if it uses more than it may; that is charged to what it runs, if it runs anything."""
        if not self.memory or (used := hold_to(self.memory, self.process.pid)) <= self.memory:
            return
        running, run = self.slot.read()
        if running:
            self.kill("killed", out_of_memory(used, self.memory), run)
        else:
            self.kill("drain")

    def kill(self, why: str, error: dict[str, Any] | None = None, meant: tuple[str, ...] = ()) -> None:
        """End the process and all that it started; ``why`` becomes of the job ``meant``, or of any."""
        self.why, self.error, self.meant = why, error, meant
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def is_over(self) -> bool:
        """Whether the process has ended; then nothing that it started is left either."""
        code = self.process.poll()
        if code is None:
            return False
        if code == 0 and not self.slot.read()[0]:
            self.why, self.error = "drain", None
        elif self.error is None and self.why == "killed":
            self.error = death(code, self.memory)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self._mouth.close()
        return True

    def failed_to_start(self) -> bool:
        """Whether it ended by itself before it ran anything."""
        return self.process.returncode not in (0, -signal.SIGKILL) and self.slot.read()[1] == ()


def _shared_bytes() -> IO[bytes]:
    """A file for the slot. On Linux it needs no disk, and nobody can cut it off: to read beyond its end is deadly."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("slot", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    else:
        descriptor, name = tempfile.mkstemp()
        os.unlink(name)
    shared = os.fdopen(descriptor, "w+b", buffering=0)
    shared.write(bytes(SLOT_BYTES))
    if sys.platform == "linux":
        fcntl.fcntl(shared, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
    return shared
