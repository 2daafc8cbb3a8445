"""A pool of connections for clients that make many short calls in many threads."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import Any

import redis

__all__ = ["FastPool"]

_FRESH_SECONDS = 1.0


class FastPool(redis.ConnectionPool):
    """Hands out the connection that was used last, at once if that was less than a second ago.

    redis-py polls a connection each time it hands it out, to find one that the server has closed, which takes as long
    as the rest of a call. Here, the call itself finds one that was closed within this second: it must be retried, as
    :class:`jobstore.circuit_breaker.CircuitBreaker` does.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # One call of a list at a time is atomic. For redis-py, these connections are in use.
        self._fresh: list[tuple[Any, float]] = []

    def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Any:
        """Return a connection for one thread.

        :raises RedisError: Redis cannot be reached.
        """
        try:
            connection, released = self._fresh.pop()
        except IndexError:
            return super().get_connection()
        if time.monotonic() < released + _FRESH_SECONDS and connection.pid == os.getpid():
            return connection
        super().release(connection)
        return super().get_connection()

    def release(self, connection: Any) -> None:
        """Take back a connection."""
        if connection.is_connected and not connection.should_reconnect():
            self._fresh.append((connection, time.monotonic()))
        else:
            super().release(connection)

    def disconnect(self, inuse_connections: bool = True) -> None:
        """Close all connections, or those alone that no thread uses."""
        while self._fresh:
            with suppress(IndexError):  # another thread took the last one
                connection, _ = self._fresh.pop()
                connection.disconnect()
                super().release(connection)
        super().disconnect(inuse_connections)
