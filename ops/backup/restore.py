"""Restores a snapshot into an empty server: the server replicates from this process, then becomes a master again.

This needs no access to the server's files, so it may run on any host that can connect back. Source of the protocol:
https://redis.io/docs/latest/develop/reference/replication/ and ``replication.c`` of Redis 6.2 to 8.
"""

from __future__ import annotations

import secrets
import socket
import time
from pathlib import Path
from typing import Any

import redis

__all__ = ["NotEmpty", "RestoreFailed", "restore"]

_PART_BYTES = 2**20
_WAIT_SECONDS = 60
_OWN_FOLDER = "data.folder"  # dataset/store.py describes it
_NEEDS_REPLICAS = "min-replicas-to-write"


class NotEmpty(Exception):
    """The server has keys, which a restore would replace."""


class RestoreFailed(Exception):
    """The server did not load the snapshot; the message gives the reason."""


def restore(client: redis.Redis, snapshot: Path, port: int = 0) -> int:
    """Restore ``snapshot`` into the empty server of ``client``, which fetches it from ``port``; return its key count.

    A server that is not up yet is waited for.

    :raises NotEmpty: the server has keys.
    :raises RestoreFailed: the server cannot connect back, or does not load the file.
    """
    _wait_until_it_answers(client)
    if _count_keys(client):
        raise NotEmpty("This Redis has keys; a back-up is restored into an empty one only, with no worker at it.")
    with _listen(port) as listener, snapshot.open("rb") as file:
        host, port = _own_address(client), listener.getsockname()[1]
        client.replicaof(host, port)
        try:
            conn = _accept_replica(listener, host, port)
            with conn:
                _answer_as_master(conn, file, snapshot.stat().st_size)
                _wait_until_loaded(client, conn)
        except OSError as error:
            raise RestoreFailed(f"The transfer broke off: {error}") from error
        finally:
            _wait_until_it_answers(client)
            client.replicaof("NO", "ONE")
    keys = _count_keys(client)
    if not keys:
        raise RestoreFailed("Redis took nothing from the snapshot; its own log says why.")
    _delete_folder_name(client)
    return keys


def _delete_folder_name(client: redis.Redis) -> None:
    """Delete the name of the folder in DATASET_STORE: it is that of the Redis that was backed up, and maybe in use."""
    try:
        client.delete(_OWN_FOLDER)
    except redis.ResponseError as error:
        if not str(error).startswith("NOREPLICAS"):
            raise
        # One of several servers, which rejects writes without a replica: this one is not lost with it.
        wanted: Any = client.config_get(_NEEDS_REPLICAS)
        client.config_set(_NEEDS_REPLICAS, 0)
        try:
            client.delete(_OWN_FOLDER)
        finally:
            client.config_set(_NEEDS_REPLICAS, wanted[_NEEDS_REPLICAS])


def _count_keys(client: redis.Redis) -> int:
    keyspace: dict[str, Any] = client.info("keyspace")
    return sum(database["keys"] for database in keyspace.values())


def _listen(port: int) -> socket.socket:
    listener = socket.create_server(("", port))
    listener.settimeout(_WAIT_SECONDS)
    return listener


def _own_address(client: redis.Redis) -> str:
    """Return the local address of the connection to Redis, which Redis can connect back to."""
    connection: Any = client.connection_pool.get_connection()
    try:
        address: str = connection._sock.getsockname()[0]
        return address
    finally:
        client.connection_pool.release(connection)


def _accept_replica(listener: socket.socket, host: str, port: int) -> socket.socket:
    try:
        conn, _ = listener.accept()
    except TimeoutError:
        raise RestoreFailed(f"Redis does not reach {host}:{port}: let it connect to where this runs.") from None
    conn.settimeout(_WAIT_SECONDS)
    return conn


def _answer_as_master(conn: socket.socket, file: Any, size: int) -> None:
    """Act as a master: acknowledge the replica, and send it the whole file."""
    lines = conn.makefile("rb")
    for words in iter(lambda: _read_command(lines), None):
        if words[0].upper() in (b"PSYNC", b"SYNC"):
            break
        conn.sendall(b"+PONG\r\n" if words[0].upper() == b"PING" else b"+OK\r\n")
    else:
        raise RestoreFailed("Redis left before it asked for the snapshot.")
    if words[0].upper() == b"PSYNC":
        conn.sendall(f"+FULLRESYNC {secrets.token_hex(20)} 0\r\n".encode())
    conn.sendall(f"${size}\r\n".encode())
    while part := file.read(_PART_BYTES):
        conn.sendall(part)


def _read_command(lines: Any) -> list[bytes] | None:
    head = lines.readline()
    if not head:
        return None
    if not head.startswith(b"*"):
        return list(head.split()) or [b"PING"]
    words = []
    for _ in range(int(head[1:])):
        size = int(lines.readline()[1:])
        words.append(lines.read(size + 2)[:-2])
    return words


def _wait_until_loaded(client: redis.Redis, conn: socket.socket) -> None:
    """Wait until the server's replication link is up; ping, because a replica disconnects from a silent master."""
    give_up = time.monotonic() + 3600
    while time.monotonic() < give_up:
        try:
            conn.sendall(b"*1\r\n$4\r\nPING\r\n")
            state: dict[str, Any] = client.info("replication")
        except (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError):
            state = {}
        except OSError as error:
            raise RestoreFailed(f"Redis refused the snapshot; its own log says why ({error}).") from error
        if state.get("master_link_status") == "up":
            return
        time.sleep(0.2)
    raise RestoreFailed("Redis did not load the snapshot within an hour.")


def _wait_until_it_answers(client: redis.Redis) -> None:
    give_up = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            client.ping()
            return
        except (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError):
            if time.monotonic() > give_up:
                raise
            time.sleep(0.2)
