"""A child process on the side of its supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Lock
from typing import Any

from jobstore import ReleaseReason, Run
from runtime.errors import exit_error, failure, out_of_memory
from runtime.memory import MemoryMeter, seconds_to_fill
from runtime.memory_files import shared_bytes, shared_output
from runtime.meters import Meters
from runtime.output import drop_beginning, read_end
from runtime.shared_results import SHARED_BYTES, SharedResults
from runtime.shared_status import CORRUPTED, NO_RUN, SharedStatus
from runtime.signals import signals_blocked

__all__ = ["GRACE_SECONDS", "ChildProcess"]

GRACE_SECONDS = 1.0
"""Seconds from the order to stop an analysis to the kill of its process."""
_HOLD_UP_SECONDS = 0.01


class ChildProcess:
    """Starts, controls and kills a child process: ``script --child …``, with a new worker id."""

    def __init__(
        self,
        script: str,
        memory: int = 0,
        environ: Mapping[str, str] = os.environ,
        on_hold_up: Callable[[], object] = lambda: None,
    ) -> None:
        """Start the process; it and its descendants may use ``memory`` bytes, 0 for no limit.

        :param on_hold_up: called in another thread, once for each run that takes long with jobs reserved behind it.
        """
        self.worker = str(uuid.uuid4())
        self.registered = False
        self.memory = memory
        self._killed = False
        self._on_hold_up = on_hold_up
        self._held_up: Run | None = None
        self.reason = ReleaseReason.KILLED
        self.error: dict[str, Any] | None = None
        self.only_run: Run | None = None
        self.last_output: tuple[Run, str] | None = None
        """The run during which the process died, and its last output."""
        self.stopping: Run | None = None
        self.kill_at = 0.0
        self.unmatched_run: Run | None = None
        self.unmatched_since = 0.0
        self._timed: Run | None = None
        self._deadline = 0.0
        # Once the process is reaped its id may be another's: a kill and the reaping exclude each other.
        self._reaping = Lock()
        self._output = shared_output()
        with shared_bytes(SHARED_BYTES) as shared:
            self.status, self.meters = SharedStatus(shared.fileno()), Meters(shared.fileno())
            self.results = SharedResults(shared.fileno())
            control_r, control_w = os.pipe()
            try:
                self.process = self._start(script, (control_r, shared.fileno(), self._output.fileno()), environ)
            except OSError:
                os.close(control_w)
                self._output.close()
                raise
            finally:
                os.close(control_r)
        self._meter = MemoryMeter(self.process.pid)
        os.set_blocking(control_w, False)
        self._control = os.fdopen(control_w, "wb", buffering=0)

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

    def send(self, *words: str) -> None:
        """Send a command to the child; it is dropped if the child is dead, or too slow to empty its pipe."""
        with suppress(BrokenPipeError):
            self._control.write((" ".join(words) + "\n").encode("ascii"))

    def stop(self, run: Run, reason: str, now: float) -> None:
        """Stop this run: by an exception in the analysis, and by SIGKILL a second later."""
        running = self.status.read() == (True, run)
        if running and self.stopping != run:
            self.stopping, self.kill_at = run, now + GRACE_SECONDS
            self.send("stop", *run, reason)
        elif running and now >= self.kill_at:
            if reason == "timeout":
                self.kill(ReleaseReason.TIMEOUT, failure("timeout"), run)
            else:
                self.kill(ReleaseReason.DRAIN, None, run)

    def holds_up_reserved(self) -> bool:
        """Return whether jobs are reserved behind a run that takes long: they are to be queued."""
        return self.status.holds_up(_HOLD_UP_SECONDS)

    def is_timed_out(self, run: Run, seconds_left: float, now: float) -> bool:
        """Return whether this run is past its timeout.

        The deadline is kept on the clock of this host from the first call on, because the clock of Redis may jump.
        """
        if self._timed != run:
            self._timed, self._deadline = run, now + seconds_left
        return now > self._deadline

    def has_corrupted_status(self) -> bool:
        """Return whether the analysis wrote into the shared status."""
        return self.status.read()[1] == CORRUPTED

    def enforce_limits(self) -> float:
        """Kill the process if it uses too much memory, trim its output, and return the seconds until the next call.

        Reports a run that holds up reserved jobs.

        Runs in the thread of :class:`MemoryWatch`.
        """
        running, run = self.status.read()
        with self._reaping:
            if self.process.returncode is None:
                drop_beginning(self._output.fileno())
        if self._held_up != run and self.holds_up_reserved():
            self._held_up = run
            self._on_hold_up()
        if not running or not self.memory:
            return seconds_to_fill(sys.maxsize)
        used = self._meter.read(self.memory)
        if used > self.memory and self.status.read() == (True, run):
            self.kill(ReleaseReason.KILLED, out_of_memory(used, self.memory), run)
        return seconds_to_fill(self.memory - used)

    def kill(self, reason: ReleaseReason, error: dict[str, Any] | None = None, only_run: Run | None = None) -> None:
        """Kill the process group. Its job is released for ``reason``, if it is ``only_run`` where that is given.

        The reason of the first call counts; a process that has exited is left as it is.
        """
        with self._reaping:
            if self.process.returncode is None:
                if not self._killed:
                    self._killed, self.reason, self.error, self.only_run = True, reason, error, only_run
                with suppress(ProcessLookupError):
                    os.killpg(self.process.pid, signal.SIGKILL)

    def has_exited(self) -> bool:
        """Return whether the process has exited; if so, the rest of its process group is killed."""
        with self._reaping:
            code = self.process.poll()
            if code is None:
                return False
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            is_running, run = self.status.read()
            known = None if run in (NO_RUN, CORRUPTED) else run
            if is_running and known is not None:
                self.last_output = known, read_end(self._output.fileno())
            self._output.close()
        if code == 0 and not is_running:
            self.reason, self.error = ReleaseReason.DRAIN, None
        elif self.error is None and self.reason is ReleaseReason.KILLED:
            self.error = exit_error(code, self.memory)
            # Redis may not know yet that the job before has ended; only the one that ran is to blame.
            self.only_run = known
        self._control.close()
        return True

    @property
    def outcome(self) -> str:
        """How the attempt ended that was running when the process exited."""
        was_cancelled = self.only_run is not None and self.reason is ReleaseReason.DRAIN
        return "cancelled" if was_cancelled else self.reason

    def failed_to_start(self) -> bool:
        """Return whether the process exited by itself before it ran a job."""
        return self.process.returncode not in (0, -signal.SIGKILL) and self.status.read()[1] == NO_RUN
