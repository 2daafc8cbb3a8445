"""A violated invariant."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Violation"]


class Violation(NamedTuple):
    """A violated invariant by its number in ``invariants.py``, the key, and a description."""

    invariant: int
    key: str
    what: str
