"""Ignores signals that an operator or a service manager sends to a child: its supervisor drains it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

__all__ = ["STRAY", "ignore_stray_signals", "restore_handlers", "signals_blocked"]

STRAY = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)

_forking = threading.local()


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Block stray signals; a process started inside keeps them pending until :func:`ignore_stray_signals`."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STRAY)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_stray_signals() -> None:
    """Ignore stray signals in this process only: programs and forks that it starts get the default handlers."""
    for each in STRAY:
        _install(each, _ignore)
    # Blocked from before a fork until the fork has the defaults, so that no signal to it gets lost.
    os.register_at_fork(before=_block, after_in_parent=_unblock, after_in_child=_restore_defaults)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STRAY)


def restore_handlers(numbers: Sequence[int], handlers: Sequence[object], found: Sequence[object]) -> None:
    """Reinstall those ``handlers`` of the signals ``numbers`` that differ from the ones ``found``."""
    for number, handler, other in zip(numbers, handlers, found, strict=True):
        if handler != other:
            _install(number, handler)


def _install(number: int, handler: object) -> None:
    signal.signal(number, handler)  # type: ignore[arg-type]
    if handler is _ignore:
        signal.siginterrupt(number, False)


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing. Unlike SIG_IGN, a handler is not inherited by programs."""


def _block() -> None:
    _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, STRAY)


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)


def _restore_defaults() -> None:
    for each in STRAY:
        if signal.getsignal(each) is _ignore:
            signal.signal(each, signal.default_int_handler if each == signal.SIGINT else signal.SIG_DFL)
    _unblock()
