"""Markers of missing values in text."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from dataset.errors import quoted
from dataset.load_options import LoadOptions
from dataset.notes import Note

__all__ = ["blank_texts", "missing_note", "missing_texts"]

_MARKERS: Final = (
    "NA", "N/A", "n/a", "NaN", "null", "NULL", "None", "#N/A", "-", "--", "?", ".", "***",
)  # fmt: skip
_MAX_SHOWN: Final = 5


def blank_texts(options: LoadOptions) -> tuple[str, ...]:
    """Return the texts that are a missing value in every column: the empty one, and those that the client named."""
    return ("", *(options.missing or ()))


def missing_texts(options: LoadOptions) -> tuple[str, ...]:
    """Return the texts that are a missing value in columns of other types than text; `?missing=` adds to them.

    With an empty `?missing=` only the empty text is.
    """
    return blank_texts(options) if options.missing == ("",) else (*blank_texts(options), *_MARKERS)


def missing_note(column: str, markers: Collection[str], rows: int) -> Note:
    """Return the note that texts were read as missing values."""
    shown = ", ".join(map(quoted, sorted(markers)[:_MAX_SHOWN]))
    return Note(f"Read as missing values: {shown}.", column, min(markers), rows)
