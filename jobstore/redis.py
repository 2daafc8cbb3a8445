"""The connection to Redis: clients and their time-outs, errors, and the requirements on a server."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,
)
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from jobstore.circuit_breaker import CircuitBreaker
from jobstore.pool import FastPool
from jobstore.tls import SentinelTlsConnection, TlsConnection

__all__ = [
    "BLOCK_SECONDS",
    "NotConnected",
    "RedisAuth",
    "RedisError",
    "RedisFull",
    "RedisUnavailable",
    "Unbound",
    "UnboundPool",
    "UnusableServer",
    "check_server",
    "classify_redis_error",
    "clone_pool",
    "is_read_only_replica",
    "is_transient",
    "open_client",
]

RedisUnavailable = (ConnectionError, TimeoutError, BusyLoadingError, ReadOnlyError, MasterDownError)
"""Redis is unavailable, loading or read-only: the same call may succeed later."""

RedisError = redis.RedisError
"""Any error of Redis or of the connection to it."""

RedisFull = (OutOfMemoryError,)
"""Redis is at its ``maxmemory``."""

BLOCK_SECONDS = 2
"""Seconds that an idle worker waits for a wake token, below the socket time-out."""

_SOCKET_SECONDS = 5.0
_FAIL_FAST_SECONDS = 1.5
"""Time-out of a client that fails fast, per read and write: its callers answer within 3 s."""
_SENTINEL_SECONDS = 1
_OLDEST = (6, 2)
_PASSING = re.compile(
    r"\b(BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|NOAUTH|NOPERM|NOREPLICAS|OOM|READONLY|TRYAGAIN|WRONGPASS)\b"
)


def is_read_only_replica(answer: object) -> bool:
    """Whether a server refuses writes because it is a replica now; its connections must be dropped to find the new
    master. Redis 6.2 wraps the error when it occurs in a script."""
    return isinstance(answer, ResponseError) and "READONLY" in f"{type(answer).__name__.upper()} {answer}"


def is_transient(error: Exception) -> bool:
    """Whether the error is due to the state of Redis, not to the call: disk or memory full, not a master."""
    return _PASSING.search(f"{type(error).__name__} {error}") is not None


def classify_redis_error(error: Exception) -> Exception:
    """Return a more specific error where redis-py has only a general one."""
    # Redis 6.2 wraps the error of a command in a script.
    if "OOM command not allowed" in str(error):
        return OutOfMemoryError(str(error))
    if type(error) is ResponseError and is_transient(error):
        return ReadOnlyError(str(error))
    return error


class UnusableServer(Exception):
    """This Redis server cannot be used; the message names the setting to change."""


@dataclass(frozen=True, slots=True)
class RedisAuth:
    """Credentials, certificates and Sentinels of a server; files are given by path, an empty text is none."""

    username: str = ""
    password_file: str = ""
    tls: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    sentinels: tuple[tuple[str, int], ...] = ()
    """Addresses of the Sentinels; if there are any, the server's own address is not used."""
    sentinel_master: str = ""
    sentinel_username: str = ""
    sentinel_password_file: str = ""


_OPEN = RedisAuth()


class _Credentials(CredentialProvider):
    """Reads the password for each new connection, so that a changed one needs no restart."""

    def __init__(self, username: str, password_file: str) -> None:
        self._username = username
        self._file = Path(password_file)

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        try:
            password = self._file.read_text("utf-8").strip()
        except OSError as error:
            raise AuthenticationError(f"The password cannot be read: {error}") from error
        return (self._username, password) if self._username else (password,)


def open_client(
    host: str,
    port: int,
    db: int,
    *,
    blocking: bool = False,
    auth: RedisAuth = _OPEN,
    timeout: float | None = None,
) -> redis.Redis:
    """Return a client that connects when first used, to this server or to the master named by ``auth``'s Sentinels.

    The API's client fails fast: its time-out is 1.5 s, a lost connection is tried once more (every transition is safe
    to send twice), and while Redis does not answer, calls fail at once. A ``blocking`` one never retries by itself.
    ``timeout`` overrides the time-out, in seconds.
    """
    seconds = timeout or (_SOCKET_SECONDS if blocking else _FAIL_FAST_SECONDS)
    retry = Retry(NoBackoff(), 0) if blocking else CircuitBreaker()
    options: dict[str, Any] = {
        "db": db,
        "retry": retry,
        "socket_timeout": seconds,
        "socket_connect_timeout": _SOCKET_SECONDS if blocking else _FAIL_FAST_SECONDS,
        "socket_keepalive": True,
        "socket_keepalive_options": _keepalive(),
        "health_check_interval": 0,
        **_tls_options(auth),
        **_credentials(auth.username, auth.password_file),
    }
    if not auth.sentinels:
        client = redis.Redis(host=host, port=port, **options)
        pool = client.connection_pool
        if auth.tls:
            pool.connection_class = TlsConnection
        if not blocking:
            client.connection_pool = FastPool(pool.connection_class, **pool.connection_kwargs)
        return client
    asking = {
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": _SENTINEL_SECONDS,
        "socket_connect_timeout": _SENTINEL_SECONDS,
        **_tls_options(auth),
        **_credentials(auth.sentinel_username, auth.sentinel_password_file),
    }
    sentinel = Sentinel(auth.sentinels, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
    if auth.tls:
        options["connection_class"] = SentinelTlsConnection
        for each in sentinel.sentinels:
            each.connection_pool.connection_class = TlsConnection
    master: redis.Redis = sentinel.master_for(auth.sentinel_master, **options)  # type: ignore[no-untyped-call]
    return master


class NotConnected(RuntimeError):
    """A client was used before it was bound to a server."""


class Unbound:
    """Stands in for settings that are bound later."""

    def __getattr__(self, name: str) -> Any:
        raise NotConnected("There are no settings yet: call jobs.connect(settings) first.")


class UnboundPool(redis.ConnectionPool):
    """Stands in for the pool of a client that is bound later."""

    def get_connection(self, *_: Any, **__: Any) -> Any:
        """Refuse.

        :raises NotConnected: always.
        """
        raise NotConnected("There is no connection to Redis yet: call jobs.connect(settings) first.")


def clone_pool(pool: redis.ConnectionPool, **changed: Any) -> redis.ConnectionPool:
    """Return a pool to the same server, with some options changed and a circuit breaker of its own."""
    options = {**pool.connection_kwargs, **changed}
    if isinstance(pool, UnboundPool):
        return UnboundPool()
    if isinstance(options.get("retry"), CircuitBreaker):
        options["retry"] = CircuitBreaker()
    if isinstance(pool, SentinelConnectionPool):
        options |= {"connection_class": pool.connection_class}
        del options["connection_pool"]  # the other pool's own watch over the master
        return SentinelConnectionPool(pool.service_name, pool.sentinel_manager, **options)  # type: ignore[no-untyped-call]
    return type(pool)(pool.connection_class, **options)


def check_server(client: redis.Redis, *, databases: tuple[int, ...]) -> None:
    """Check that a server meets the requirements.

    :raises UnusableServer: it refuses the user, is older than 6.2, evicts keys, or refuses one of the databases.
    """
    try:
        info: dict[str, Any] = client.info("server")
    except (AuthenticationError, NoPermissionError) as error:
        raise UnusableServer(
            f"Redis refuses this user ({error}): check REDIS_USERNAME and REDIS_PASSWORD_FILE, and the user's ACL."
        ) from error
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


def _tls_options(auth: RedisAuth) -> dict[str, Any]:
    if not auth.tls:
        return {}
    return {
        "ssl": True,
        "ssl_ca_certs": auth.ca_file or None,
        "ssl_certfile": auth.cert_file or None,
        "ssl_keyfile": auth.key_file or None,
    }


def _credentials(username: str, password_file: str) -> dict[str, Any]:
    return {"credential_provider": _Credentials(username, password_file)} if password_file else {}
