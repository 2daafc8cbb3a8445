"""Conversion of a column to the type that the client names: `?type.COLUMN=`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from dataset.errors import InvalidDataset, quoted
from dataset.load_options import TYPE_PREFIX, LoadOptions
from dataset.notes import Note
from dataset.serialization import to_texts
from dataset.types.date_formats import date_readings
from dataset.types.integer_dates import EPOCH_UNITS, epoch_note, from_digits, from_epoch
from dataset.types.missing import missing_notes, missing_texts, noted_markers
from dataset.types.number_formats import number_readings
from dataset.types.readings import Reading, Typed
from dataset.types.text_types import find_fits, infer_plain, same_values, samples_of, without_blank
from dataset.types.type_inference import MAX_EXACT, TIME, column_type

__all__ = ["convert_to"]

_NUMERAL: Final = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_INTEGER: Final = "^[+-]?[0-9]+$"
_TRUE: Final = ("true", "yes", "y", "t", "on", "1")
_FALSE: Final = ("false", "no", "n", "f", "off", "0")
_DAY: Final = 86_400_000_000
_MAX_SECONDS: Final = 100_000_000_000  # since 1970; larger numbers are milliseconds
_SECONDS: Final = (-62_135_596_800, 253_402_300_799)  # of the years 1 to 9999
_MILLISECONDS: Final = (_SECONDS[0] * 1000, _SECONDS[1] * 1000 + 999)


def convert_to(kind: str, column: pl.Series, options: LoadOptions) -> Typed:
    """Return the column with the type of this name. Raises InvalidDataset for a value that does not have it."""
    if column_type(column) == kind and kind != "text":
        return Typed(column, [])
    texts = to_texts(column)
    if kind == "text":
        return Typed(without_blank(texts, options), [])
    stripped = texts.str.strip_chars(" \t")
    marked = stripped.is_in(missing_texts(options)).fill_null(value=False)
    values = stripped.set(marked, None)
    converted = _CONVERTERS[kind](values, options)
    unread = converted.column.is_null() & values.is_not_null()
    if unread.any():
        row = int(unread.arg_true()[0])
        raise InvalidDataset(
            f"Row {row + 1} of the column {quoted(column.name)} is {quoted(texts[row])}, which is not of the type "
            f"{kind}: correct it, add it to ?missing=, or name another type.",
            f"{TYPE_PREFIX}{column.name}",
        )
    lost = noted_markers(stripped, marked)
    notes = [*converted.notes, *missing_notes(column.name, set(lost), len(lost))]
    return Typed(converted.column.alias(column.name), notes)


def _to_numbers(texts: pl.Series, options: LoadOptions) -> Typed:
    plain = _to_plain_numbers(texts, options)
    if plain.null_count() == texts.null_count():
        return Typed(plain, [])
    dressed = _choose(texts, number_readings(_sample(texts, options), options), pl.Float64())
    return dressed if dressed.column.null_count() < plain.null_count() else Typed(plain, [])


def _sample(texts: pl.Series, options: LoadOptions) -> list[str]:
    return samples_of(texts.to_frame(), options)[texts.name].values


def _to_plain_numbers(texts: pl.Series, options: LoadOptions) -> pl.Series:
    """Return numerals, also with leading zeros or a plus, as numbers; null where a text is none."""
    has_points = options.decimal != "," and options.thousands != "."
    plain = texts.set(~texts.str.contains(_NUMERAL if has_points else _INTEGER), None)
    integers = plain.cast(pl.Int64, strict=False)
    if integers.null_count() == plain.null_count():
        return integers
    numbers = plain.cast(pl.Float64, strict=False)
    return numbers.set(numbers.is_infinite(), None)


def _to_number(texts: pl.Series, options: LoadOptions) -> Typed:
    numbers, notes, _ = _to_numbers(texts, options)
    return Typed(numbers.cast(pl.Float64), notes)


def _to_integer(texts: pl.Series, options: LoadOptions) -> Typed:
    numbers, notes, _ = _to_numbers(texts, options)
    if numbers.dtype == pl.Float64:
        numbers = numbers.set((numbers % 1 != 0) | (numbers.abs() > MAX_EXACT), None).cast(pl.Int64)
    return Typed(numbers, notes)


def _to_boolean(texts: pl.Series, options: LoadOptions) -> Typed:
    lower = texts.str.to_lowercase()
    is_true = lower.is_in(_TRUE)
    return Typed(is_true.set(~(is_true | lower.is_in(_FALSE)), None), [])


def _to_time(texts: pl.Series, options: LoadOptions) -> Typed:
    instants, notes, _ = _to_instants(texts, options)
    return Typed(
        instants.cast(pl.Datetime("us")).dt.replace_time_zone("UTC") if instants.dtype == pl.Date else instants, notes
    )


def _to_date(texts: pl.Series, options: LoadOptions) -> Typed:
    instants, notes, _ = _to_instants(texts, options)
    if instants.dtype == TIME:
        instants = instants.set(instants.cast(pl.Int64) % _DAY != 0, None).dt.date()
    return Typed(instants, notes)


def _to_instants(texts: pl.Series, options: LoadOptions) -> Typed:
    plain = infer_plain(texts.name, texts, options)
    if plain is not None and plain.dtype in (pl.Date, TIME):
        return Typed(plain, [])
    if plain is not None and plain.dtype.is_numeric():
        return _from_numbers(plain)
    return _choose(texts, date_readings(options.dates), pl.Date())


def _from_numbers(numbers: pl.Series) -> Typed:
    """Return the dates that are written in digits, or the times in seconds or milliseconds since 1970."""
    if numbers.dtype == pl.Int64:
        dates = from_digits(numbers, len(str(numbers.max())))
        if dates.null_count() == numbers.null_count():
            return Typed(dates, [])
    is_seconds = numbers.is_between(-_MAX_SECONDS, _MAX_SECONDS).all()
    unit = "seconds" if is_seconds else "milliseconds"
    known = numbers.set(~numbers.is_between(*(_SECONDS if is_seconds else _MILLISECONDS)), None)
    times = from_epoch(known, EPOCH_UNITS[unit])
    return Typed(times, [epoch_note(unit, numbers)])


def _choose(texts: pl.Series, readings: list[Reading], dtype: pl.DataType) -> Typed:
    """Return the column in the one reading that fits all values, else in the one that fits most, with nulls."""
    total = len(texts) - texts.null_count()
    fits = [fit for fit in find_fits(readings, texts) if fit.read]
    whole = [fit for fit in fits if fit.read == total]
    whole = [fit for fit in whole if fit.reading.certain] or whole
    if whole and not same_values(whole):
        choices = "; ".join(f"{fit.reading.option} for {fit.reading.detail}" for fit in whole)
        raise InvalidDataset(
            f"The values of the column {quoted(texts.name)} can be read in more than one way: add {choices}.",
            f"{TYPE_PREFIX}{texts.name}",
        )
    if whole:
        rows = Note(f"Read as {whole[0].reading.detail}.", texts.name, str(texts.drop_nulls()[0]), total)
        return Typed(whole[0].values, [rows])
    best = max(fits, key=lambda fit: fit.read, default=None)
    return Typed(pl.repeat(None, len(texts), dtype=dtype, eager=True) if best is None else best.values, [])


_CONVERTERS: Final[dict[str, Callable[[pl.Series, LoadOptions], Typed]]] = {
    "integer": _to_integer,
    "number": _to_number,
    "boolean": _to_boolean,
    "date": _to_date,
    "time": _to_time,
}
