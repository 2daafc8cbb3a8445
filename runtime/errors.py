"""The `error` of a job: what went wrong with an attempt, in words, and the reason."""

from __future__ import annotations

import signal

from runtime.output import valid_text
from runtime.process_state import DESCRIPTORS_LOST

__all__ = ["death", "error_from_exception", "failure", "out_of_memory", "status_corrupted"]

_LONGEST_MESSAGE = 10_000
_LONGEST_TYPE = 200
_MIB = 2**20
_ADVICE = "take a smaller range or fewer columns, or have MEMORY_LIMIT_MB raised"
_SAID = {
    "lost": ("WorkerLost", "Its worker vanished: no heartbeat within its lease."),
    "timeout": ("TimeoutError", "The attempt took longer than its timeout."),
}


def failure(reason: str) -> dict[str, str]:
    """What is said where no exception tells more: ``lost`` or ``timeout``."""
    kind, message = _SAID[reason]
    return {"type": kind, "message": message, "reason": reason}


def error_from_exception(error: BaseException, reason: str) -> dict[str, str]:
    """What a child says of an exception."""
    try:
        message = valid_text(str(error))[:_LONGEST_MESSAGE]
    except Exception as broken:  # an exception of the analysis' own may not even be able to say what it is
        message = f"Its message cannot be read: {type(broken).__name__}."
    if isinstance(error, MemoryError):
        message = f"There is no memory left for it: {_ADVICE}. {message}".rstrip()
    return {"type": valid_text(type(error).__name__)[:_LONGEST_TYPE], "message": message, "reason": reason}


def out_of_memory(used: int, limit: int) -> dict[str, str]:
    """What is said of a process that is ended because it and all that it started use more than ``limit`` bytes."""
    message = f"It used {used // _MIB} MiB of memory, MEMORY_LIMIT_MB is {limit // _MIB}: {_ADVICE}."
    return {"type": "MemoryError", "message": message, "reason": "killed"}


def status_corrupted() -> dict[str, str]:
    """What is said of a process that is ended because its slot cannot be read."""
    message = "The analysis wrote into descriptors or memory that its process shares with the worker."
    return {"type": "ProcessDied", "message": message, "reason": "killed"}


def death(status: int, limit: int) -> dict[str, str]:
    """What is said of a process that died by itself with this exit status (below 0: by a signal).

    :param limit: bytes of memory that it was held to, 0 for none.
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
