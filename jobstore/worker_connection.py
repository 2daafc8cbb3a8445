"""The connection of a worker, on which calls can be sent ahead of the answers to those before."""

from __future__ import annotations

from typing import Any

import redis

from jobstore.round_trip import pack, read_answer

__all__ = ["WorkerConnection"]


class WorkerConnection:
    """Sends commands and reads answers over one connection of a pool, opened when first used; never retries."""

    def __init__(self, pool: redis.ConnectionPool) -> None:
        self._pool = pool
        self._connection: Any = None

    def send(self, commands: list[tuple[Any, ...]]) -> None:
        """Send commands in one write."""
        if self._connection is None:
            self._connection = self._pool.get_connection()
        self._connection.send_packed_command(pack(commands), check_health=False)

    def read(self, count: int) -> list[Any]:
        """Read the answers to so many commands; an error of one of them is its answer."""
        return [read_answer(self._connection) for _ in range(count)]

    def drop(self) -> None:
        """Return the connection to the pool: only there are the Sentinels asked for the current master."""
        if self._connection is not None:
            self._connection.disconnect()
            self._pool.release(self._connection)
            self._connection = None
