"""The connection of a worker, on which calls can be sent ahead of the answers to those before."""

from __future__ import annotations

from typing import Any

import redis
from hiredis import pack_command
from redis.exceptions import ResponseError

__all__ = ["PART_BYTES", "WorkerConnection"]

PART_BYTES = 2**20
"""The socket's time-out applies to each send: a large result is sent in parts."""


class WorkerConnection:
    """Sends commands and reads answers over one connection of a pool, opened when first used; never retries."""

    def __init__(self, pool: redis.ConnectionPool) -> None:
        self._pool = pool
        self._connection: Any = None

    def send(self, commands: list[tuple[Any, ...]]) -> None:
        """Send commands in one write."""
        if self._connection is None:
            self._connection = self._pool.get_connection()
        self._connection.send_packed_command(_parts(b"".join(map(pack_command, commands))), check_health=False)

    def read(self, count: int) -> list[Any]:
        """Read the answers to so many commands; an error of one of them is its answer."""
        return [_read(self._connection) for _ in range(count)]

    def drop(self) -> None:
        """Return the connection to the pool: only there are the Sentinels asked for the current master."""
        if self._connection is not None:
            self._connection.disconnect()
            self._pool.release(self._connection)
            self._connection = None


def _parts(packed: bytes) -> list[Any]:
    if len(packed) <= PART_BYTES:
        return [packed]
    view = memoryview(packed)
    return [view[at : at + PART_BYTES] for at in range(0, len(packed), PART_BYTES)]


def _read(connection: Any) -> Any:
    try:
        return connection.read_response()
    except ResponseError as error:
        return error
