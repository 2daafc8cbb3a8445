"""Cheap processes: a fork of one that has everything imported, which otherwise is as a fresh one would be.

A fork keeps nothing of its parent that a fresh process would not have: neither descriptors nor signal handlers, and
it has a session of its own. The redis-py client makes new connections when it finds itself in another process.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import worker
from runtime import supervisor
from tests.faults.trials.fault import SharedCounter

__all__ = ["fork", "fork_worker"]

_PR_SET_PDEATHSIG = 1


def fork(role: str, play: Callable[[], None], tally: SharedCounter, keep: Sequence[int] = ()) -> int:
    """Run ``play`` in a fork that plays this role in the trial; the process id."""
    ear, mouth = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            # The tally is a file to flock: a fresh process has its own.
            _become_fresh(keep)
            if role != "child":  # whose own arrangement for this is part of what is tried
                ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            SharedCounter(tally.path).arm(role)
            play()
            code = 0
        except SystemExit as done:
            code = done.code if isinstance(done.code, int) else int(done.code is not None)
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        finally:
            sys.settrace(None)
            os._exit(code)
    os.close(mouth)
    os.read(ear, 1)  # ends when the fork has become fresh, as Popen waits for exec
    os.close(ear)
    return pid


def fork_worker(tally: SharedCounter, environ: Mapping[str, str]) -> int:
    """``python worker.py`` with these settings, as a fork; the process id."""

    def play() -> None:
        os.environ.update(environ)
        supervisor.STANDBY_AFTER_SECONDS = 0.0  # a trial is over before spares would be started
        subprocess.Popen = lambda words, **options: _Child(tally, words, **options)  # type: ignore[assignment, misc]
        sys.argv = ["worker.py"]
        worker.main()

    return fork("parent", play, tally)


class _Child:
    """What the parent of workers needs of Popen."""

    def __init__(self, tally: SharedCounter, words: Sequence[str], *, pass_fds: Sequence[int], **_: Any) -> None:
        self.returncode: int | None = None

        def play() -> None:
            sys.argv = list(words[1:])
            worker.main()

        self.pid = fork("child", play, tally, keep=pass_fds)

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


def _become_fresh(keep: Sequence[int]) -> None:
    sys.settrace(None)
    os.setsid()
    signal.set_wakeup_fd(-1)
    for sort in (signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1):
        signal.signal(sort, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Objects that are left of the parent may still close theirs: such a number must not come to stand for another.
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in map(int, os.listdir("/proc/self/fd")):
        if number > 2 and number not in keep and number != nothing:
            try:
                os.fstat(number)
            except OSError:
                continue
            os.dup2(nothing, number, inheritable=False)
