"""Type inference for columns that arrive in parts, so that the text of a whole column is never in memory.

The types of the parts are merged; a column whose parts have incompatible types is text, and is read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import polars as pl

from dataset.formats.source import Read
from dataset.load_options import LoadOptions
from dataset.notes import Note
from dataset.spill import Spill
from dataset.types.missing import missing_notes, missing_texts, noted_markers
from dataset.types.number_formats import MAYBE_THOUSANDS
from dataset.types.text_types import infer_plain
from dataset.types.type_inference import all_match, are_exact, are_undecided, column_type, null_inexact, null_non_finite

__all__ = ["read_typed"]

_THREADS: Final = 2  # converting a column takes several times its memory

_UNDECIDED: Final = "undecided"  # integers like 1e5: text, unless another part has fractions
_NUMERIC: Final = frozenset(("integer", _UNDECIDED, "number"))

Parts = Callable[[Sequence[int]], Iterable[Sequence[pl.Series]]]
"""From the positions of columns to an iterable of parts, each with the texts of these columns."""


def read_typed(names: Sequence[str], parts: Parts, options: LoadOptions, spill: Spill | None = None) -> Read:
    """Return the columns with the types of plain values; a column that the client gave a type, or of others, is text.

    `parts` is called for all columns, then again for those that turn out to be text. Each part is moved to `spill`.
    """
    columns = [_Column(name, options, is_text=name in options.types) for name in names]
    positions: Sequence[int] = range(len(names))
    with ThreadPoolExecutor(_THREADS) as threads:
        while positions:
            for texts in parts(positions):
                list(threads.map(lambda number, part: columns[number].add(part), positions, texts))
                if spill is not None:
                    _spill([columns[number] for number in positions], spill)
            positions = [number for number in positions if columns[number].needs_reread()]
            for number in positions:
                columns[number] = _Column(names[number], options, is_text=True)
    whole = [column.to_series() if spill is None else column.to_spilled(spill) for column in columns]
    return Read(pl.DataFrame(whole), tuple(note for column in columns for note in column.notes()))


def _spill(columns: Sequence[_Column], spill: Spill) -> None:
    """Move the last part of each column out of memory, all into one file."""
    filled = [column for column in columns if column.parts]
    frame = spill.frame(pl.DataFrame([column.parts[-1].alias(str(at)) for at, column in enumerate(filled)]))
    for column, part in zip(filled, frame, strict=True):
        column.parts[-1] = part


class _Column:
    """The typed parts of a column so far, and their types."""

    def __init__(self, name: str, options: LoadOptions, *, is_text: bool) -> None:
        self._name = name
        self._options = options
        self.parts: list[pl.Series] = []
        self._kinds = {"text"} if is_text else set()
        self._missing = missing_texts(options)
        self._markers: set[str] = set()
        self._marked = 0
        self._has_lost_texts = False

    def add(self, texts: pl.Series) -> None:
        """Infer the type of the next part and add it; text is stored unchanged."""
        if self._is_inconsistent():
            self.parts.clear()
            return
        stripped = texts.str.strip_chars(" \t")
        if "text" in self._kinds:
            self.parts.append(texts.set(stripped == "", None))
            return
        missing = stripped.is_in(self._missing)
        if missing.all():
            self._count(noted_markers(stripped, missing))
            self._has_lost_texts |= not (stripped == "").all()
            self.parts.append(pl.repeat(None, len(texts), dtype=pl.Null, eager=True))
            return
        kind, typed = _infer(self._name, stripped.set(missing, None), self._options)
        self._kinds.add(kind)
        if typed is None:
            self.parts.append(texts.set(stripped == "", None))
        else:
            self.parts.append(typed)
            if typed.null_count() > (stripped == "").sum():  # markers and infinities
                self._count(noted_markers(stripped, typed.is_null()))

    def _count(self, marked: pl.Series) -> None:
        self._markers.update(marked.unique())
        self._marked += len(marked)

    def needs_reread(self) -> bool:
        """Return whether the column is text but some of its parts were converted, or markers in it taken as missing."""
        if self._kinds and self._kinds <= _NUMERIC and self._kinds != {"integer"}:
            # A column of numbers needs at least one finite number and one fraction.
            if "number" not in self._kinds or all(part.null_count() == len(part) for part in self.parts):
                return True
            integers = (part.drop_nulls() for part in self.parts if part.dtype == pl.Int64)
            return not all(are_exact(part).all() for part in integers)
        if self._kinds <= {"text"}:
            return self._has_lost_texts
        return self._is_inconsistent()

    def to_series(self) -> pl.Series:
        """Return the whole column."""
        dtype = (
            pl.Float64
            if "number" in self._kinds
            else next((part.dtype for part in self.parts if part.dtype != pl.Null), pl.String)
        )
        whole = pl.concat([pl.Series([], dtype=dtype), *(part.cast(dtype) for part in self.parts)])
        self.parts.clear()
        return whole.alias(self._name)

    def to_spilled(self, spill: Spill) -> pl.Series:
        """Return the whole column, out of memory."""
        is_mapped = len({part.dtype for part in self.parts}) <= 1
        return self.to_series() if is_mapped else spill.column(self.to_series())

    def notes(self) -> list[Note]:
        """Return the notes on values that were read as missing."""
        return [] if self._kinds <= {"text"} else missing_notes(self._name, self._markers, self._marked)

    def _is_inconsistent(self) -> bool:
        return len(self._kinds) > 1 and not self._kinds <= _NUMERIC


def _infer(name: str, stripped: pl.Series, options: LoadOptions) -> tuple[str, pl.Series | None]:
    """Return the type of a part, and its values unless they stay text."""
    typed = infer_plain(name, stripped, options)
    if typed is not None and typed.dtype == pl.Float64 and all_match(stripped, MAYBE_THOUSANDS):
        return "text", None  # which the other columns decide
    if typed is not None:
        return column_type(typed), typed
    if not are_undecided(stripped):
        return "text", None
    floats = null_inexact(stripped, null_non_finite(stripped.cast(pl.Float64)))
    return ("text", None) if floats.null_count() > stripped.null_count() else (_UNDECIDED, floats)
