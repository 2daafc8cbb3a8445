"""Apache Parquet: columns with types of their own."""

from __future__ import annotations

from typing import Final, cast

import polars as pl

from dataset.errors import Malformed
from dataset.formats.source import Read, Source
from dataset.formats.typed_columns import read_scan

__all__ = ["MEDIA_TYPES", "OPTIONS", "read", "sniff"]

MEDIA_TYPES: Final = ("application/vnd.apache.parquet",)
OPTIONS: Final[tuple[str, ...]] = ()

_MAGIC: Final = b"PAR1"


def sniff(head: bytes) -> bool:
    """Return whether the body starts with the magic number."""
    return head.startswith(_MAGIC)


def read(source: Source) -> Read:
    """Read the columns. Raises Malformed, InvalidDataset or TooLarge."""
    try:
        return read_scan(pl.scan_parquet(cast(bytes, source.body)), source)  # polars accepts a mapped file
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise Malformed(f"The body is not a complete Parquet file: {str(error)[:200]}.") from error
