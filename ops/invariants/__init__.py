"""Verifies what always holds of jobs in Redis, at rest or under load: ``make check``."""

from ops.invariants.invariants import find_broken
from ops.invariants.violation import Broken

__all__ = ["Broken", "find_broken"]
