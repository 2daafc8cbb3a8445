"""Types of the columns of a table that a format's reader returned: inferred from text, or as the client names them."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final, cast

import polars as pl

from dataset.errors import InvalidDataset, quoted
from dataset.load_options import TYPE_PREFIX, LoadOptions
from dataset.notes import Note
from dataset.serialization import to_texts
from dataset.spill import Spill
from dataset.types.forced_types import convert_to
from dataset.types.integer_dates import read_numeric_dates
from dataset.types.missing import missing_notes
from dataset.types.number_formats import MAYBE_THOUSANDS, implied_options
from dataset.types.readings import Reading, Typed
from dataset.types.text_types import Sample, infer_text, samples_of
from dataset.types.type_inference import parse_number, parse_temporal

__all__ = ["infer_types"]

_SENTINEL: Final = re.compile(r"-(?:9{3,5}(?:\.9+)?|99\.9+|9\.99+)|9{3,5}\.9+|9{4,5}")
_POSSIBLE_SENTINEL: Final = re.compile("-99|999")  # only where they repeat, or there are many other values
_DAY: Final = 86_400_000_000  # microseconds
_MANY: Final = 8
_MAX_NOTES: Final = 200
_MAYBE_THOUSANDS: Final = re.compile(MAYBE_THOUSANDS).search
_DECIDED_BY: Final = "?decimal="


def infer_types(
    frame: pl.DataFrame, options: LoadOptions, final: Collection[str] = (), spill: Spill | None = None
) -> list[Note]:
    """Convert the columns in place, and return the notes on them; text in the `final` columns stays text.

    Columns that are converted are moved to `spill`.

    Raises InvalidDataset for a value that does not have the type that the client names for its column.
    """
    for name in options.types:
        if name not in frame.columns:
            known = ", ".join(map(quoted, frame.columns[:20])) or "none"
            parameter = f"{TYPE_PREFIX}{name}"
            raise InvalidDataset(f"There is no column {quoted(name)}. The columns are: {known}.", parameter)
    samples = samples_of(frame.drop(*final, *options.types), options)
    in_doubt = {name for name, sample in samples.items() if _may_be_thousands(sample)}
    notes: dict[str, list[Note]] = {}
    readings: list[Reading] = []
    positions = {name: position for position, name in enumerate(frame.columns)}
    for name, position in positions.items():
        if name in in_doubt:
            continue
        typed = _convert(frame.to_series(position), samples.get(name), options)
        if typed.column.dtype == pl.String and any(_DECIDED_BY in note.detail for note in typed.notes):
            in_doubt.add(name)
        _replace(frame, position, typed.column, spill)
        notes[name] = typed.notes
        readings += [typed.reading] if typed.reading is not None else []
        del typed
    is_open = options.decimal is None and options.thousands is None
    implied = implied_options(readings, options) if is_open else options
    have_commas = any("," in text for name in in_doubt for text in samples[name].values)
    have_points = implied.thousands == "," or (implied == options and not (is_open and have_commas))
    for name in in_doubt:
        typed = _infer_ambiguous(
            frame.to_series(positions[name]), samples[name], options, implied, have_points=have_points
        )
        _replace(frame, positions[name], typed.column, spill)
        notes[name] = typed.notes
    return _merge([note for name in positions for note in notes[name]])


def _replace(frame: pl.DataFrame, position: int, column: pl.Series, spill: Spill | None) -> None:
    before = frame.to_series(position)
    if spill is not None and column is not before:
        column = spill.column(column)
    frame.replace_column(position, column.alias(before.name))


def _merge(notes: list[Note]) -> list[Note]:
    """Return the notes; if there are very many, one for each detail, since every answer repeats them."""
    if len(notes) <= _MAX_NOTES:
        return notes
    alike: dict[str, list[Note]] = {}
    for note in notes:
        alike.setdefault(note.detail, []).append(note)
    return [
        first._replace(detail=f"{detail} The same in {len(others):,} other columns.") if others else first
        for detail, (first, *others) in alike.items()
    ][:_MAX_NOTES]


def _may_be_thousands(sample: Sample) -> bool:
    return any("." in text for text in sample.values) and all(map(_MAYBE_THOUSANDS, sample.values))


def _infer_ambiguous(
    column: pl.Series, sample: Sample, options: LoadOptions, implied: LoadOptions, *, have_points: bool
) -> Typed:
    """Return a column whose separators mean one thing or another, in the light of the other columns of the file.

    Of 1,234 and 1.234 either may separate thousands, unless the other columns have points for decimals.
    """
    if implied.thousands or (implied.decimal and not _may_be_thousands(sample)):
        typed = infer_text(column, sample, implied)
        if typed.reading is not None and implied != options:
            first, *rest = typed.notes
            note = first._replace(detail=f"{first.detail.removesuffix('.')}, as in other columns.")
            return _complete(typed._replace(notes=[note, *rest]), options)
    prefers_plain = have_points or not column.drop_nulls().str.contains(MAYBE_THOUSANDS).all()
    return _complete(infer_text(column, sample, options, prefers_plain=prefers_plain), options)


def _convert(column: pl.Series, sample: Sample | None, options: LoadOptions) -> Typed:
    kind = options.types.get(column.name)
    if kind is not None:
        return convert_to(kind, column, options)
    return _complete(Typed(column, []) if sample is None else infer_text(column, sample, options), options)


def _complete(typed: Typed, options: LoadOptions) -> Typed:
    """Return the column with dates that are written as integers, and notes on its numbers."""
    column, notes, reading = typed
    if column.dtype != pl.String and options.missing:
        column, missing, _ = _without_named(column, options)
        notes = [*notes, *missing]
    if column.dtype.is_numeric():
        column, dates, _ = read_numeric_dates(column)
        notes = [*notes, *dates, *(_note_sentinel(column) if column.dtype.is_numeric() else ())]
    return Typed(column, notes, reading)


def _without_named(column: pl.Series, options: LoadOptions) -> Typed:
    """Replace the values that the client named as missing by null; a format with types has no text for them."""
    missing = options.missing or ()
    if column.dtype.is_numeric():
        named: list[Any] = [number for number in map(parse_number, missing) if number is not None]
        if column.dtype == pl.Int64:
            named = [int(number) for number in named if number == int(number)]
    elif column.dtype == pl.Boolean:
        named = [text.lower() == "true" for text in missing if text.lower() in ("true", "false")]
    else:
        days = column.dtype == pl.Date
        found_times = filter(None, map(parse_temporal, missing))
        named = [
            value * (1 if days or kind == "time" else _DAY) for kind, value in found_times if not days or kind == "date"
        ]
    values = column.to_physical()
    found = values.is_in(pl.Series(named, dtype=values.dtype)) if named else pl.Series([False])
    if not found.any():
        return Typed(column, [])
    markers = set(to_texts(column.filter(found)))
    return Typed(column.set(found, None), missing_notes(column.name, markers, int(found.sum())))


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
