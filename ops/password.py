"""Creates a password unless there is one: ``python -m ops.password FILE``.

It is written once, readable for all who can read the folder, and never printed.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

__all__ = ["ensure_password", "main"]


def ensure_password(file: Path, mode: int) -> None:
    """Write a random password into ``file`` with this mode, unless the file exists. Raises OSError."""
    if file.exists():
        return
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as made:
        made.write(secrets.token_urlsafe(32))
    partial.chmod(mode)
    partial.rename(file)


def main(arguments: list[str]) -> int:
    """Return 0 if the file has a password, 1 if it is empty or cannot be written."""
    if len(arguments) != 1:
        print("usage: python -m ops.password FILE", file=sys.stderr)
        return 2
    file = Path(arguments[0])
    try:
        ensure_password(file, 0o444)
        empty = not file.read_text("utf-8").strip()
    except OSError as error:
        print(f"{file}: {error.strerror}", file=sys.stderr)
        return 1
    if empty:
        print(f"{file} is empty: write a password into it, or remove it to have one made.", file=sys.stderr)
    return int(empty)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
