"""Rate limits, counted in Redis in fixed windows: each begins with its first request."""

from __future__ import annotations

import math
from typing import NamedTuple

import redis

from jobstore.scripts import Transitions

__all__ = ["RateLimiter", "Usage"]


class Usage(NamedTuple):
    """The requests of one name in its window: whether the last one was within the limit, how many are left, and the
    seconds until the window is over."""

    allowed: bool
    remaining: int
    seconds: int


class RateLimiter:
    """Counts requests by name, in the database of a client."""

    def __init__(self, client: redis.Redis, rate: str) -> None:
        """Create a limiter of a rate such as ``600/minute``. Raises ValueError for another text."""
        # Not imported by workers, whose children start the faster.
        import limits

        db = client.connection_pool.connection_kwargs.get("db", 0)
        self._transitions = Transitions(client, records_db=db, queue_db=db, queue_name="queue")
        self._limit = limits.parse(rate)

    @property
    def amount(self) -> int:
        """The requests that one window allows."""
        return self._limit.amount

    @property
    def window_seconds(self) -> int:
        """The length of a window."""
        return self._limit.get_expiry()

    def hit(self, name: str) -> Usage:
        """Count a request."""
        return self._count(name, 1)

    def peek(self, name: str) -> Usage:
        """Return whether one more request would be allowed; counts nothing."""
        return self._count(name, 0)

    def _count(self, name: str, cost: int) -> Usage:
        # The storage of `limits` needs two round trips, and refuses each request while Redis is full.
        key = f"rate:{self._limit.key_for(name)}"
        _, used, left_ms = self._transitions.run("count_request", key, self.window_seconds, cost)
        used += 1 - cost
        return Usage(used <= self.amount, max(self.amount - used, 0), max(math.ceil(left_ms / 1000), 1))
