"""The API key of the current request."""

from __future__ import annotations

from flask import g

from config.api_keys import Key, Role

__all__ = ["Key", "Role", "current_key", "owner"]


def current_key() -> Key | None:
    """Return the key of the current request; None where keys are off, and everything is allowed."""
    key: Key | None = g.get("key")
    return key


def owner() -> str | None:
    """Return the owner of the jobs that this request submits: the name of its key."""
    key = current_key()
    return key.name if key else None
