"""A child as its parent sees it: started, ordered, killed, found dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import uuid
from contextlib import suppress
from typing import Any

from attempt.failure import failure
from attempt.slot import SLOT_BYTES, Slot

__all__ = ["GRACE_SECONDS", "ChildProcess"]

GRACE_SECONDS = 1.0
"""What an analysis that is ordered to stop has, until its process is killed."""


class ChildProcess:
    """A child as its parent sees it: ``script --child …``. Its worker id is new, and never used again."""

    def __init__(self, script: str) -> None:
        self.worker = str(uuid.uuid4())
        self.registered = False
        self.why = "killed"
        self.error: dict[str, Any] | None = failure("killed")
        self.meant: tuple[str, ...] = ()
        self.stopping: tuple[str, ...] = ()
        self.kill_at = 0.0
        self.stray: tuple[str, str] | None = None
        self.stray_since = 0.0
        self._timed: tuple[str, ...] = ()
        self._over_at = 0.0
        with tempfile.TemporaryFile() as shared:
            shared.truncate(SLOT_BYTES)
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
        elif self.error is not None and self.why == "killed":
            self.error["message"] = f"Its process died with {'signal' if code < 0 else 'exit status'} {abs(code)}."
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self._mouth.close()
        return True

    def failed_to_start(self) -> bool:
        """Whether it ended by itself before it ran anything."""
        return self.process.returncode not in (0, -signal.SIGKILL) and self.slot.read()[1] == ()
