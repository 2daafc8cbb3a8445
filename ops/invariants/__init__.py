"""Verifies the invariants of the jobs in Redis, at rest or under load: ``make check``."""

from ops.invariants.invariants import find_violations
from ops.invariants.violation import Violation

__all__ = ["Violation", "find_violations"]
