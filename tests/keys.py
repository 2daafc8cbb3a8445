"""A file of API keys for tests."""

from __future__ import annotations

import hashlib
from pathlib import Path

__all__ = ["bearer", "line_of", "write_keys"]


def line_of(name: str, role: str, key: str | None = None) -> str:
    """The line of a key; the key is its name where there is none."""
    return f"{name} {role} {hashlib.sha256((key or name).encode()).hexdigest()}\n"


def write_keys(file: Path, *lines: str) -> Path:
    file.write_text("# keys of a test\n\n" + "".join(lines))
    return file


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
