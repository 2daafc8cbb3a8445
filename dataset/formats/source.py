"""Input and output of a format's reader."""

from __future__ import annotations

from mmap import mmap
from typing import Final, NamedTuple

import polars as pl

from dataset.load_options import LoadOptions
from dataset.notes import Note
from dataset.spill import Spill

__all__ = ["Body", "Limits", "Read", "Source", "limits_of"]

_MIB: Final = 2**20
_MIN_VALUE_BYTES: Final = 2  # of text, with its delimiter

Body = bytes | mmap
"""A body in memory or a mapped file, whose pages the system can reclaim."""


class Limits(NamedTuple):
    """Limits on the table that a reader may build; `unpacked_bytes` is the uncompressed size of all values."""

    unpacked_bytes: int = 256 * _MIB
    columns: int = 10_000
    values: int = 200_000_000


def limits_of(unpacked_bytes: int) -> Limits:
    """Return the limits of a table of so many bytes."""
    return Limits(unpacked_bytes, values=max(Limits().values, unpacked_bytes // _MIN_VALUE_BYTES))


class Source(NamedTuple):
    """A body, its declared character set (a supported one, or None), the limits, and the client's options.

    `spill` takes the columns that are read, where they may be larger than memory.
    """

    body: Body
    charset: str | None
    limits: Limits
    options: LoadOptions = LoadOptions()
    spill: Spill | None = None


class Read(NamedTuple):
    """Columns of the types in `COLUMN_TYPES`, with normalized names, missing values null; and notes for the client.

    The types of text are inferred after this, except in the `final` columns.
    """

    frame: pl.DataFrame
    notes: tuple[Note, ...] = ()
    final: frozenset[str] = frozenset()
