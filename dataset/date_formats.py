"""Inference of common date formats other than ISO 8601, where they are unambiguous.

- Slashes: `2018/01/31`; `01/31/2018` and `31/01/2018`, each optionally with a time of day (`01/31/2018 01:45:00 PM`).
  The order of day and month is inferred from the whole column: a value above 12 is a day. An ambiguous column stays
  text.
- Milliseconds since 1970, if the column's name contains the unit: `epoch_ms`, `timestampMillis`.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final

import polars as pl

from dataset.type_inference import TIME, all_match, convert_in_slices

__all__ = ["are_slash_dates", "infer_epoch", "infer_slash_dates"]

_TIME_OF_DAY: Final = r"(?:,? +([0-9]{1,2}):([0-5][0-9])(?::([0-5][0-9])(?:\.([0-9]{1,9}))?)?(?: ?([AaPp])[Mm])?)?$"
_YEAR_FIRST: Final = r"^([0-9]{4})/(0?[1-9]|1[0-2])/(0?[1-9]|[12][0-9]|3[01])" + _TIME_OF_DAY
_YEAR_LAST: Final = r"^(0?[1-9]|[12][0-9]|3[01])/(0?[1-9]|[12][0-9]|3[01])/([0-9]{4})" + _TIME_OF_DAY

_WORDS: Final = re.compile("[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_MILLISECOND_WORDS: Final = {"ms", "millis", "millisecond", "milliseconds", "msec", "msecs"}
_EPOCH_WORDS: Final = {"epoch", "unix", "timestamp"}
_MAX_MILLISECONDS: Final = 253_402_300_799_999  # the end of the year 9999


def are_slash_dates(texts: pl.Series) -> bool:
    """Return whether all values look like dates with slashes, in one order."""
    return all_match(texts, _YEAR_FIRST) or all_match(texts, _YEAR_LAST)


def infer_slash_dates(texts: pl.Series) -> pl.Series | None:
    """Return the column as dates, or as UTC times if any value has a time of day; None unless every value is valid."""
    if all_match(texts, _YEAR_FIRST):
        year_first, days_first = True, False
    elif all_match(texts, _YEAR_LAST):
        first, second = (
            convert_in_slices(texts, partial(_extract_number, pattern)) for pattern in ("^([0-9]+)", "/([0-9]+)/")
        )
        assert first is not None
        assert second is not None
        year_first, days_first, months_first = False, (first > 12).any(), (second > 12).any()
        if days_first == months_first and (days_first or (first != second).any()):
            return None
    else:
        return None
    with_times = texts.str.contains(":", literal=True).any()

    def convert(part: pl.Series) -> pl.Series | None:
        groups = part.str.extract_groups(_YEAR_FIRST if year_first else _YEAR_LAST).struct
        one, two, three, *clock = (groups.field(str(group)) for group in range(1, 9))
        if year_first:
            year, month, day = one, two, three
        else:
            month, day, year = (two, one, three) if days_first else (one, two, three)
        return _combine(part, year, month, day, clock if with_times else [])

    return convert_in_slices(texts, convert)


def infer_epoch(name: str, numbers: pl.Series) -> pl.Series | None:
    """Return a column of integers as times if its name denotes milliseconds since 1970, else None."""
    words = {word.lower() for word in _WORDS.findall(name)}
    if numbers.dtype != pl.Int64 or not (words & _MILLISECOND_WORDS and words & _EPOCH_WORDS):
        return None
    if not numbers.is_between(-_MAX_MILLISECONDS, _MAX_MILLISECONDS).all() or numbers.null_count() == len(numbers):
        return None
    times = (numbers * 1000).cast(TIME)
    return times if times.dt.year().is_between(1, 9999).all() else None


def _extract_number(pattern: str, texts: pl.Series) -> pl.Series:
    return texts.str.extract(pattern).cast(pl.Int8)


def _combine(
    texts: pl.Series, year: pl.Series, month: pl.Series, day: pl.Series, clock: list[pl.Series]
) -> pl.Series | None:
    dates = (year + "-" + month.str.zfill(2) + "-" + day.str.zfill(2)).str.to_date("%Y-%m-%d", strict=False)
    if dates.null_count() > texts.null_count() or not dates.dt.year().is_between(1, 9999).all():
        return None
    if not clock:
        return dates
    hour, minute, second, fraction, meridiem = clock
    hours = hour.cast(pl.Int64).fill_null(0)
    is_12_hour = meridiem.is_not_null()
    if (is_12_hour & ~hours.is_between(1, 12)).any() or (hours > 23).any():
        return None
    is_pm = meridiem.str.to_lowercase().eq_missing(pl.Series(["p"]))
    hours = hours.zip_with(~is_12_hour, hours % 12 + is_pm.cast(pl.Int64) * 12)
    seconds = (hours * 60 + _to_int(minute)) * 60 + _to_int(second)
    micros = seconds * 1_000_000 + _to_int(fraction.str.slice(0, 6).str.pad_end(6, "0"))
    return (dates.cast(pl.Datetime("us")).cast(pl.Int64) + micros).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _to_int(texts: pl.Series) -> pl.Series:
    return texts.cast(pl.Int64).fill_null(0)
