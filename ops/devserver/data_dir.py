"""The data folder: locked by one development server at a time, inaccessible to other users of the machine."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from typing import IO

from ops.password import ensure_password

__all__ = ["DataDirError", "make_private", "open_locked", "read_password", "redis_conf", "write_lock"]

_PRIVATE_FOLDER, _PRIVATE_FILE = 0o700, 0o600
_OWN_FOLDERS = ("logs", "appendonlydir")
_OWN_FILES = ("lock", "redis-password", "redis.conf", "*.rdb", "*.aof")


class DataDirError(Exception):
    """The folder cannot be used; the message explains why and what to do."""


def make_private(folder: Path) -> None:
    """Create the folder and its ``logs`` if needed, and remove the access of other users.

    :raises DataDirError: for a folder that all users share, such as ``/tmp``.
    :raises OSError: if it cannot be created or does not belong to this user.
    """
    (folder / "logs").mkdir(_PRIVATE_FOLDER, parents=True, exist_ok=True)
    if folder.stat().st_mode & stat.S_ISVTX or folder == Path(folder.anchor):
        raise DataDirError(f"DATA_DIR={folder} is a folder that all users share: name one of its own within it.")
    own = [path for name in _OWN_FOLDERS for path in (folder / name, *(folder / name).glob("*"))]
    for path in (folder, *own, *(path for pattern in _OWN_FILES for path in folder.glob(pattern))):
        mode = _PRIVATE_FOLDER if path.is_dir() else _PRIVATE_FILE
        if path.exists() and not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) != mode:
            path.chmod(mode)


def open_locked(folder: Path) -> IO[str]:
    """Lock the folder and return the lock file; the lock ends when all processes that inherited it have closed it.

    :raises DataDirError: if another process holds the lock.
    :raises OSError: if it cannot be written.
    """
    lock = os.fdopen(os.open(folder / "lock", os.O_RDWR | os.O_APPEND | os.O_CREAT, _PRIVATE_FILE), "a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        pid = lock.read().strip() or "unknown"
        lock.close()
        raise DataDirError(
            f"Another stack uses DATA_DIR={folder}: stop it (its process is {pid}), or set DATA_DIR to another folder."
        ) from None
    write_lock(lock, os.getpid())
    return lock


def write_lock(lock: IO[str], pid: int) -> None:
    """Write the id of this process into the lock file."""
    lock.truncate(0)
    lock.write(str(pid))
    lock.flush()


def read_password(file: Path) -> str:
    """Return the password in ``file``, which is created if needed.

    :raises DataDirError: if the file is empty.
    :raises OSError: if it cannot be read or created.
    """
    ensure_password(file, _PRIVATE_FILE)
    password = file.read_text("utf-8").strip()
    if not password:
        raise DataDirError(f"{file} is empty: write a password into it, or remove it to have one made.")
    return password


def redis_conf(folder: Path, port: int, password: str, databases: int, max_memory: int) -> Path:
    """Write the configuration of the Redis server and return its path. Raises OSError.

    It contains the password, because every user of the machine can see the arguments of a process.
    """
    path = folder / "redis.conf"
    lines = [
        "bind 127.0.0.1",
        f"port {port}",
        f"dir {_quoted(str(folder))}",
        f"requirepass {_quoted(password)}",
        f"databases {databases}",
        f"maxmemory {max_memory}",
        "maxmemory-policy noeviction",
        "appendonly yes",
        "appendfsync everysec",
        'save ""',
    ]
    path.unlink(missing_ok=True)  # of any mode
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE), "w") as conf:
        conf.write("\n".join(lines) + "\n")
    return path


def _quoted(text: str) -> str:
    """Quote a text for Redis' configuration: all bytes but letters and digits as hexadecimal escapes."""
    escaped = "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"\\x{byte:02x}" for byte in text.encode())
    return f'"{escaped}"'
