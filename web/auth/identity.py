"""The API key of the current request."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from flask import g

__all__ = ["Key", "Role", "current_key", "owner"]


class Role(StrEnum):
    """What a key allows; each role allows what the ones before it do."""

    READ = "read"  #: Sees everything.
    SUBMIT = "submit"  #: Submits jobs; cancels, retries and deletes its own; writes the datasets that it made.
    ADMIN = "admin"  #: Everything.


class Key(NamedTuple):
    """An API key: its name and its role."""

    name: str
    role: Role


def current_key() -> Key | None:
    """Return the key of the current request; None where keys are off, and everything is allowed."""
    key: Key | None = g.get("key")
    return key


def owner() -> str | None:
    """Return the owner of the jobs that this request submits: the name of its key."""
    key = current_key()
    return key.name if key else None
