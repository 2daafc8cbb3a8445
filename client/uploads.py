"""The body of an upload: what it is read from, and its media type."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

__all__ = ["Source", "open_source"]

Source = str | os.PathLike[str] | bytes | BinaryIO | Sequence[dict[str, Any]]
"""A path (``-`` is standard input), the content itself, an open binary file, or records."""

_ANY = "application/octet-stream"  # the API looks at the content
_MEDIA_TYPES = {
    ".arrow": "application/vnd.apache.arrow.file",
    ".csv": "text/csv",
    ".feather": "application/vnd.apache.arrow.file",
    ".geojson": "application/geo+json",
    ".gz": "application/gzip",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".ndjson": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".tab": "text/tab-separated-values",
    ".tsv": "text/tab-separated-values",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".zip": "application/zip",
}
_IN_MEMORY = 16 * 2**20


@contextmanager
def open_source(source: Source, media_type: str | None = None) -> Iterator[tuple[bytes | BinaryIO, str]]:
    """Yield the content, which can be sent more than once, and ``media_type`` or the one that the name suggests.

    :raises OSError: the file cannot be read.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        yield bytes(source), media_type or _ANY
    elif isinstance(source, Sequence) and not isinstance(source, str):
        yield json.dumps(source).encode(), media_type or "application/json"
    elif source == "-":
        with _repeatable(sys.stdin.buffer) as file:
            yield file, media_type or _ANY
    elif isinstance(source, str | os.PathLike):
        with open(source, "rb") as file, _repeatable(file) as content:
            yield content, media_type or _guessed(source)
    else:
        with _repeatable(source) as file:
            yield file, media_type or _guessed(getattr(source, "name", ""))


@contextmanager
def _repeatable(file: BinaryIO) -> Iterator[BinaryIO]:
    """Yield a file that can be rewound to its start: a copy of a pipe, and of one that was read from before."""
    if file.seekable() and file.tell() == 0:
        yield file
        return
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as copy:
        shutil.copyfileobj(file, copy)
        yield copy  # type: ignore[misc]  # its class lacks only attributes that are never used


def _guessed(name: object) -> str:
    is_name = isinstance(name, str | os.PathLike)  # an open descriptor's name is a number
    return _MEDIA_TYPES.get(Path(name).suffix.lower(), _ANY) if is_name else _ANY  # type: ignore[arg-type]
