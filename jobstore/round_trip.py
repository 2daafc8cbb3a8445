"""Commands and their answers over a connection of a client's pool, at half the cost of a pipeline of the client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis
from hiredis import pack_command
from redis.exceptions import ResponseError

__all__ = ["PART_BYTES", "pack", "read_answer", "read_hash", "round_trip"]

PART_BYTES = 2**20
"""The time-out of a socket applies to each send: a large command is sent in parts."""


def round_trip(client: redis.Redis, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Send commands in one write and return their answers; an error of one of them is its answer.

    They are retried as the policy of the client has it, and pass its circuit breaker.

    :raises RedisError: the connection is lost, or there is none.
    """
    packed = pack(commands)
    pool = client.connection_pool
    connection: Any = pool.get_connection()

    def exchange() -> list[Any]:
        connection.send_packed_command(packed)
        return [read_answer(connection) for _ in commands]

    try:
        answers: list[Any] = connection.retry.call_with_retry(exchange, lambda _: connection.disconnect())
        return answers
    finally:
        pool.release(connection)


def read_hash(client: redis.Redis, key: str) -> dict[bytes, bytes]:
    """Return the fields of a hash; there are none without the key.

    :raises RedisError: Redis cannot be reached, or refuses.
    """
    [answer] = round_trip(client, [("HGETALL", key)])
    if isinstance(answer, Exception):
        raise answer
    return answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=True))


def pack(commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Return commands in the protocol of Redis, in parts."""
    packed = b"".join(map(pack_command, commands))
    if len(packed) <= PART_BYTES:
        return [packed]
    view = memoryview(packed)
    return [view[at : at + PART_BYTES] for at in range(0, len(packed), PART_BYTES)]


def read_answer(connection: Any) -> Any:
    """Return the next answer; an error that Redis answers with is returned, too.

    :raises RedisError: the connection is lost.
    """
    try:
        return connection.read_response()
    except ResponseError as error:
        return error
