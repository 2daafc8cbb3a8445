"""Saves a snapshot: the data that a new replica receives, written to a file.

Redis forks to create it, so it is consistent and blocks no client. Source:
https://redis.io/docs/latest/operate/oss_and_stack/management/replication/
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import redis
from redis.exceptions import ConnectionError, TimeoutError

__all__ = ["BackupFailed", "newest", "prune", "save"]

_PART_BYTES = 2**20
_SILENCE_SECONDS = 60  # Redis sends a newline each second while it forks and writes
_MAGIC = (b"REDIS", b"VALKEY")
_NAME = "jobs-%Y%m%dT%H%M%SZ.rdb"


class BackupFailed(Exception):
    """The back-up failed; the message gives the reason."""


def save(client: redis.Redis, folder: Path) -> Path:
    """Write a snapshot of all databases to a new file in ``folder``; an incomplete file is removed.

    :raises BackupFailed: the server refuses or disconnects, or the folder cannot be written.
    """
    target = folder / time.strftime(_NAME, time.gmtime())
    partial = target.with_suffix(".partial")
    connection: Any = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        connection = client.connection_pool.get_connection()
        with partial.open("wb") as file:
            _fetch(connection, file)
            os.fsync(file.fileno())
        partial.rename(target)
        _sync(folder)
    except (OSError, ConnectionError, TimeoutError) as error:
        raise BackupFailed(f"No back-up was made: {error}") from error
    finally:
        if connection is not None:
            # What follows a snapshot is the stream of changes, which nobody reads here.
            connection.disconnect()
            client.connection_pool.release(connection)
        partial.unlink(missing_ok=True)
    return target


def newest(folder: Path) -> Path | None:
    """Return the newest back-up in a folder, or None."""
    return max(folder.glob("jobs-*.rdb"), default=None)


def prune(folder: Path, keep: int) -> list[Path]:
    """Remove all back-ups but the ``keep`` newest, and return the removed ones."""
    gone = sorted(folder.glob("jobs-*.rdb"), reverse=True)[keep:]
    for path in gone:
        path.unlink(missing_ok=True)
    return gone


def _fetch(connection: Any, file: Any) -> None:
    connection.send_command("SYNC")
    conn = connection._sock
    conn.settimeout(_SILENCE_SECONDS)
    size = _read_size(conn)
    start = b""
    while size:
        part = conn.recv(min(size, _PART_BYTES))
        if not part:
            raise ConnectionError("Redis closed the connection within the snapshot")
        if not start:
            start = part
        file.write(part)
        size -= len(part)
    if not start.startswith(_MAGIC):
        raise ConnectionError("the data from Redis is not a snapshot")


def _read_size(conn: Any) -> int:
    line = b""
    while not line.endswith(b"\n") or not line.strip():
        byte = conn.recv(1)
        if not byte:
            raise ConnectionError("Redis closed the connection before the snapshot")
        line += byte
    answer = line.strip()
    if not answer.startswith(b"$") or not answer[1:].isdigit():
        raise ConnectionError(f"Redis refuses a snapshot: {answer.decode('utf-8', 'replace')}")
    return int(answer[1:])


def _sync(folder: Path) -> None:
    """Sync the folder, so that the new name survives a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
