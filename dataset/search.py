"""Text found in any value of a row, as `GET /data` prints it, upper and lower case alike."""

from __future__ import annotations

from threading import Lock
from typing import Final

import polars as pl

from .printing import as_texts
from .recognition import TIME

__all__ = ["SearchIndex"]

_BORDER: Final = "\0"
_SIGMA: Final = "\N{GREEK SMALL LETTER SIGMA}"
_FINAL_SIGMA: Final = "\N{GREEK SMALL LETTER FINAL SIGMA}"

# What the folded text of a type is made of: a search for anything else need not look there.
_ALPHABETS: Final[dict[pl.DataType | type[pl.DataType], frozenset[str]]] = {
    pl.Int64: frozenset("-0123456789"),
    pl.Float64: frozenset("-+.e0123456789"),
    pl.Boolean: frozenset("truefals"),
    pl.Date: frozenset("-0123456789"),
    TIME: frozenset("-:.tz0123456789"),
}


class SearchIndex:
    """For each row one text of all its values, with borders that no search crosses; built once, when first needed.

    Columns of text and all others are kept apart, since most searches are for words and need the former alone. Safe to
    share between threads.
    """

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame
        self._columns: dict[bool, list[str]] = {True: [], False: []}
        for column in frame:
            self._columns[column.dtype == pl.String].append(column.name)
        self._lines: dict[bool, pl.Series] = {}
        self._building = {True: Lock(), False: Lock()}

    def build(self) -> None:
        """Build what a search would otherwise wait for, what most need first."""
        for textual, names in self._columns.items():
            if names:
                self._line(textual)

    def matches(self, search: str) -> pl.Series:
        """Answer for each row whether a value contains the text."""
        nowhere = pl.repeat(value=False, n=self._frame.height, dtype=pl.Boolean, eager=True)
        try:
            needle = _fold(pl.Series([search])).item()
        except UnicodeEncodeError:  # half of a surrogate pair is in no text
            return nowhere
        if _BORDER in needle:
            texts = self._frame.select(pl.col(pl.String))
            hits = texts.select(_fold(column).str.contains(needle, literal=True) for column in texts)
            return (
                hits.select(pl.any_horizontal(pl.all()).fill_null(value=False)).to_series() if hits.width else nowhere
            )
        found = nowhere
        for textual in (True, False):
            if self._may_hold(needle, textual):
                found = found | self._line(textual).str.contains(needle, literal=True)
        return found

    def _may_hold(self, needle: str, textual: bool) -> bool:
        schema = self._frame.schema
        return any(textual or set(needle) <= _ALPHABETS[schema[name]] for name in self._columns[textual])

    def _line(self, textual: bool) -> pl.Series:
        with self._building[textual]:
            if textual not in self._lines:
                texts = self._frame.select(as_texts(self._frame[name]) for name in self._columns[textual])
                self._lines[textual] = _fold(
                    texts.select(pl.concat_str(pl.all(), separator=_BORDER, ignore_nulls=True)).to_series()
                )
            return self._lines[textual]


def _fold(texts: pl.Series) -> pl.Series:
    # A sigma in lower case depends on where it stands in its word, so a part of a word would not be found.
    return texts.str.to_lowercase().str.replace_all(_FINAL_SIGMA, _SIGMA, literal=True)
