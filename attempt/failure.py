"""The `error` of a job: what went wrong with an attempt, in words, and the reason."""

from __future__ import annotations

from attempt.output import valid_text

__all__ = ["failure", "failure_of"]

_LONGEST_MESSAGE = 10_000
_KINDS = {"killed": "ProcessDied", "lost": "WorkerLost", "timeout": "TimeoutError"}


def failure(reason: str, message: str) -> dict[str, str]:
    """What a parent says: ``killed``, ``lost`` or ``timeout``."""
    return {"type": _KINDS[reason], "message": message, "reason": reason}


def failure_of(error: BaseException, reason: str) -> dict[str, str]:
    """What a child says of an exception."""
    try:
        message = valid_text(str(error))[:_LONGEST_MESSAGE]
    except Exception as broken:  # an exception of the analysis' own may not even be able to say what it is
        message = f"Its message cannot be read: {type(broken).__name__}."
    return {"type": type(error).__name__, "message": message, "reason": reason}
