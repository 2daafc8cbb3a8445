"""The input of a format's reader, and its output."""

from __future__ import annotations

from mmap import mmap
from typing import Final, NamedTuple

import polars as pl

__all__ = ["Body", "Limits", "Read", "Source"]

_MIB: Final = 2**20

Body = bytes | mmap
"""A body in memory, or a mapped file, whose pages the system can reclaim."""


class Limits(NamedTuple):
    """The most that a reader may build: `unpacked_bytes` is the size of all values written plainly."""

    unpacked_bytes: int = 256 * _MIB
    columns: int = 10_000
    values: int = 200_000_000


class Source(NamedTuple):
    """A body, the character set that its sender named (one that is read, or None), and the limits."""

    body: Body
    charset: str | None
    limits: Limits


class Read(NamedTuple):
    """Columns of the types in `recognition.COLUMN_TYPES`, named by `names.settle`, missing values null; and notes."""

    frame: pl.DataFrame
    notes: tuple[str, ...] = ()
