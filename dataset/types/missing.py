"""Markers of missing values in text."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import polars as pl

from dataset.errors import quoted
from dataset.load_options import LoadOptions
from dataset.notes import Note

__all__ = ["blank_texts", "missing_notes", "missing_texts", "noted_markers"]

_MARKERS: Final = (
    "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "#N/A", "-", "--", "?", ".", "***",
)  # fmt: skip
_UNNOTED: Final = ("", "NA", "NaN", "null")  # as R, pandas and JSON write them
_MAX_SHOWN: Final = 5


def blank_texts(options: LoadOptions) -> tuple[str, ...]:
    """Return the texts that are a missing value in every column: the empty one, and those that the client named."""
    return ("", *(options.missing or ()))


def missing_texts(options: LoadOptions) -> tuple[str, ...]:
    """Return the texts that are a missing value in columns of other types than text; `?missing=` adds to them.

    With an empty `?missing=` only the empty text is.
    """
    return blank_texts(options) if options.missing == ("",) else (*blank_texts(options), *_MARKERS)


def noted_markers(stripped: pl.Series, missing: pl.Series) -> pl.Series:
    """Return the texts that were read as missing and that a note should mention."""
    return stripped.filter(missing & ~stripped.is_in(_UNNOTED)).drop_nulls()


def missing_notes(column: str, markers: Collection[str], rows: int) -> list[Note]:
    """Return the note that texts were read as missing values, if there are any."""
    shown = ", ".join(map(quoted, sorted(markers)[:_MAX_SHOWN]))
    return [Note(f"Read as missing values: {shown}.", column, min(markers), rows)] if markers else []
