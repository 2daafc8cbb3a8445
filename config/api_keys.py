"""The file of the API keys: one ``name role sha256-of-key`` a line; comments begin with ``#``."""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from config.setting_values import InvalidSetting

__all__ = ["Key", "Role", "check_name", "digest_of", "read_keys"]

_MAX_NAME = 100
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Role(StrEnum):
    """What a key allows; each role allows what the ones before it do."""

    READ = "read"  #: Sees everything.
    SUBMIT = "submit"  #: Submits jobs; cancels, retries and deletes its own; writes the datasets that it made.
    ADMIN = "admin"  #: Everything.


class Key(NamedTuple):
    """An API key: its name and its role."""

    name: str
    role: Role


def digest_of(key: bytes) -> str:
    """Return the SHA-256 of a key as it is written in the file."""
    return hashlib.sha256(key).hexdigest()


def check_name(name: str) -> None:
    """Check the name of a key, which is the owner of jobs.

    :raises ValueError: it cannot be used.
    """
    if not name.isprintable() or not 1 <= len(name) <= _MAX_NAME or name != "".join(name.split()) or name[0] == "#":
        raise ValueError(f"a name of 1 to {_MAX_NAME} characters without blanks")


def read_keys(path: str) -> dict[str, Key]:
    """Read the file and return its keys by their digest.

    :raises InvalidSetting: it cannot be read, or a line is broken: the message names the line, without its content.
    """
    try:
        lines = Path(path).read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise InvalidSetting(f"API_KEYS_FILE={path!r}: cannot be read ({reason})") from error
    keys: dict[str, Key] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            digest, key = _parse_line(line)
            if digest in keys or any(key.name == other.name for other in keys.values()):
                raise ValueError("each name and each key once")
        except ValueError as error:
            raise InvalidSetting(f"API_KEYS_FILE={path!r}, line {number}: expected {error}") from None
        keys[digest] = key
    return keys


def _parse_line(line: str) -> tuple[str, Key]:
    words = line.split()
    if len(words) != 3:
        raise ValueError("`name role sha256-of-key`")
    name, role, digest = words[0], words[1], words[2].lower()
    check_name(name)
    if role not in list(Role):
        raise ValueError(f"the role to be one of {', '.join(Role)}")
    if not _DIGEST.fullmatch(digest):
        raise ValueError("the SHA-256 of the key as 64 hexadecimal digits")
    return digest, Key(name, Role(role))
