"""The `error` of a job: what went wrong with an attempt, in words, and the reason."""

from __future__ import annotations

from attempt.output import valid_text

__all__ = ["failure", "failure_of"]

_LONGEST_MESSAGE = 10_000
_SAID = {
    "killed": ("ProcessDied", "Its process died."),
    "lost": ("WorkerLost", "Its worker vanished: no heartbeat within its lease."),
    "timeout": ("TimeoutError", "The attempt took longer than its timeout."),
}


def failure(reason: str) -> dict[str, str]:
    """What is said where no exception tells more: ``killed``, ``lost`` or ``timeout``."""
    kind, message = _SAID[reason]
    return {"type": kind, "message": message, "reason": reason}


def failure_of(error: BaseException, reason: str) -> dict[str, str]:
    """What a child says of an exception."""
    try:
        message = valid_text(str(error))[:_LONGEST_MESSAGE]
    except Exception as broken:  # an exception of the analysis' own may not even be able to say what it is
        message = f"Its message cannot be read: {type(broken).__name__}."
    return {"type": type(error).__name__, "message": message, "reason": reason}
