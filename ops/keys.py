"""Makes API keys: ``python -m ops.keys NAME ROLE``, and ``python -m ops.keys --first FILE`` for a new service.

The file of the keys is ``API_KEYS_FILE``; it has only their hashes. A running API reads it again by itself.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.api_keys import Role, check_name, digest_of, read_keys
from config.settings import InvalidSetting
from ops.password import ensure_password

__all__ = ["add_key", "ensure_first_key", "main"]

_USAGE = f"usage: make key NAME=ann ROLE=submit, or python -m ops.keys NAME ({' | '.join(Role)}) | --first FILE"
_NO_FILE = "API_KEYS_FILE is not set: name the file of the keys here and for the API, as in API_KEYS_FILE=./api-keys."
_FIRST = "admin"


def add_key(file: Path, name: str, role: Role) -> str:
    """Add a new key to the file, which is replaced at once, and return the key, which is stored nowhere.

    :raises InvalidSetting: the file is broken.
    :raises ValueError: the name cannot be used, or has a key already.
    :raises OSError: the file cannot be written.
    """
    check_name(name)
    with _locked(file.parent):
        if file.exists() and any(key.name == name for key in read_keys(str(file)).values()):
            raise ValueError(f"another name: {name} has a key; remove its line first")
        key = secrets.token_urlsafe(32)
        _append(file, name, role, key)
    return key


def ensure_first_key(file: Path, shown: Path) -> None:
    """Make a key of the role `admin`, unless the file of the keys exists; the file ``shown`` has the key itself.

    :raises OSError: one of the files cannot be written.
    """
    with _locked(file.parent):
        if not file.exists():
            ensure_password(shown, 0o400)
            _append(file, _FIRST, Role.ADMIN, shown.read_text("utf-8").strip())


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep two commands from replacing each other's file."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _append(file: Path, name: str, role: Role, key: str) -> None:
    before = file.read_text("utf-8") if file.exists() else ""
    before += "" if before.endswith("\n") or not before else "\n"
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as made:
        made.write(f"{before}{name} {role} {digest_of(key.encode())}\n")
        made.flush()
        os.fsync(made.fileno())
    partial.rename(file)


def main(arguments: list[str]) -> int:
    """Print a new key; return 1 if it cannot be made, 2 for wrong arguments."""
    path = os.environ.get("API_KEYS_FILE", "").strip()
    if not path:
        print(_NO_FILE, file=sys.stderr)
        return 2
    file = Path(path).resolve()
    try:
        match arguments:
            case ["--first", shown]:
                ensure_first_key(file, Path(shown))
            case [name, role] if role in list(Role):
                print(add_key(file, name, Role(role)))
            case _:
                print(_USAGE, file=sys.stderr)
                return 2
    except InvalidSetting as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"{error.filename or path}: {error.strerror}", file=sys.stderr)
    except ValueError as error:
        print(f"NAME: expected {error}.", file=sys.stderr)
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
