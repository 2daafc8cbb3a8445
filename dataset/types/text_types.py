"""Types of columns of text, from any format.

Plain values are read by :mod:`dataset.types.type_inference`. A column of others is read only if all its values fit one
reading, with a note; where two readings fit, or where the values could as well be something else, it stays text, with a
note that names the option which decides it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import Final, NamedTuple

import polars as pl

from dataset.errors import quoted
from dataset.load_options import LoadOptions
from dataset.notes import Note, query_option
from dataset.types.date_formats import date_readings
from dataset.types.integer_dates import words_of
from dataset.types.missing import blank_texts, missing_notes, missing_texts, noted_markers
from dataset.types.number_formats import PLAIN, number_readings
from dataset.types.readings import Reading, Typed
from dataset.types.type_inference import column_type, infer_numeric, infer_temporal

__all__ = ["Fit", "find_fits", "infer_plain", "infer_text", "same_values", "samples_of", "without_blank"]

_SAMPLE_ROWS: Final = 250
_SAMPLE_CHARACTERS: Final = 80  # no value of a reading is longer
_NEARLY_ALL: Final = 0.9
_MAX_OTHERS: Final = 0.2  # of the sample of a column of which nine in ten values are read
_FORMAT_OPTIONS: Final = ("decimal", "thousands", "dates")
_NOT_FINITE: Final = ("nan", "inf", "+inf", "-inf", "Infinity", "+Infinity", "-Infinity")
_DIGIT: Final = re.compile("[0-9]")
_PLAIN: Final = re.compile(r"^[-+.]*(?:[0-9]|inf|nan|true|false)", re.IGNORECASE)
_VERSION_WORDS: Final = frozenset("version versions ver release revision section chapter clause".split())
_CODE_WORDS: Final = frozenset("phone telephone tel fax mobile zip zipcode postcode postal plz".split())
_NOUNS: Final = {"number": "a number", "date": "a date or time", "boolean": "yes or no"}


class Sample(NamedTuple):
    """Some values from a whole column, stripped, without markers of missing values; whether it may have blank ones."""

    values: list[str]
    has_blank: bool


class Fit(NamedTuple):
    """A reading, the values that it gives, null where it does not read a text, and how many it does read."""

    reading: Reading
    values: pl.Series
    read: int


def infer_plain(name: str, texts: pl.Series, options: LoadOptions) -> pl.Series | None:
    """Return a column of plain values with its type, or None; missing values are null, and texts are stripped."""
    typed = infer_numeric(texts)
    has_fractions = typed is not None and typed.dtype == pl.Float64
    if has_fractions and (options.decimal == "," or options.thousands == "." or _are_versions(name, texts)):
        return None
    typed = infer_temporal(texts) if typed is None else typed
    return None if typed is None else typed.alias(name)


def infer_text(column: pl.Series, sample: Sample, options: LoadOptions, *, prefers_plain: bool = True) -> Typed:
    """Return a column of text with the type of its values, or as text with its blank values missing.

    Unless it prefers plain numbers, 1.234 may be 1234 too.
    """
    typed = _infer(column, sample, options, prefers_plain=prefers_plain)
    given = [f"?{name}={value}" for name in _FORMAT_OPTIONS if (value := getattr(options, name))]
    if typed.column.dtype != pl.String or typed.notes or not given:
        return typed
    texts = pl.Series(column.name, sample.values, dtype=pl.String)
    without = _infer(texts, sample, replace(options, decimal=None, thousands=None, dates=None)).column
    if without.dtype == pl.String:
        return typed
    kind = column_type(without)
    detail = f"Text, because the values do not fit {' and '.join(given)}: without, they are read as {kind}."
    return Typed(typed.column, [Note(detail, column.name, sample.values[0], len(column) - column.null_count())])


def _infer(column: pl.Series, whole_sample: Sample, options: LoadOptions, *, prefers_plain: bool = True) -> Typed:
    name, sample = column.name, whole_sample.values
    texts = without_blank(column, options) if whole_sample.has_blank else column
    readings = [reading for reading in _readings(texts, sample, options) if _fits_most(reading.matches, sample)]
    is_plain = prefers_plain and bool(sample and _PLAIN.search(sample[0]))
    is_plain = is_plain and infer_plain(name, pl.Series(sample), options) is not None
    if not readings and not is_plain:
        return Typed(texts, [])
    clean = infer_plain(name, texts, options) if is_plain else None
    if clean is not None and clean.null_count() == texts.null_count():
        return Typed(clean, _missing_notes(column, clean) if options.missing else [])
    values = texts.str.strip_chars(" \t")
    marked = values.is_in((*missing_texts(options), *_NOT_FINITE)).fill_null(value=False)
    values = values.set(marked, None) if marked.any() else values
    typed = infer_plain(name, values, options) if is_plain else None
    if typed is None:
        found = _decide(texts, values, find_fits(readings, values), is_plain=prefers_plain)
    else:
        found = Typed(typed, [])
    if found.column.dtype == pl.String:
        return Typed(texts, found.notes)
    found.notes.extend(_missing_notes(column, found.column))
    return found


def _missing_notes(texts: pl.Series, values: pl.Series) -> list[Note]:
    """Return the note on texts that were read as missing, also infinities."""
    if values.null_count() == texts.null_count():
        return []
    lost = noted_markers(texts.str.strip_chars(" \t"), values.is_null())
    return missing_notes(texts.name, set(lost), len(lost))


def without_blank(texts: pl.Series, options: LoadOptions) -> pl.Series:
    """Return a column of text with null for the texts that are missing in a column of any type."""
    return texts.set(texts.str.strip_chars(" \t").is_in(blank_texts(options)), None)


def samples_of(frame: pl.DataFrame, options: LoadOptions) -> dict[str, Sample]:
    """Return samples of the columns of text; all at once, since a table may have thousands."""
    known = pl.col(pl.String).drop_nulls()
    some = known.head(_SAMPLE_ROWS)
    if (step := frame.height // _SAMPLE_ROWS) > 1:
        some = some.append(known.gather_every(step))
    texts = frame.select(some.str.head(_SAMPLE_CHARACTERS + 1).implode())
    padded = (pl.col(pl.String).str.starts_with(space) for space in (" ", "\t"))
    blanks = frame.select(reduce(or_, padded, pl.col(pl.String) == "").any())
    missing = frozenset((*missing_texts(options), *_NOT_FINITE))
    return {
        column.name: Sample(
            [text for text in (text.strip(" \t") for text in column[0]) if text not in missing],
            has_blank=bool(options.missing or blanks[column.name].item()),
        )
        for column in texts
    }


def find_fits(readings: Sequence[Reading], texts: pl.Series) -> list[Fit]:
    """Return the values of each reading of a column."""
    differing = (each for each in readings if not each.needs or texts.str.contains(each.needs).any())
    converted = ((reading, reading.convert(texts).alias(texts.name)) for reading in differing)
    return [Fit(reading, values, len(values) - values.null_count()) for reading, values in converted]


def same_values(fits: Sequence[Fit]) -> bool:
    """Return whether the readings all give the same values."""
    first = fits[0].values
    return all(first.dtype == fit.values.dtype and first.equals(fit.values) for fit in fits[1:])


def _readings(texts: pl.Series, sample: Sequence[str], options: LoadOptions) -> list[Reading]:
    if not _fits_most(_DIGIT.search, sample):
        return [BOOLEAN_WORDS]
    are_codes = bool(words_of(texts.name) & _CODE_WORDS) or _are_versions(texts.name, texts)
    return [*([] if are_codes else number_readings(sample, options)), *date_readings(options.dates)]


def _fits_most(matches: Callable[[str], object], sample: Sequence[str]) -> bool:
    others = int(len(sample) * _MAX_OTHERS)
    for text in sample:
        if not matches(text):
            if not others:
                return False
            others -= 1
    return bool(sample)


def _decide(texts: pl.Series, values: pl.Series, fits: list[Fit], *, is_plain: bool) -> Typed:
    """Return the column in the one reading that fits all values, else as text with a note on what does not fit."""
    name = texts.name
    total = len(values) - values.null_count()
    whole = [fit for fit in fits if fit.read == total]
    sure = [fit for fit in whole if fit.reading.doubt is None or not fit.reading.doubt(values)]
    certain = [fit for fit in sure if fit.reading.certain and is_plain] or sure
    if certain and same_values(certain):
        reading = certain[0].reading
        note = Note(f"Read as {reading.detail}.", name, _example(values), total)
        return Typed(certain[0].values, [note], reading)
    if whole:
        return Typed(texts, [_note_doubt(name, values, whole if not sure else certain, total)])
    best = max((fit for fit in fits if fit.reading.kind != "boolean"), key=lambda fit: fit.read, default=None)
    if best is None or best.read < _NEARLY_ALL * total:
        return Typed(texts, [])
    return Typed(texts, [_note_outlier(name, values, best, total)])


def _note_doubt(name: str, values: pl.Series, fits: Sequence[Fit], rows: int) -> Note:
    distinct = [fit for number, fit in enumerate(fits) if not any(same_values([fit, each]) for each in fits[:number])]
    details = [fit.reading.detail for fit in distinct]
    if len(distinct) > 1:
        details = ["numbers with a decimal point" if detail == PLAIN else detail for detail in details]
    options = [fit.reading.option or query_option(f"type.{name}", column_type(fit.values)) for fit in distinct]
    choices = dict(zip(options, details, strict=True))
    words = "; ".join(f"{option} reads them as {detail}" for option, detail in choices.items())
    return Note(f"Text, because the values may mean more than one thing: {words}.", name, _example(values), rows)


def _note_outlier(name: str, values: pl.Series, best: Fit, total: int) -> Note:
    unread = (best.values.is_null() & values.is_not_null()).arg_true()
    row, value = unread[0], str(values[unread[0]])
    detail = f"Text, because {quoted(value)} in row {row + 1} is not {_NOUNS[best.reading.kind]}, as {best.read:,} of "
    option = query_option("missing", value[:_SAMPLE_CHARACTERS])
    remedy = "" if "," in value else f": if it stands for a missing value, add {option}"
    return Note(f"{detail}{total:,} values are{remedy}.", name, value[:_SAMPLE_CHARACTERS], len(unread))


def _example(values: pl.Series) -> str:
    """Return the first value that is not of digits alone, if there is one."""
    known = values.drop_nulls()
    return str((known.filter(known.str.contains("[^0-9]")).head(1) if len(known) else known).append(known.head(1))[0])


def _are_versions(name: str, texts: pl.Series) -> bool:
    """Return whether the texts are numbers of versions or sections such as 1.10, which is not 1.1."""
    return bool(words_of(name) & _VERSION_WORDS) and bool(texts.str.contains(r"\.[0-9]+0$").any())


def _to_booleans(texts: pl.Series) -> pl.Series:
    words = texts.str.to_lowercase()
    if not (words == "yes").any():  # NO alone may be Norway, or a number
        return pl.repeat(None, len(texts), dtype=pl.Boolean, eager=True)
    return (words == "yes").set(~words.is_in(("yes", "no")), None)


BOOLEAN_WORDS: Final = Reading("boolean", "booleans: yes is true, no is false", "^(?i:yes|no)$", _to_booleans)
"""The reading of yes and no."""
