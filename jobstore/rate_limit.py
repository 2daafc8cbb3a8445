"""Rate limits, counted in Redis in fixed windows: each begins with its first request."""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import redis

from jobstore.redis import classify_redis_error, is_read_only_replica

__all__ = ["RateLimiter", "Usage"]


class Usage(NamedTuple):
    """The requests of one name in its window: whether the last one was within the limit, how many are left, and the
    seconds until the window is over."""

    allowed: bool
    remaining: int
    seconds: int


class RateLimiter:
    """Counts requests by name, over the connections of a client that may be bound to a server later."""

    def __init__(self, client: redis.Redis, rate: str) -> None:
        """Create a limiter of a rate such as ``600/minute``. Raises ValueError for another text."""
        # Not imported by workers, whose children start the faster.
        import limits
        from limits.storage import RedisStorage

        self._client = client
        self._limit = limits.parse(rate)
        self._storage = RedisStorage("redis://", connection_pool=client.connection_pool, key_prefix="rate")

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
        return self._usage(name, 1)

    def peek(self, name: str) -> Usage:
        """Return whether one more request would be allowed; counts nothing."""
        return self._usage(name, 0)

    def _usage(self, name: str, cost: int) -> Usage:
        key = self._limit.key_for(name)
        try:
            used = self._storage.incr(key, self.window_seconds) if cost else self._storage.get(key) + 1
            left = self._storage.get_expiry(key) - time.time()
        except redis.RedisError as error:
            if is_read_only_replica(error):
                self._client.connection_pool.disconnect(inuse_connections=False)
            raise classify_redis_error(error) from error
        # Redis rounds the time that is left to the nearest second; a client that waits for it must not come too early.
        return Usage(used <= self.amount, max(self.amount - used, 0), math.floor(max(left, 0)) + 1)
