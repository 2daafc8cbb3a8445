"""Bringing a snapshot into an empty server: it is told to replicate from here, gets the file, and is its own again.

No file of the server's is touched, so it may run anywhere that can connect back. Source of the exchange:
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


class NotEmpty(Exception):
    """The server has keys, which a restore would replace."""


class RestoreFailed(Exception):
    """The server did not take the snapshot; the message says why."""


def restore(client: redis.Redis, snapshot: Path, port: int = 0) -> int:
    """Bring ``snapshot`` into the empty server of ``client``, which fetches it from ``port`` here; its keys then.

    :raises NotEmpty: the server has keys.
    :raises RestoreFailed: it cannot connect back, or does not load the file.
    """
    if _count_keys(client):
        raise NotEmpty("This Redis has keys; a back-up is restored into an empty one only, with no worker at it.")
    with _listen(port) as door, snapshot.open("rb") as file:
        host, port = _own_address(client), door.getsockname()[1]
        client.replicaof(host, port)
        try:
            wire = _admit(door, host, port)
            with wire:
                _answer_as_master(wire, file, snapshot.stat().st_size)
                _wait_until_loaded(client, wire)
        except OSError as error:
            raise RestoreFailed(f"The transfer broke off: {error}") from error
        finally:
            _wait_until_it_answers(client)
            client.replicaof("NO", "ONE")
    keys = _count_keys(client)
    if not keys:
        raise RestoreFailed("Redis took nothing from the snapshot; its own log says why.")
    return keys


def _count_keys(client: redis.Redis) -> int:
    keyspace: dict[str, Any] = client.info("keyspace")
    return sum(database["keys"] for database in keyspace.values())


def _listen(port: int) -> socket.socket:
    door = socket.create_server(("", port))
    door.settimeout(_WAIT_SECONDS)
    return door


def _own_address(client: redis.Redis) -> str:
    """This end of the connection to Redis: the address that Redis can reach it by."""
    connection: Any = client.connection_pool.get_connection()
    try:
        address: str = connection._sock.getsockname()[0]
        return address
    finally:
        client.connection_pool.release(connection)


def _admit(door: socket.socket, host: str, port: int) -> socket.socket:
    try:
        wire, _ = door.accept()
    except TimeoutError:
        raise RestoreFailed(f"Redis does not reach {host}:{port}: let it connect to where this runs.") from None
    wire.settimeout(_WAIT_SECONDS)
    return wire


def _answer_as_master(wire: socket.socket, file: Any, size: int) -> None:
    """The part of a master: yes to who it is, the whole file to what it asks for."""
    lines = wire.makefile("rb")
    for words in iter(lambda: _read_command(lines), None):
        if words[0].upper() in (b"PSYNC", b"SYNC"):
            break
        wire.sendall(b"+PONG\r\n" if words[0].upper() == b"PING" else b"+OK\r\n")
    else:
        raise RestoreFailed("Redis left before it asked for the snapshot.")
    if words[0].upper() == b"PSYNC":
        wire.sendall(f"+FULLRESYNC {secrets.token_hex(20)} 0\r\n".encode())
    wire.sendall(f"${size}\r\n".encode())
    while part := file.read(_PART_BYTES):
        wire.sendall(part)


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


def _wait_until_loaded(client: redis.Redis, wire: socket.socket) -> None:
    """Until the server says that its link is up; a master that fell silent would be left by it, so ping."""
    give_up = time.monotonic() + 3600
    while time.monotonic() < give_up:
        try:
            wire.sendall(b"*1\r\n$4\r\nPING\r\n")
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
