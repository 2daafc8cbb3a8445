"""Readings: ways to read texts as values of another type, each tried on a whole column."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import polars as pl

from dataset.notes import Note

__all__ = ["Reading", "Typed", "always", "in_slices"]

_SLICE_ROWS: Final = 2**17
_compile = lru_cache(512)(re.compile)  # on first use: most files need none of the patterns


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a column.

    Only texts that match `pattern` are read, a regular expression that Python and polars understand alike; `convert`
    returns null for the others, and for those that have no value, such as 30 February. `detail` completes the sentence
    "Read as ...". `option` is the query option that chooses the reading among several that fit. Texts for which
    `doubt` is true are often something else: they are read only if the client chose this reading. Of two readings that
    fit, a `certain` one is taken. A reading of a column without a match of `needs` would be another reading.
    `decimal` and `thousands` are the separators of numbers.
    """

    kind: str
    detail: str
    pattern: str
    convert: Callable[[pl.Series], pl.Series]
    option: str = ""
    doubt: Callable[[pl.Series], bool] | None = None
    certain: bool = False
    needs: str = ""
    decimal: str = ""
    thousands: str = ""

    @property
    def matches(self) -> Callable[[str], object]:
        """The function that returns whether a text matches the pattern."""
        return _compile(self.pattern).search


class Typed(NamedTuple):
    """A column, the notes on how it was read, and the reading unless its values are plain."""

    column: pl.Series
    notes: list[Note]
    reading: Reading | None = None


def always(texts: pl.Series) -> bool:
    """Return True: the doubt about a reading that is never taken by itself."""
    return True


def in_slices(texts: pl.Series, convert: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """Convert a column slice by slice, to limit the memory of intermediate results."""
    return pl.concat([convert(texts.slice(first, _SLICE_ROWS)) for first in range(0, max(1, len(texts)), _SLICE_ROWS)])
