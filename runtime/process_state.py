"""Restores process state so that one job cannot affect the next."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import faulthandler
import fcntl
import gc
import locale
import logging
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any, Final

from config.events import Event
from runtime.descendants import child_pids, end_children, has_children
from runtime.signals import restore_handlers

__all__ = ["DESCRIPTORS_LOST", "ProcessState"]

DESCRIPTORS_LOST = 113
"""The exit status of a child whose analysis closed descriptors of the worker."""

# Only those that can affect a job: every job pays for the comparison.
_SIGNALS: Final = tuple(n for n in range(1, 32) if n in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
_LIMITS: Final = tuple(
    getattr(resource, f"RLIMIT_{name}")
    for name in ("CPU", "FSIZE", "DATA", "NPROC", "NOFILE", "AS")
    if hasattr(resource, f"RLIMIT_{name}")
)

_log = logging.getLogger(__name__)


class ProcessState:
    """Records the state of the process before the first attempt; ``control`` is a descriptor that it needs."""

    def __init__(self, control: int) -> None:
        self._control = control
        fcntl.fcntl(control, fcntl.F_SETOWN, os.getpid())
        self._threads = threading.active_count()
        self._handlers = _handlers()
        self._states = [(read, write, copy(read())) for read, write in _STATES]

    def can_reuse_process(self) -> bool:
        """Return whether threads and helper processes allow another job; exit if the descriptors are lost."""
        self._check_descriptors()
        signal.setitimer(signal.ITIMER_REAL, 0)
        if threading.active_count() > self._threads:
            names = [thread.name for thread in threading.enumerate()[self._threads :]]
            _log.warning(Event.THREADS_LEFT, extra={"threads": names})
            return False
        if "multiprocessing" in sys.modules and _has_multiprocessing_helpers():
            _log.info(Event.HELPERS_LEFT)
            return False
        return True

    def restore(self) -> bool:
        """End the processes that the attempt started and restore this one's state; False where that fails."""
        restored = True
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()
        faulthandler.unregister(signal.SIGUSR1)
        if has_children():
            _log.warning(Event.PROCESSES_LEFT, extra={"ended": end_children()})
        if (found := _handlers()) != self._handlers:
            restore_handlers(_SIGNALS, self._handlers, found)
        for read, write, before in self._states:
            if (now := read()) != before:
                try:
                    write(before)
                except (OSError, ValueError) as error:
                    restored = False
                    # Of the environment the names, because values may be secrets.
                    state = sorted(now) if isinstance(now, dict) else now
                    _log.warning(Event.STATE_LEFT, extra={"state": state, "error": str(error)})
        return restored

    def _check_descriptors(self) -> None:
        # A descriptor opened in its place has no owner; this is cheaper than fstat.
        try:
            lost = not fcntl.fcntl(self._control, fcntl.F_GETOWN)
        except OSError:
            lost = True
        if lost:
            # Connections may now be files of the analysis: nothing may be written to them.
            os._exit(DESCRIPTORS_LOST)


def _handlers() -> list[Any]:
    # signal.getsignal converts each handler to an enum member first, which takes fifty times as long.
    return list(map(_signal.getsignal, _SIGNALS))


def _has_multiprocessing_helpers() -> bool:
    """Return whether a resource tracker, a fork server or a process of multiprocessing is left.

    Python has no call to forget them, so that the next job would wait for processes that are gone.
    """
    if not has_children():
        return False
    import multiprocessing

    commands = [_command(pid) for pid in child_pids()]
    return bool(multiprocessing.active_children()) or any(
        word in command for command in commands for word in (b"multiprocessing", b"resource_tracker")
    )


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _folder() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""


def _umask() -> int:
    umask = os.umask(0o22)
    os.umask(umask)
    return umask


def _environ() -> dict[bytes, bytes]:
    # os.environ would decode every name at each comparison.
    environ: dict[bytes, bytes] = os.environ._data  # type: ignore[attr-defined]
    return environ


def _restore_environ(before: dict[bytes, bytes]) -> None:
    os.environb.clear()
    os.environb.update(before)


def _limits() -> list[tuple[int, int]]:
    return [*map(resource.getrlimit, _LIMITS)]


def _restore_limits(before: list[tuple[int, int]]) -> None:
    for which, limits in zip(_LIMITS, before, strict=True):
        resource.setrlimit(which, limits)


def _restore_handlers(before: list[logging.Handler]) -> None:
    logging.root.handlers[:] = before


def _restore_path(before: list[str]) -> None:
    sys.path[:] = before


# How each is read, cheaply because every job pays for it, and how it is restored.
_STATES: Final[list[tuple[Callable[[], Any], Callable[[Any], object]]]] = [
    (
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        lambda mask: signal.pthread_sigmask(signal.SIG_SETMASK, mask),
    ),
    (_limits, _restore_limits),
    (lambda: os.getpriority(os.PRIO_PROCESS, 0), lambda nice: os.setpriority(os.PRIO_PROCESS, 0, nice)),
    (_folder, os.chdir),
    (_umask, os.umask),
    (_environ, _restore_environ),
    (lambda: locale.setlocale(locale.LC_ALL), lambda names: locale.setlocale(locale.LC_ALL, names)),
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (sys.getswitchinterval, sys.setswitchinterval),
    (sys.gettrace, sys.settrace),
    (sys.getprofile, sys.setprofile),
    (lambda: sys.path, _restore_path),
    (gc.isenabled, lambda enabled: gc.enable() if enabled else gc.disable()),
    (socket.getdefaulttimeout, socket.setdefaulttimeout),
    (faulthandler.is_enabled, lambda enabled: faulthandler.enable() if enabled else faulthandler.disable()),
    (lambda: logging.root.manager.disable, logging.disable),
    (lambda: logging.root.level, logging.root.setLevel),
    (lambda: logging.root.handlers, _restore_handlers),
]
if hasattr(os, "sched_getaffinity"):
    _STATES.append((lambda: os.sched_getaffinity(0), lambda cores: os.sched_setaffinity(0, cores)))
