"""The connection to Redis: how the clients behave when it is away, and what a server must be able to do."""

from __future__ import annotations

import re
import socket
from typing import Any

import redis
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import (
    BusyLoadingError,
    ConnectionError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,
)
from redis.retry import Retry

__all__ = [
    "BLOCK_SECONDS",
    "RedisError",
    "RedisFull",
    "RedisUnavailable",
    "UnusableServer",
    "check_server",
    "connect",
    "is_demoted",
    "is_passing",
    "named",
]

RedisUnavailable = (ConnectionError, TimeoutError, BusyLoadingError, ReadOnlyError, MasterDownError)
"""Redis is away, loading or read-only for now: the same call may go through later."""

RedisError = redis.RedisError
"""Whatever Redis, or the way to it, may answer with."""

RedisFull = (OutOfMemoryError,)
"""Redis is at its ``maxmemory``."""

BLOCK_SECONDS = 2
"""How long an idle worker waits for a wake token; below the socket time-out, or each wait would end as an error."""

_SOCKET_SECONDS = 5
_OLDEST = (6, 2)
_PASSING = re.compile(
    r"\b(BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|NOAUTH|NOPERM|NOREPLICAS|OOM|READONLY|TRYAGAIN|WRONGPASS)\b"
)


def is_demoted(answer: object) -> bool:
    """Whether a server refuses writes because it is a replica now; it keeps its connections, so who holds one must
    leave it to find the new master. Redis 6.2 wraps the word when a script hears it."""
    return isinstance(answer, ResponseError) and "READONLY" in f"{type(answer).__name__.upper()} {answer}"


def is_passing(error: Exception) -> bool:
    """Whether Redis blames a state of its own, whatever it is sent: its disk or memory is full, it is no master."""
    return _PASSING.search(f"{type(error).__name__} {error}") is not None


def named(error: Exception) -> Exception:
    """The error by what it means, where Redis or the client has no name of its own for that."""
    # Redis 6.2 wraps what a command in a script answered in words of its own.
    if "OOM command not allowed" in str(error):
        return OutOfMemoryError(str(error))
    if type(error) is ResponseError and is_passing(error):
        return ReadOnlyError(str(error))
    return error


class UnusableServer(Exception):
    """This Redis cannot keep the promises; the message says what to change."""


def connect(host: str, port: int, db: int, *, blocking: bool = False) -> redis.Redis:
    """A client that connects when first used.

    The API's fails fast, after one more try on a fresh connection: every transition is safe to send twice. A
    ``blocking`` one never sends again by itself: its owner must know what was heard.
    """
    retry = Retry(NoBackoff(), 0) if blocking else Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.2), 1)
    return redis.Redis(
        host=host,
        port=port,
        db=db,
        retry=retry,
        socket_timeout=_SOCKET_SECONDS,
        socket_connect_timeout=_SOCKET_SECONDS if blocking else 2,
        socket_keepalive=True,
        socket_keepalive_options=_keepalive(),
        health_check_interval=0,
    )


def check_server(client: redis.Redis, *, databases: tuple[int, ...]) -> None:
    """Refuse a server that cannot keep the promises.

    :raises UnusableServer: it is older than 6.2, evicts keys, or refuses one of the databases.
    """
    info: dict[str, Any] = client.info("server")
    version = tuple(int(part) for part in str(info["redis_version"]).split(".")[:2])
    if version < _OLDEST:
        raise UnusableServer(f"Redis {info['redis_version']} is too old: 6.2 or newer is needed.")
    policy = client.info("memory").get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise UnusableServer(f"Redis evicts keys ({policy}), jobs would be lost: set maxmemory-policy to noeviction.")
    for database in databases:
        try:
            client.eval(f"return redis.call('SELECT', '{database}')", 0)
        except ResponseError as error:
            raise UnusableServer(
                f"Redis refuses database {database} ({error}): set REDIS_DB and QUEUE_DB to numbers that it has."
            ) from error
    client.select(client.connection_pool.connection_kwargs.get("db", 0))


def _keepalive() -> dict[int, int]:
    wanted = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
    return {getattr(socket, name): value for name, value in wanted.items() if hasattr(socket, name)}
