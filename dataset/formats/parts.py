"""Columns of text that arrive in parts, each typed at once, so that the text of the whole is never held.

A column has the type that all of its parts have. Where they disagree it is text, and is read once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import polars as pl

from dataset.date_formats import are_slash_dates, infer_epoch, infer_slash_dates
from dataset.type_inference import are_integers, column_type, infer_numeric, infer_temporal

__all__ = ["MISSING", "read_typed"]

MISSING: Final = ("", "NA", "null", "NaN")
_THREADS: Final = 2  # columns: each takes several times its size meanwhile

_BIG_INTEGER: Final = "wide"  # integers, some of them beyond 64 bits: text, unless another part has fractions
_NUMERIC: Final = frozenset(("integer", _BIG_INTEGER, "number"))
_TEXTUAL: Final = frozenset(("text", "slashes"))  # parts that are held as text

Parts = Callable[[Sequence[int]], Iterable[Sequence[pl.Series]]]
"""From the positions of columns to their texts, part by part."""


def read_typed(names: Sequence[str], parts: Parts) -> pl.DataFrame:
    """Answer the columns, typed. `parts` is asked for all of them, and then for those that turn out to be text."""
    columns = [_Column(name) for name in names]
    wanted: Sequence[int] = range(len(names))
    with ThreadPoolExecutor(_THREADS) as threads:
        while wanted:
            for texts in parts(wanted):
                list(threads.map(lambda number, part: columns[number].add(part), wanted, texts))
            wanted = [number for number in wanted if columns[number].needs_reread()]
            for number in wanted:
                columns[number] = _Column(names[number], kinds=("text",))
    return pl.DataFrame([column.to_series() for column in columns])


class _Column:
    """The parts of a column so far, and what they hold."""

    def __init__(self, name: str, kinds: Iterable[str] = ()) -> None:
        self._name = name
        self._parts: list[pl.Series] = []
        self._kinds = set(kinds)

    def add(self, texts: pl.Series) -> None:
        """Type the next part; where it is nothing else it stays text, to the letter."""
        if self._is_inconsistent():
            self._parts.clear()
            return
        trimmed = texts.str.strip_chars(" \t")
        missing = trimmed.is_in(MISSING)
        if missing.all():
            self._parts.append(pl.repeat(None, len(texts), dtype=pl.Null, eager=True))
            return
        kind, typed = ("text", None) if "text" in self._kinds else _infer(trimmed.set(missing, None))
        self._kinds.add(kind)
        self._parts.append(texts.set(missing, None) if typed is None else typed)

    def needs_reread(self) -> bool:
        """Answer whether it is text after all, and some of it is gone."""
        if self._kinds and self._kinds <= _NUMERIC and self._kinds != {"integer"}:
            # Without a number that is finite or has a fraction somewhere it is no column of numbers.
            return "number" not in self._kinds or all(part.null_count() == len(part) for part in self._parts)
        return self._is_inconsistent()

    def to_series(self) -> pl.Series:
        """Answer the whole."""
        dtype = (
            pl.Float64
            if "number" in self._kinds
            else next((part.dtype for part in self._parts if part.dtype != pl.Null), pl.String)
        )
        whole = pl.concat([pl.Series([], dtype=dtype), *(part.cast(dtype) for part in self._parts)])
        self._parts.clear()
        instants = infer_epoch(self._name, whole)
        if self._kinds == {"slashes"}:
            # Trimmed only where it changes something: the text of the whole is held already.
            blanks = whole.str.contains(r"^[ \t]|[ \t]$").any()
            instants = infer_slash_dates(whole.str.strip_chars(" \t") if blanks else whole)
        return (whole if instants is None else instants).alias(self._name)

    def _is_inconsistent(self) -> bool:
        return len(self._kinds) > 1 and not self._kinds <= _NUMERIC and not self._kinds <= _TEXTUAL


def _infer(trimmed: pl.Series) -> tuple[str, pl.Series | None]:
    """Answer what a part holds, and its values unless it is to be kept as text."""
    typed = infer_numeric(trimmed)
    typed = infer_temporal(trimmed) if typed is None else typed
    if typed is not None:
        return column_type(typed), typed
    if are_slash_dates(trimmed):
        return "slashes", None
    if not are_integers(trimmed):
        return "text", None
    floats = trimmed.cast(pl.Float64)
    return ("text", None) if floats.is_infinite().any() else (_BIG_INTEGER, floats)
