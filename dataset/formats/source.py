"""What a format's reader is given, and what it answers."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

__all__ = ["Read", "Source"]


class Source(NamedTuple):
    """A body, the character set that its sender named (one that is read, or None), and what it may unpack to."""

    body: bytes
    charset: str | None
    most_bytes: int


class Read(NamedTuple):
    """Columns of the types in `recognition.KINDS`, named by `names.settle`, missing values null; and what to tell."""

    frame: pl.DataFrame
    notes: tuple[str, ...] = ()
