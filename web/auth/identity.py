"""The API key of the current request."""

from __future__ import annotations

from collections.abc import Callable

from flask import g

from config.api_keys import Key, Role

__all__ = ["Key", "Role", "current_key", "owner", "validity_check"]


def current_key() -> Key | None:
    """Return the key of the current request; None where keys are off, and everything is allowed."""
    key: Key | None = g.get("key")
    return key


def owner() -> str | None:
    """Return the owner of the jobs that this request submits: the name of its key."""
    key = current_key()
    return key.name if key else None


def validity_check() -> Callable[[], bool]:
    """Return a function that returns whether the key of the current request is still valid, and so is its session.

    It is for responses that outlive their request, and may raise ``jobs.RedisError``.
    """
    check: Callable[[], bool] = g.get("is_still_valid", lambda: True)
    return check
