"""Cheap processes: forks of a process that has imported everything, otherwise like fresh ones.

A fork inherits neither descriptors nor signal handlers, and has its own session. The redis-py client opens new
connections after a fork.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import worker
from jobstore import collected_results, reserved_jobs
from runtime import supervisor
from tests.faults.trials.fault import SharedCounter

__all__ = ["fork", "fork_worker"]

_PR_SET_PDEATHSIG = 1

importlib.import_module("runtime.executor")  # a supervisor imports it in none but its children


def fork(role: str, play: Callable[[], None], counter: SharedCounter, keep: Sequence[int] = ()) -> int:
    """Run ``play`` in a fork with this role, and return its process id."""
    ready_r, ready_w = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            # Open the file again: flock is per open file.
            _become_fresh(keep)
            if role != "child":  # which sets this itself
                ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            SharedCounter(counter.path).arm(role)
            play()
            code = 0
        except SystemExit as done:
            code = done.code if isinstance(done.code, int) else int(done.code is not None)
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        finally:
            sys.settrace(None)
            os._exit(code)
    os.close(ready_w)
    os.read(ready_r, 1)  # returns when the fork is ready, as Popen waits for exec
    os.close(ready_r)
    return pid


def fork_worker(counter: SharedCounter, environ: Mapping[str, str]) -> int:
    """Run ``python worker.py`` with these settings as a fork, and return its process id."""

    def play() -> None:
        os.environ.update(environ)
        supervisor.STANDBY_AFTER_SECONDS = 0.0  # trials are shorter than the delay
        collected_results._SECONDS, reserved_jobs._SECONDS = 0.5, 0.2  # a process is slow whose steps are counted
        subprocess.Popen = lambda words, **options: _Child(counter, words, **options)  # type: ignore[assignment, misc]
        sys.argv = ["worker.py"]
        worker.main()

    return fork("parent", play, counter)


class _Child:
    """The part of Popen that the supervisor uses."""

    def __init__(self, counter: SharedCounter, words: Sequence[str], *, pass_fds: Sequence[int], **_: Any) -> None:
        self.returncode: int | None = None

        def play() -> None:
            sys.argv = list(words[1:])
            worker.main()

        self.pid = fork("child", play, counter, keep=pass_fds)

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
    # Inherited objects may still close their descriptors, so these numbers must not be reused.
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in map(int, os.listdir("/proc/self/fd")):
        if number > 2 and number not in keep and number != nothing:
            try:
                os.fstat(number)
            except OSError:
                continue
            os.dup2(nothing, number, inheritable=False)
