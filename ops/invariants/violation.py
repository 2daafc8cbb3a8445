"""What is reported: an invariant that does not hold."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Violation"]


class Violation(NamedTuple):
    """An invariant, by its number in ``invariants.py``, the key where it does not hold, and what is wrong there."""

    invariant: int
    key: str
    what: str
