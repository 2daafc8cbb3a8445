"""Type inference for columns of text: integers, numbers, booleans, dates, times or else text.

A type is inferred only if every value has it and the conversion is lossless: codes with leading zeros, numerals with a
plus sign and no fraction (telephone numbers), integers beyond 64 bits and numbers beyond a double stay text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date
from typing import Final, Literal, cast

import polars as pl

__all__ = [
    "COLUMN_TYPES",
    "MAX_EXACT",
    "TIME",
    "ColumnType",
    "all_match",
    "are_exact",
    "are_undecided",
    "column_type",
    "convert_in_slices",
    "infer_numeric",
    "infer_temporal",
    "null_inexact",
    "null_non_finite",
    "parse_number",
    "parse_temporal",
]

TIME: Final = pl.Datetime("us", "UTC")
"""The type of a `time` column: microseconds, UTC."""

ColumnType = Literal["integer", "number", "boolean", "text", "date", "time"]

COLUMN_TYPES: Final[dict[pl.DataType | type[pl.DataType], ColumnType]] = {
    pl.Int64: "integer",
    pl.Float64: "number",
    pl.Boolean: "boolean",
    pl.String: "text",
    pl.Date: "date",
    TIME: "time",
}

_DIGITS = "(?:0|[1-9][0-9]*)"
_INTEGER = "^(?:0|-?[1-9][0-9]*)$"
_NUMBER = (
    rf"^(?:(?:-?{_DIGITS}|[+-]?(?:{_DIGITS}\.[0-9]*|\.[0-9]+))(?:[eE][+-]?[0-9]+)?|[+-]?(?:inf|Infinity)|nan|NaN)$"
)
_BOOLEAN = "^(?:true|True|TRUE|false|False|FALSE)$"
_UNDECIDED = f"^(?:0|-?[1-9][0-9]*|-?{_DIGITS}[eE][0-9]+)$"
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_DATE = f"^{_DAY}$"
_TIME = (
    "^([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]"
    r"([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?"
    " ?(Z|z|UTC|GMT|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?$"
)
_CLOCK = "[0-9]{2}:[0-9]{2}:[0-5][0-9]"
_PLAIN_TIME = re.compile(rf"{_DAY}([T ]){_CLOCK}([.][0-9]{{3}}|[.][0-9]{{6}}|)(Z?)")
MAX_EXACT: Final = 2**53
"""Numbers beyond it may stand for one of several integers."""

_SAMPLE_ROWS = 100
_SLICE_ROWS = 2**17
_MAX_INT64_LENGTH = 20
_EPOCH = date(1970, 1, 1).toordinal()
_DAY_MICROSECONDS = 86_400_000_000


def column_type(column: pl.Series) -> ColumnType:
    """Return the name of the column's type in the HTTP contract."""
    return COLUMN_TYPES[column.dtype]


def null_non_finite(numbers: pl.Series) -> pl.Series:
    """Replace NaN and infinities by null."""
    return numbers.set(~numbers.is_finite(), None)


def are_undecided(texts: pl.Series) -> bool:
    """Return whether all values are integers of any size or like 1e5.

    They are numbers in a column with fractions, and otherwise identifiers or codes.
    """
    return all_match(texts, _UNDECIDED)


def infer_numeric(texts: pl.Series) -> pl.Series | None:
    """Return the column as integers (Int64), numbers (Float64) or booleans; None if it is not entirely one of them.

    Missing values are null; NaN and `inf` become null, if at least one finite number remains.
    """
    if all_match(texts, _INTEGER):
        # An integer beyond 64 bits does not make the column floats: identifiers would lose their last digits.
        integers = texts.cast(pl.Int64, strict=False)
        return integers if integers.null_count() == texts.null_count() else None
    if all_match(texts, _NUMBER) and not are_undecided(texts):
        floats = texts.cast(pl.Float64, strict=False)
        if texts.filter(floats.is_infinite()).str.contains("[0-9]").any():
            return None
        if null_inexact(texts, floats).null_count() > floats.null_count():
            return None
        numbers = null_non_finite(floats)
        return numbers if numbers.null_count() < len(numbers) else None
    if all_match(texts, _BOOLEAN):
        return texts.str.to_lowercase() == "true"
    return None


def null_inexact(texts: pl.Series, floats: pl.Series) -> pl.Series:
    """Replace the numbers of texts that are integers, and that lose digits as numbers, by null."""
    low, high = cast(tuple[float | None, float | None], (floats.min(), floats.max()))
    if low is None or high is None or -MAX_EXACT < low <= high < MAX_EXACT:
        return floats
    rows = (floats.abs() >= MAX_EXACT).arg_true()
    numerals = texts.gather(rows)
    lost = numerals.str.contains(_INTEGER) & ~are_exact(numerals.cast(pl.Int64, strict=False))
    return floats.clone().scatter(rows.filter(lost), None)


def are_exact(integers: pl.Series) -> pl.Series:
    """Return whether each of the integers has the same digits as a number; false for null."""
    return (integers.cast(pl.Float64).cast(pl.Int64, strict=False) == integers).fill_null(value=False)


def infer_temporal(texts: pl.Series) -> pl.Series | None:
    """Return the column as dates (`YYYY-MM-DD`) or times (RFC 3339 and similar ISO 8601; without an offset, UTC).

    None if it is not entirely one of them. Digits below the microsecond are truncated.
    """
    times = _parse_plain_times(texts)
    if times is not None:
        return _none_if_invalid(texts, times)
    if all_match(texts, _DATE):
        return convert_in_slices(texts, lambda part: _none_if_invalid(part, part.str.to_date("%Y-%m-%d", strict=False)))
    if all_match(texts, _TIME):
        return convert_in_slices(texts, lambda part: _none_if_invalid(part, _parse_times(part)))
    return None


def convert_in_slices(texts: pl.Series, convert: Callable[[pl.Series], pl.Series | None]) -> pl.Series | None:
    """Convert a column slice by slice, to limit the memory of intermediate results; None if a slice gives None."""
    parts = []
    for first in range(0, max(1, len(texts)), _SLICE_ROWS):
        part = convert(texts.slice(first, _SLICE_ROWS))
        if part is None:
            return None
        parts.append(part)
    return pl.concat(parts)


def parse_number(text: str) -> int | float | None:
    """Parse one text as :func:`infer_numeric` does a column, without the overhead of a column."""
    if re.search(_INTEGER, text):
        integer = int(text) if len(text) <= _MAX_INT64_LENGTH else 2**63
        return integer if -(2**63) <= integer < 2**63 else None
    number = float(text) if re.search(_NUMBER, text) else math.inf
    return number if math.isfinite(number) else None


def parse_temporal(text: str) -> tuple[ColumnType, int] | None:
    """Parse one text as :func:`infer_temporal` does: `date` and days, or `time` and microseconds, since 1970."""
    try:
        if re.search(_DATE, text):
            return "date", date.fromisoformat(text).toordinal() - _EPOCH
        if parts := re.search(_TIME, text):
            return "time", _to_microseconds(*parts.groups(default=""))
    except ValueError:
        return None
    return None


def _to_microseconds(day: str, clock: str, seconds: str, fraction: str, zone: str) -> int:
    days = date.fromisoformat(day).toordinal() - _EPOCH
    hour, minute, second = int(clock[:2]), int(clock[3:]), int(seconds or 0)
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError(clock)
    offset = 0
    if zone[:1] in ("+", "-"):
        digits = zone[1:].replace(":", "")
        offset = (int(digits[:2]) * 60 + int(digits[2:] or 0)) * (-1 if zone[0] == "-" else 1)
    minutes = days * 1440 + hour * 60 + minute - offset
    if second == 60 and (minutes + 1) % 1440:
        raise ValueError(clock)  # a leap second is the last second of a UTC day
    return (minutes * 60 + second) * 1_000_000 + int(fraction[:6].ljust(6, "0"))


def all_match(texts: pl.Series, pattern: str) -> bool:
    """Return whether at least one value is not missing, and all such values match the pattern."""
    # Python checks a sample first, which is cheap: most columns do not match.
    sample = [text for text in texts.head(_SAMPLE_ROWS).to_list() if text is not None]
    return (
        all(map(re.compile(pattern).search, sample))
        and texts.null_count() < len(texts)
        and texts.str.contains(pattern).all()
    )


def _parse_plain_times(texts: pl.Series) -> pl.Series | None:
    """Parse times that are all written as the first one is, in UTC, which is fast; return None if they are not."""
    first = next((text for text in texts.head(_SAMPLE_ROWS) if text is not None), "")
    parts = _PLAIN_TIME.fullmatch(first)
    if parts is None:
        return None
    separator, fraction, zone = parts.groups()
    digits = len(fraction) - 1
    fractions, form = (f"[.][0-9]{{{digits}}}", f"%.{digits}f") if fraction else ("", "")
    if not all_match(texts, f"^{_DAY}{separator}{_CLOCK}{fractions}{zone}$"):
        return None
    local = texts.str.to_datetime(f"%Y-%m-%d{separator}%H:%M:%S{form}{zone}", time_unit="us", strict=False)
    return local.dt.replace_time_zone("UTC")


def _parse_times(texts: pl.Series) -> pl.Series:
    parts = texts.str.extract_groups(_TIME).struct
    day, minute, second, fraction, zone = (parts.field(str(group)) for group in range(1, 6))
    local = (day + "T" + minute + ":" + second.fill_null("00")).str.to_datetime(
        "%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False
    )
    micros = _parse_digits(fraction.str.pad_end(6, "0"), 0, 6)
    digits = zone.str.replace(":", "", literal=True)
    utc_offset = _parse_digits(digits, 1, 2) * 60 + _parse_digits(digits, 3, 2)
    sign = zone.str.starts_with("-").fill_null(value=False).cast(pl.Int64) * -2 + 1
    seconds = local.cast(pl.Int64) - sign * utc_offset * 60_000_000
    leap = (second == "60").fill_null(value=False)
    if leap.any():
        seconds = seconds.set(leap & (seconds % _DAY_MICROSECONDS != 0), None)
    return (seconds + micros).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _parse_digits(texts: pl.Series, offset: int, length: int) -> pl.Series:
    return texts.str.slice(offset, length).cast(pl.Int64, strict=False).fill_null(0)


def _none_if_invalid(texts: pl.Series, instants: pl.Series) -> pl.Series | None:
    """Return None for invalid dates such as 30 February, and for years outside of Python's range."""
    years = instants.dt.year()
    is_valid = instants.null_count() == texts.null_count() and years.is_between(1, 9999).all()
    return instants if is_valid else None
