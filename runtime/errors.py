"""Exceptions of an attempt, and the `error` of a job: type, message and reason of an attempt's failure."""

from __future__ import annotations

import signal

from jobstore import ReleaseReason
from runtime.output import valid_text
from runtime.process_state import DESCRIPTORS_LOST

__all__ = [
    "NotPrepared",
    "Outdated",
    "error_from_exception",
    "exit_error",
    "failure",
    "out_of_memory",
    "status_corrupted",
]

_LONGEST_MESSAGE = 10_000
_LONGEST_TYPE = 200
_MIB = 2**20
_ADVICE = "take a smaller range or fewer columns, or have MEMORY_LIMIT_MB raised"
_MESSAGES = {
    "lost": ("WorkerLost", "Its worker vanished: no heartbeat within its lease."),
    "timeout": ("TimeoutError", "The attempt took longer than its timeout."),
}


class Outdated(Exception):
    """A file of an analysis has changed since this process loaded it."""


class NotPrepared(Exception):
    """The job's analysis or dataset is not available to this process, or its parameters do not fit."""

    def __init__(self, reason: ReleaseReason, error: Exception) -> None:
        super().__init__(reason)
        self.reason, self.error = reason, error


def failure(reason: str) -> dict[str, str]:
    """Build the error of an attempt without an exception: ``lost`` or ``timeout``."""
    kind, message = _MESSAGES[reason]
    return {"type": kind, "message": message, "reason": reason}


def error_from_exception(error: BaseException, reason: str) -> dict[str, str]:
    """Build the error of an exception."""
    try:
        message = valid_text(str(error))[:_LONGEST_MESSAGE]
    except Exception as unreadable:  # its __str__ is the analysis' own and may raise
        message = f"Its message cannot be read: {type(unreadable).__name__}."
    if isinstance(error, MemoryError):
        message = f"There is no memory left for it: {_ADVICE}. {message}".rstrip()
    return {"type": valid_text(type(error).__name__)[:_LONGEST_TYPE], "message": message, "reason": reason}


def out_of_memory(used: int, limit: int) -> dict[str, str]:
    """Build the error of a process that was killed because it and its descendants used more than ``limit`` bytes."""
    message = f"It used {used // _MIB} MiB of memory, MEMORY_LIMIT_MB is {limit // _MIB}: {_ADVICE}."
    return {"type": "MemoryError", "message": message, "reason": "killed"}


def status_corrupted() -> dict[str, str]:
    """Build the error of a process that was killed because its shared status cannot be read."""
    message = "The analysis wrote into descriptors or memory that its process shares with the worker."
    return {"type": "ProcessDied", "message": message, "reason": "killed"}


def exit_error(status: int, limit: int) -> dict[str, str]:
    """Build the error of a process that exited by itself with this status (below 0: by a signal).

    :param limit: its memory limit in bytes, 0 for none.
    """
    if status == DESCRIPTORS_LOST:
        message = "The analysis closed descriptors that are not its own; its process cannot go on without them."
    elif status >= 0:
        message = f"Its process died with exit status {status}."
    else:
        message = f"Its process died with signal {-status} ({_name(-status)}).{_hint(-status, limit)}"
    return {"type": "ProcessDied", "message": message, "reason": "killed"}


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _hint(number: int, limit: int) -> str:
    if number == signal.SIGKILL:
        return f" The kernel does that to a process when no memory is left: {_ADVICE}."
    if number == signal.SIGABRT and limit:
        return f" A library does that when it gets no memory; MEMORY_LIMIT_MB is {limit // _MIB}: {_ADVICE}."
    return ""
