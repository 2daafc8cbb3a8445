"""Dates and times in columns of integers: seconds or milliseconds since 1970, and digits such as 20160229.

They are read where both the name of the column and all its values denote them.
"""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from dataset.notes import Note
from dataset.readings import Typed
from dataset.type_inference import TIME

__all__ = ["EPOCH_UNITS", "epoch_note", "from_digits", "from_epoch", "read_integer_dates", "words_of"]

_WORDS: Final = re.compile("[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_MILLISECONDS: Final = frozenset(("ms", "millis", "millisecond", "milliseconds", "msec", "msecs"))
_SECONDS: Final = frozenset(("s", "sec", "secs", "second", "seconds"))
_OTHER_UNITS: Final = frozenset("us ns micros nanos microseconds nanoseconds min mins minutes h hours days".split())
_EPOCH_WORDS: Final = frozenset(("epoch", "unix", "timestamp"))
_DATE_WORDS: Final = frozenset("date day datum fecha ymd yyyymmdd yearmoda dateadded dt".split())
_MONTH_WORDS: Final = frozenset("month yearmonth yyyymm period ym".split())
_TIME_WORDS: Final = frozenset("time timestamp datetime date updated created modified edited published ts".split())
_DURATION_WORDS: Final = frozenset(
    "cpu run elapsed wait response play total travel lead processing execution exec user system flight lap race".split()
)

EPOCH_UNITS: Final = {"seconds": 1_000_000, "milliseconds": 1_000}
"""The units of times since 1970, in microseconds."""

_DATE_DIGITS: Final = 8
_MONTH_DIGITS: Final = 6
_REST_OF_DATE: Final = {4: "0101", 6: "01", 8: ""}  # by the number of digits
_REST_OF_TIME: Final = {10: "0000", 12: "00", 14: ""}
_HINTS: Final = {6: _MONTH_WORDS, 8: _DATE_WORDS, **dict.fromkeys(_REST_OF_TIME, _DATE_WORDS | _TIME_WORDS)}
_YEARS: Final = (1600, 2200)
_LIKELY_YEARS: Final = (1900, 2100)
_YEAR_1: Final = -62_135_596_800  # seconds since 1970
_END_OF_9999: Final = 253_402_300_799.999
_END_OF_2100: Final = 4_133_980_799
_IN_1973: Final = 100_000_000  # lower numbers may count seconds from another beginning
_IN_1990: Final = 631_152_000


def read_integer_dates(numbers: pl.Series) -> Typed:
    """Return a column of integers as dates or times with a note if its name and all its values denote them."""
    name, low, high = numbers.name, numbers.min(), numbers.max()
    if not isinstance(low, int) or not isinstance(high, int):
        return Typed(numbers, [])
    # Before the epoch: 2020010112 is noon of a day in 2020, or a second in 2034.
    digits = len(str(low))
    years = _YEARS if digits == _DATE_DIGITS else _LIKELY_YEARS
    ends = pl.Series([low, high])  # which in most columns are no dates
    if digits in _HINTS and not from_digits(ends, digits, years).null_count():
        dates = from_digits(numbers, digits, years)
        if dates.null_count() == numbers.null_count():
            return _choose(numbers, dates, digits)
    unit = _epoch_unit(name, low, high)
    if unit is None:
        return Typed(numbers, [])
    return Typed(from_epoch(numbers, EPOCH_UNITS[unit]), [epoch_note(unit, numbers)])


def _choose(numbers: pl.Series, dates: pl.Series, digits: int) -> Typed:
    """Return the dates if the name of the column denotes them, else the integers, with a note on what is likely."""
    kind = "date" if dates.dtype == pl.Date else "time"
    if words_of(numbers.name) & _HINTS[digits]:
        what = "months, by their first day" if digits == _MONTH_DIGITS else f"{kind}s"
        return Typed(dates, [_note(f"Read as {what}, from digits such as {numbers.drop_nulls()[0]}.", numbers)])
    if digits != _MONTH_DIGITS and dates.dt.year().is_between(*_LIKELY_YEARS).all():
        detail = f"Integers, all of which are {kind}s too: ?type.{numbers.name}={kind} reads them so."
        return Typed(numbers, [_note(detail, numbers)])
    return Typed(numbers, [])


def from_epoch(numbers: pl.Series, microseconds: int) -> pl.Series:
    """Return the times that are numbers of a unit since 1970."""
    exact = numbers * microseconds
    return (exact.round() if exact.dtype == pl.Float64 else exact).cast(pl.Int64).cast(TIME)


def from_digits(numbers: pl.Series, digits: int, years: tuple[int, int] = _YEARS) -> pl.Series:
    """Return the dates, or the times, of integers such as 2016, 20160229 and 201602291200; null where invalid."""
    texts = numbers.cast(pl.String)
    texts = texts.set(texts.str.len_bytes() != digits, None)
    if digits in _REST_OF_DATE:
        dates = (texts + _REST_OF_DATE[digits]).str.to_date("%Y%m%d", strict=False)
    elif digits in _REST_OF_TIME:
        times = (texts + _REST_OF_TIME[digits]).str.to_datetime("%Y%m%d%H%M%S", time_unit="us", strict=False)
        dates = times.dt.replace_time_zone("UTC")
    else:
        return pl.repeat(None, len(numbers), dtype=pl.Date, eager=True)
    return dates.set(~dates.dt.year().is_between(*years), None)


def epoch_note(unit: str, numbers: pl.Series) -> Note:
    """Return the note that numbers were read as times since 1970."""
    return _note(f"Read as times, from {unit} since 1970.", numbers)


def words_of(name: str) -> frozenset[str]:
    """Return the words of a column's name, in lower case: `createdAt` has two."""
    return frozenset(_ordered_words(name))


def _ordered_words(name: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(name)]


def _epoch_unit(name: str, low: int, high: int) -> str | None:
    """Return the unit of times since 1970 that the name and the range of the values denote."""
    words = _ordered_words(name)
    known = set(words)
    if known & _EPOCH_WORDS and known & _MILLISECONDS:
        return "milliseconds" if low / 1000 >= _YEAR_1 and high / 1000 <= _END_OF_9999 else None
    if known & _EPOCH_WORDS and known & _SECONDS:
        return "seconds" if low >= 0 and high <= _END_OF_2100 else None
    if known & (_MILLISECONDS | _SECONDS | _OTHER_UNITS | _DURATION_WORDS) or not _denotes_time(words):
        return None
    first = _IN_1990 if words[-1] == "time" and len(words) > 1 else _IN_1973
    if first <= low and high <= _END_OF_2100:
        return "seconds"
    return "milliseconds" if first * 1000 <= low and high <= _END_OF_2100 * 1000 else None


def _denotes_time(words: list[str]) -> bool:
    if not words:
        return False
    return words[0] in ("epoch", "unix", "date") or words[-1] in _TIME_WORDS or (len(words) > 1 and words[-1] == "at")


def _note(detail: str, numbers: pl.Series) -> Note:
    known = numbers.drop_nulls()
    return Note(detail, numbers.name, str(known[0]), len(known))
