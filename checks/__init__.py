"""Verifies what always holds of jobs in Redis, at rest or under load: ``make check``."""

from checks.broken import Broken
from checks.invariants import find_broken

__all__ = ["Broken", "find_broken"]
