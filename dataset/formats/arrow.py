"""Apache Arrow IPC, as a file (Feather, version 2) or a stream: columns with types of their own."""

from __future__ import annotations

import io
from typing import Final, cast

import polars as pl

from dataset.errors import Malformed
from dataset.formats.source import Read, Source
from dataset.formats.typed_columns import read_scan

__all__ = ["MEDIA_TYPES", "OPTIONS", "read", "sniff"]

MEDIA_TYPES: Final = ("application/vnd.apache.arrow.file", "application/vnd.apache.arrow.stream")
OPTIONS: Final[tuple[str, ...]] = ()

_FILE_MAGIC: Final = b"ARROW1"
_STREAM_START: Final = b"\xff\xff\xff\xff"  # before the length of the schema


def sniff(head: bytes) -> bool:
    """Return whether the body starts as a file or a stream does."""
    return head.startswith((_FILE_MAGIC, _STREAM_START))


def read(source: Source) -> Read:
    """Read the columns. Raises Malformed, InvalidDataset or TooLarge."""
    try:
        if source.body[: len(_FILE_MAGIC)] == _FILE_MAGIC:
            scan = pl.scan_ipc(cast(bytes, source.body))  # polars accepts a mapped file
        else:
            scan = pl.read_ipc_stream(io.BytesIO(source.body)).lazy()
        return read_scan(scan, source)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise Malformed(f"The body is not a complete Arrow file or stream: {str(error)[:200]}.") from error
