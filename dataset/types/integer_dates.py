"""Dates and times in columns of integers: seconds or milliseconds since 1970, and digits such as 20160229.

They are read where both the name of the column and all its values denote them.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import Final, cast

import polars as pl

from dataset.notes import Note, query_option
from dataset.types.readings import Typed
from dataset.types.type_inference import MAX_EXACT, TIME

__all__ = ["EPOCH_UNITS", "epoch_note", "from_digits", "from_epoch", "read_numeric_dates", "words_of"]

_WORDS: Final = re.compile("[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_COMPOUND: Final = re.compile(
    "(epoch|unix|timestamp|start|stop|begin|end|event|creat(?:e|ion)|update|birth|local|utc|obs|pickup|dropoff|arrival"
    "|departure)(time|timestamp|date|ms|millis|msecs?|milliseconds|secs?|seconds)"
    "|(created|updated|modified|published|deleted|started|ended|finished|last|first)(at|on|seen)"
)
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
_HOUR_DIGITS: Final = 10
_REST_OF_DATE: Final = {4: "0101", 6: "01", 8: ""}  # by the number of digits
_REST_OF_TIME: Final = {10: "0000", 12: "00", 14: ""}
_HINTS: Final = {6: _MONTH_WORDS, 8: _DATE_WORDS, **dict.fromkeys(_REST_OF_TIME, _DATE_WORDS | _TIME_WORDS)}
_YEARS: Final = (1600, 2200)
_LIKELY_YEARS: Final = (1900, 2100)
_YEAR_1: Final = -62_135_596_800  # seconds since 1970
_END_OF_9999: Final = 253_402_300_799.999
_END_OF_2100: Final = 4_133_980_799
# Lower numbers may count seconds from another beginning.
_IN_APRIL_1970: Final = 10_000_000
_IN_1973: Final = 100_000_000
_IN_1990: Final = 631_152_000


def read_numeric_dates(numbers: pl.Series) -> Typed:
    """Return a column of numbers as dates or times with a note if its name and all its values denote them."""
    low, high = cast(tuple[float | None, float | None], (numbers.min(), numbers.max()))
    if low is None or high is None:
        return Typed(numbers, [])
    is_whole = isinstance(low, float) and low % 1 == high % 1 == 0 and low >= 0 and high < MAX_EXACT
    if is_whole and (numbers % 1 == 0).all():
        typed = read_numeric_dates(numbers.cast(pl.Int64))  # 20160229.0 beside missing values
        return Typed(numbers, []) if typed.column.dtype == pl.Int64 else typed
    digits = len(str(low))
    # Before the epoch: 2020010112 is noon of a day in 2020, or a second in 2034.
    if isinstance(low, int) and digits in _HINTS and digits == len(str(high)):
        read = _read_digits(numbers, low, int(high), digits)
        if read is not None:
            return read
    unit = _epoch_unit(numbers, low, high)
    if unit is None:
        return Typed(numbers, [])
    return Typed(from_epoch(numbers, EPOCH_UNITS[unit]), [epoch_note(unit, numbers)])


def _read_digits(numbers: pl.Series, low: int, high: int, digits: int) -> Typed | None:
    """Return a column of integers with this number of digits; None if these are not those of dates."""
    years = _YEARS if digits == _DATE_DIGITS else _LIKELY_YEARS
    first, end = (year * 10 ** (digits - 4) for year in (years[0], years[1] + 1))
    if not (first <= low and high < end):
        # 31122020 is not a second in 1970.
        end_in_years = digits == _DATE_DIGITS and (numbers % 10_000).is_between(*years).all()
        return Typed(numbers, []) if end_in_years else None
    dates = from_digits(numbers, digits, years)
    invalid = dates.null_count() - numbers.null_count()
    if not invalid:
        return _choose(numbers, dates, digits)
    # 10 digits are those of seconds too, of which few are such dates.
    if digits != _HOUR_DIGITS or invalid * 2 < len(numbers) - numbers.null_count():
        return Typed(numbers, _note_invalid(numbers, dates, invalid))
    return None


def _note_invalid(numbers: pl.Series, dates: pl.Series, invalid: int) -> list[Note]:
    """Return a note on the numbers of a column of dates that are none, if these are at most one in ten."""
    total = len(numbers) - numbers.null_count()
    if invalid * 10 > total or not words_of(numbers.name) & _HINTS[len(str(numbers.min()))]:
        return []
    kind = "date" if dates.dtype == pl.Date else "time"
    row = (dates.is_null() & numbers.is_not_null()).arg_true()[0]
    detail = (
        f"Integers, because {numbers[row]} in row {row + 1} is not a {kind}, as {total - invalid:,} of {total:,} are."
    )
    return [Note(detail, numbers.name, str(numbers[row]), invalid)]


def _choose(numbers: pl.Series, dates: pl.Series, digits: int) -> Typed:
    """Return the dates if the name of the column denotes them, else the integers, with a note on what is likely."""
    kind = "date" if dates.dtype == pl.Date else "time"
    if words_of(numbers.name) & _HINTS[digits]:
        what = "months, by their first day" if digits == _MONTH_DIGITS else f"{kind}s"
        return Typed(dates, [_note(f"Read as {what}, from digits such as {numbers.drop_nulls()[0]}.", numbers)])
    if digits != _MONTH_DIGITS and dates.dt.year().is_between(*_LIKELY_YEARS).all():
        option = query_option(f"type.{numbers.name}", kind)
        detail = f"Integers, all of which are {kind}s too: {option} reads them so."
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
    words = [word.lower() for word in _WORDS.findall(name)]
    compounds = (_COMPOUND.fullmatch(word) for word in words)
    return [
        *chain(
            *(filter(None, found.groups()) if found else (word,) for word, found in zip(words, compounds, strict=True))
        )
    ]


def _epoch_unit(numbers: pl.Series, low: float, high: float) -> str | None:
    """Return the unit of times since 1970 that the name and the range of the values denote."""
    words = _ordered_words(numbers.name)
    known = set(words)
    if known & _EPOCH_WORDS and numbers.dtype == pl.Int64:
        if known & _MILLISECONDS:
            return "milliseconds" if low / 1000 >= _YEAR_1 and high / 1000 <= _END_OF_9999 else None
        if known & _SECONDS:
            return "seconds" if low >= 0 and high <= _END_OF_2100 else None
    if known & _EPOCH_WORDS or words[-2:-1] == ["at"]:  # created_at_ms
        words = [word for word in words if word not in _MILLISECONDS | _SECONDS]
    if not _denotes_time(words):
        return None
    first = _IN_APRIL_1970 if numbers.dtype == pl.Int64 else _IN_1973
    if words[-1] == "time" and len(words) > 1 and not known & _EPOCH_WORDS:
        first = _IN_1990
    if low == 0:  # which is often written for an unknown time
        first, low = _IN_1973, cast(float, numbers.set(numbers == 0, None).min() or 0)
    if first <= low and high <= _END_OF_2100:
        return "seconds"
    return "milliseconds" if first * 1000 <= low and high <= _END_OF_2100 * 1000 else None


def _denotes_time(words: list[str]) -> bool:
    last, before = (words[-1:] or [""])[0], words[-2:-1]
    if before and (last in ("at", "seen") or (last == "on" and before[0].endswith("ed"))):
        return True
    if set(words) & (_MILLISECONDS | _SECONDS | _OTHER_UNITS | _DURATION_WORDS):
        return False
    return last in _TIME_WORDS or words[:1] == ["date"] or bool(words and words[0].startswith(("epoch", "unix")))


def _note(detail: str, numbers: pl.Series) -> Note:
    known = numbers.drop_nulls()
    return Note(detail, numbers.name, str(known[0]), len(known))
