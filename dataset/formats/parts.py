"""Type inference for columns that arrive in parts, so that the text of a whole column is never in memory.

The types of the parts are merged; a column whose parts have incompatible types is text, and is read again.
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
_THREADS: Final = 2  # converting a column takes several times its memory

_BIG_INTEGER: Final = "wide"  # integers, some beyond 64 bits: text, unless another part has fractions
_NUMERIC: Final = frozenset(("integer", _BIG_INTEGER, "number"))
_TEXTUAL: Final = frozenset(("text", "slashes"))  # parts stored as text

Parts = Callable[[Sequence[int]], Iterable[Sequence[pl.Series]]]
"""From the positions of columns to an iterable of parts, each with the texts of these columns."""


def read_typed(names: Sequence[str], parts: Parts) -> pl.DataFrame:
    """Return the typed columns. `parts` is called for all columns, then again for those that turn out to be text."""
    columns = [_Column(name) for name in names]
    positions: Sequence[int] = range(len(names))
    with ThreadPoolExecutor(_THREADS) as threads:
        while positions:
            for texts in parts(positions):
                list(threads.map(lambda number, part: columns[number].add(part), positions, texts))
            positions = [number for number in positions if columns[number].needs_reread()]
            for number in positions:
                columns[number] = _Column(names[number], kinds=("text",))
    return pl.DataFrame([column.to_series() for column in columns])


class _Column:
    """The typed parts of a column so far, and their types."""

    def __init__(self, name: str, kinds: Iterable[str] = ()) -> None:
        self._name = name
        self._parts: list[pl.Series] = []
        self._kinds = set(kinds)

    def add(self, texts: pl.Series) -> None:
        """Infer the type of the next part and add it; text is stored unchanged."""
        if self._is_inconsistent():
            self._parts.clear()
            return
        stripped = texts.str.strip_chars(" \t")
        missing = stripped.is_in(MISSING)
        if missing.all():
            self._parts.append(pl.repeat(None, len(texts), dtype=pl.Null, eager=True))
            return
        kind, typed = ("text", None) if "text" in self._kinds else _infer(stripped.set(missing, None))
        self._kinds.add(kind)
        self._parts.append(texts.set(missing, None) if typed is None else typed)

    def needs_reread(self) -> bool:
        """Return whether the column is text but some of its parts were converted."""
        if self._kinds and self._kinds <= _NUMERIC and self._kinds != {"integer"}:
            # A column of numbers needs at least one finite number and one fraction.
            return "number" not in self._kinds or all(part.null_count() == len(part) for part in self._parts)
        return self._is_inconsistent()

    def to_series(self) -> pl.Series:
        """Return the whole column."""
        dtype = (
            pl.Float64
            if "number" in self._kinds
            else next((part.dtype for part in self._parts if part.dtype != pl.Null), pl.String)
        )
        whole = pl.concat([pl.Series([], dtype=dtype), *(part.cast(dtype) for part in self._parts)])
        self._parts.clear()
        converted = infer_epoch(self._name, whole)
        if self._kinds == {"slashes"}:
            # Stripped only if necessary: it would copy the text of the whole column.
            is_padded = whole.str.contains(r"^[ \t]|[ \t]$").any()
            converted = infer_slash_dates(whole.str.strip_chars(" \t") if is_padded else whole)
        return (whole if converted is None else converted).alias(self._name)

    def _is_inconsistent(self) -> bool:
        return len(self._kinds) > 1 and not self._kinds <= _NUMERIC and not self._kinds <= _TEXTUAL


def _infer(stripped: pl.Series) -> tuple[str, pl.Series | None]:
    """Return the type of a part, and its values unless they stay text."""
    typed = infer_numeric(stripped)
    typed = infer_temporal(stripped) if typed is None else typed
    if typed is not None:
        return column_type(typed), typed
    if are_slash_dates(stripped):
        return "slashes", None
    if not are_integers(stripped):
        return "text", None
    floats = stripped.cast(pl.Float64)
    return ("text", None) if floats.is_infinite().any() else (_BIG_INTEGER, floats)
