"""Types of the columns of a table that a format's reader returned: inferred from text, or as the client names them."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final, cast

import polars as pl

from dataset.errors import InvalidDataset, quoted
from dataset.forced_types import convert_to
from dataset.integer_dates import read_integer_dates
from dataset.load_options import TYPE_PREFIX, LoadOptions
from dataset.missing import missing_notes
from dataset.notes import Note
from dataset.readings import Typed
from dataset.text_types import Sample, infer_text, samples_of
from dataset.type_inference import parse_number

__all__ = ["settle_types"]

_SENTINEL: Final = re.compile(r"-(?:9{3,5}(?:\.9+)?|99\.9+|9\.99+)|9{3,5}\.9+")
_POSSIBLE_SENTINEL: Final = re.compile("-99|9{3,5}")  # also plain numbers, unless they repeat or there are many others
_MANY: Final = 8


def settle_types(frame: pl.DataFrame, options: LoadOptions, final: Collection[str] = ()) -> list[Note]:
    """Convert the columns in place, and return the notes on them; text in the `final` columns stays text.

    Raises InvalidDataset for a value that does not have the type that the client names for its column.
    """
    for name in options.types:
        if name not in frame.columns:
            known = ", ".join(map(quoted, frame.columns[:20])) or "none"
            parameter = f"{TYPE_PREFIX}{name}"
            raise InvalidDataset(f"There is no column {quoted(name)}. The columns are: {known}.", parameter)
    notes: list[Note] = []
    samples = samples_of(frame.drop(*final, *options.types), options)
    for position in range(frame.width):
        column = frame.to_series(position)
        typed = _settle(column, samples.get(column.name), options)
        if typed.column is not column:
            frame.replace_column(position, typed.column.alias(column.name))
        notes += typed.notes
        del column, typed
    return notes


def _settle(column: pl.Series, sample: Sample | None, options: LoadOptions) -> Typed:
    kind = options.types.get(column.name)
    if kind is not None:
        return convert_to(kind, column, options)
    notes: list[Note] = []
    if sample is not None:
        column, notes = infer_text(column, sample, options)
    if column.dtype == pl.Int64:
        column, more = read_integer_dates(column)
        notes = [*notes, *more]
    if column.dtype.is_numeric():
        column, more = _without_named(column, options)
        notes = [*notes, *more, *_note_sentinel(column)]
    return Typed(column, notes)


def _without_named(numbers: pl.Series, options: LoadOptions) -> Typed:
    """Replace the numbers that the client named as missing by null; a format with numbers has no text for them."""
    named = [number for number in map(parse_number, options.missing or ()) if number is not None]
    if numbers.dtype == pl.Int64:
        named = [int(number) for number in named if number == int(number)]
    found = numbers.is_in(pl.Series(named, dtype=numbers.dtype)) if named else pl.Series([False])
    if not found.any():
        return Typed(numbers, [])
    markers = set(map(str, numbers.filter(found)))
    return Typed(numbers.set(found, None), missing_notes(numbers.name, markers, int(found.sum())))


def _note_sentinel(numbers: pl.Series) -> list[Note]:
    """Return a note if an extreme value is of nines alone and far from all others, such as -999."""
    extremes: tuple[Any, Any] = numbers.min(), numbers.max()
    for extreme in extremes:
        text = str(extreme).removesuffix(".0")
        if not (_SENTINEL.fullmatch(text) or _POSSIBLE_SENTINEL.fullmatch(text)):
            continue
        others = numbers.filter(numbers != extreme)
        low, high = cast(float, others.min()), cast(float, others.max())
        count = len(numbers) - numbers.null_count() - len(others)
        is_sure = count > 1 or len(others) >= _MANY or _SENTINEL.fullmatch(text)
        if is_sure and len(others) and 0 < high - low < min(abs(extreme - low), abs(extreme - high)):
            detail = f"{text} is far from the other values: if it stands for a missing value, add ?missing={text}."
            return [Note(detail, numbers.name, text, count)]
    return []
