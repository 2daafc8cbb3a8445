"""Readings of dates and times in formats other than ISO 8601.

Numbers in any order (`31.12.2020`, `5-8-2019 18:20`, `01/31/2018 01:45:00 PM`), names of months (`Jan 1 2000`,
`09-Mar-11`), days of the year (`2023-063T12:00`), months, quarters and ISO weeks, which become their first day.
Years of two digits are read after the name of a month, and only where all conventions agree on the century; in other
places they need `?dates=`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain, product
from typing import Final

import polars as pl

from dataset.types.readings import Reading, always, in_slices

__all__ = ["date_readings"]

_MONTHS: Final = (
    *("jan ene gen", "feb fev f\u00e9v", "mar m\u00e4r maa", "apr avr abr", "may mai mei mag", "jun juin giu"),
    *("jul juil lug", "aug aou ao\u00fb ago", "sep set", "oct okt ott out", "nov", "dec dez d\u00e9c dic"),
)
"""The beginnings of the months' names in English, German, French, Spanish, Italian, Portuguese and Dutch."""

_MONTH_NUMBERS: Final = {name: f"{number:02}" for number, names in enumerate(_MONTHS, 1) for name in names.split()}
_Y: Final = "(?P<y>[0-9]{4})"
_SURE_Y: Final = "(?P<y>(?:1[6-9]|2[01])[0-9]{2})"  # 1234-05 is a code
_YY: Final = "(?P<yy>[0-9]{2})"
_SURE_YY: Final = "(?P<yy>[012][0-9]|[789][0-9])"  # of the others, some conventions make 19, some 20
_M: Final = "(?P<m>0?[1-9]|1[0-2])"
_MM: Final = "(?P<m>0[1-9]|1[0-2])"
_D: Final = "(?P<d>0?[1-9]|[12][0-9]|3[01])"
_DD: Final = "(?P<d>0[1-9]|[12][0-9]|3[01])"
_B: Final = f"(?P<b>(?i:{'|'.join(sorted(_MONTH_NUMBERS, reverse=True))}))(?i:[a-z\u00df-\u00ff]{{0,7}})\\.?"
_ENGLISH_B: Final = (  # SET-2020 is a code, not September in Italian
    "(?P<b>(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))(?i:uary|ruary|ch|il|e|y|ust|t|tember|ober|ember)?\\.?"
)
_TH: Final = "(?i:st|nd|rd|th)?"
_WEEKDAY: Final = r"(?:(?i:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?i:day)?\.?,? +)?"
_CLOCK: Final = (
    "(?P<h>[0-9]{1,2}):(?P<i>[0-5][0-9])(?::(?P<s>[0-5][0-9])(?:[.,](?P<f>[0-9]{1,9}))?)?"
    r"(?: ?(?P<a>[AaPp])\.?[Mm]\.?)?(?: ?(?P<z>[Zz]|UTC|GMT|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?))?"
)
_TIME: Final = f"(?:(?:,? +|[Tt]){_CLOCK})?"
_LAST_21ST: Final = 68  # of the years of two digits, by POSIX
_ORDERS: Final = {"ymd": "year, month, day", "dmy": "day, month, year", "mdy": "month, day, year"}


def _convert(pattern: str, texts: pl.Series) -> pl.Series:
    """Return dates, or times in UTC if any text has a time of day; null where a text has no such value."""
    timed = bool(texts.str.contains("[0-9]:[0-9]|[0-9]T[0-9]").any())
    return in_slices(texts, partial(_convert_slice, pattern, timed))


def _convert_slice(pattern: str, timed: bool, texts: pl.Series) -> pl.Series:
    parts = texts.str.extract_groups(pattern).struct
    groups = {name: parts.field(name) for name in parts.fields}
    dates = _to_dates(groups)
    dates = dates.set(~dates.dt.year().is_between(1, 9999), None)
    return _add_clock(dates, groups) if timed else dates


def _to_dates(groups: dict[str, pl.Series]) -> pl.Series:
    year = _full_year(groups["yy"]) if "yy" in groups else groups["y"]
    if "w" in groups:
        text = year + "-W" + groups["w"] + "-" + groups["u"].fill_null("1")
        return text.str.to_date("%G-W%V-%u", strict=False)
    if "j" in groups:
        return (year + "-" + groups["j"]).str.to_date("%Y-%j", strict=False)
    text = year + "-" + _month(groups)
    text = text + "-" + groups["d"].str.zfill(2) if "d" in groups else text + "-01"
    return text.str.to_date("%Y-%m-%d", strict=False)


def _full_year(two_digits: pl.Series) -> pl.Series:
    number = two_digits.cast(pl.Int64)
    return (number + 1900 + 100 * (number <= _LAST_21ST).cast(pl.Int64)).cast(pl.String)


def _month(groups: dict[str, pl.Series]) -> pl.Series:
    if "q" in groups:
        return (groups["q"].cast(pl.Int64) * 3 - 2).cast(pl.String).str.zfill(2)
    if "b" in groups:
        return groups["b"].str.to_lowercase().replace_strict(_MONTH_NUMBERS, default=None)
    return groups["m"].str.zfill(2)


def _add_clock(dates: pl.Series, groups: dict[str, pl.Series]) -> pl.Series:
    absent = pl.repeat(None, len(dates), dtype=pl.String, eager=True)
    hour, minute, second, fraction, meridiem, zone = (groups.get(name, absent) for name in "hisfaz")
    hours = _to_int(hour)
    is_12_hour = meridiem.is_not_null()
    is_valid = hours.is_between(0, 23) & (hours.is_between(1, 12) | ~is_12_hour)
    is_pm = meridiem.str.to_lowercase().eq_missing(pl.Series(["p"]))
    hours = hours.zip_with(~is_12_hour, hours % 12 + is_pm.cast(pl.Int64) * 12)
    digits = zone.str.replace(":", "", literal=True)
    sign = digits.str.starts_with("-").fill_null(value=False).cast(pl.Int64) * -2 + 1
    offset = sign * (_to_int(digits.str.slice(1, 2)) * 60 + _to_int(digits.str.slice(3, 2)))
    seconds = (hours * 60 + _to_int(minute) - offset) * 60 + _to_int(second)
    micros = seconds * 1_000_000 + _to_int(fraction.str.slice(0, 6).str.pad_end(6, "0"))
    times = (dates.cast(pl.Datetime("us")).cast(pl.Int64) + micros).cast(pl.Datetime("us"))
    times = times.set(~(is_valid & times.dt.year().is_between(1, 9999)), None)
    return times.dt.replace_time_zone("UTC")


def _to_int(texts: pl.Series) -> pl.Series:
    return texts.cast(pl.Int64, strict=False).fill_null(0)


def _reading(pattern: str, detail: str, order: str = "", doubt: Callable[[pl.Series], bool] | None = None) -> Reading:
    pattern = f"^{pattern}$"
    return Reading("date", detail, pattern, partial(_convert, pattern), order and f"?dates={order}", doubt)


def _numeric_readings(separator: str, *years: str) -> Iterator[Reading]:
    """Yield the readings of three numbers with this separator, a regular expression."""
    for year, (order, words) in product(years, _ORDERS.items()):
        # Without zeros, 3.11.20 is a version and 1-2-20 a code.
        month, day = (_MM, _DD) if year == _YY and separator != "/" else (_M, _D)
        pattern = separator.join({"y": year, "m": month, "d": day}[part] for part in order)
        detail = f"dates in the order {words}" + (", with years of two digits" if year == _YY else "")
        is_sure = year == _Y and order == "ymd"
        doubt = always if year == _YY else _are_mixed if is_sure and separator == "-" else None
        yield _reading(_WEEKDAY + pattern + _TIME, detail, "" if is_sure else order, doubt)


def _are_mixed(texts: pl.Series) -> bool:
    """Return whether some texts have a time of day and others do not."""
    return texts.drop_nulls().str.contains(":", literal=True).n_unique() > 1


def _are_school_years(months: pl.Series) -> bool:
    """Return whether texts such as 2010-11 may all be the years 2010 and 2011 rather than months."""
    return bool(((months.str.slice(2, 2).cast(pl.Int64) + 1) % 100 == months.str.slice(-2).cast(pl.Int64)).all())


_YMD: Final = "dates in the order year, month, day"
_NAMED: Final = "dates with the name of a month"
_SHORT: Final = "dates with years of two digits,"
_SEP: Final = "[-/ .,]"
_GAP: Final = f"(?:{_SEP}{{0,2}}| de )"
_DATE_READINGS: Final = (
    *chain(*(_numeric_readings(separator, _Y, _YY) for separator in ("-", "/", r"\. ?"))),
    *_numeric_readings(" ", _Y),
    _reading(
        f"{_Y} ?[\u5e74\ub144] ?{_M} ?[\u6708\uc6d4] ?{_D} ?[\u65e5\uc77c]?{_TIME}",
        "dates in the order year, month, day",
    ),
    _reading(f"{_WEEKDAY}{_D}{_TH}{_GAP}{_B}{_GAP}{_Y}(?:(?:,? +|T|:){_CLOCK})?", _NAMED),
    _reading(f"{_WEEKDAY}{_B}[-/ ]{{0,2}}{_D}{_TH}(?:,? +|[-/]){_Y}{_TIME}", _NAMED),
    _reading(f"{_WEEKDAY}{_B} +{_D} +{_CLOCK} +{_Y}", _NAMED),
    _reading(f"{_Y}{_SEP}{{0,2}}{_B}{_SEP}{{0,2}}{_D}{_TIME}", _NAMED),
    _reading(f"{_WEEKDAY}{_D}{_SEP}{_B}{_SEP}{_SURE_YY}{_TIME}", "dates with years of two digits, from 1970 to 2029"),
    _reading(
        f"{_WEEKDAY}{_D}{_SEP}{_B}{_SEP}{_YY}{_TIME}",
        "dates with years of two digits, from 1969 to 2068",
        "dmy",
        always,
    ),
    _reading(f"{_ENGLISH_B}{_SEP}{{0,2}}{_SURE_Y}", "months, by their first day"),
    _reading(f"{_SURE_Y}{_SEP}{{0,2}}{_ENGLISH_B}", "months, by their first day"),
    _reading(f"{_SURE_Y}[-/]{_MM}", "months, by their first day", doubt=_are_school_years),
    _reading(f"{_SURE_Y}-?M{_MM}", "months, by their first day"),
    _reading(f"{_MM}[-/]{_SURE_Y}", "months, by their first day"),
    _reading(f"{_SURE_Y}[-/: ]?[Qq](?P<q>[1-4])", "quarters, by their first day"),
    _reading(f"[Qq](?P<q>[1-4])[-/: ]?{_SURE_Y}", "quarters, by their first day"),
    _reading(f"(?P<q>[1-4])[Qq][-/: ]?{_SURE_Y}", "quarters, by their first day"),
    _reading(f"{_SURE_Y}-?W(?P<w>[0-4][0-9]|5[0-3])(?:-(?P<u>[1-7]))?", "ISO weeks, by their Monday"),
    _reading(f"{_Y}-?(?P<j>[0-3][0-9]{{2}})T{_CLOCK}", "times with the day of the year"),
    _reading(
        f"{_Y}{_MM}{_DD}T(?P<h>[0-9]{{2}})(?P<i>[0-5][0-9])(?P<s>[0-5][0-9])?(?P<z>Z)?", "times without separators"
    ),
)


def date_readings(dates: str | None) -> list[Reading]:
    """Return the readings of dates and times; if the order of day, month and year is given, no others."""
    chosen = f"?dates={dates}"
    return [
        replace(reading, doubt=None) if reading.option == chosen else reading
        for reading in _DATE_READINGS
        if dates is None or reading.option in ("", chosen)
    ]
