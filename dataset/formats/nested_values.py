"""Conversion of polars' nested values (lists, arrays, structs, maps) to JSON text.

Values of types that JSON does not have become text as in a column of their own: dates and times in ISO 8601, numbers of
ticks beyond the year 9999, bytes as UTF-8 or hexadecimal.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

import polars as pl

from dataset.formats.columns import to_json_text

__all__ = ["NestedTooLarge", "to_json_texts"]

_BATCH_ROWS: Final = 1000
_TICKS_PER_SECOND: Final = {"ms": 1000, "us": 1_000_000, "ns": 1_000_000_000}
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_TO_TEXT: Final = (pl.Decimal, pl.Categorical, pl.Enum, pl.Null)

_Convert = Callable[[Any], Any]


class NestedTooLarge(Exception):
    """The JSON text exceeds the limit."""


def to_json_texts(column: pl.Series, max_bytes: int) -> pl.Series:
    """Convert nested values to JSON, a few rows at a time: as Python objects they take many times their size.

    Raises NestedTooLarge, and the errors of polars.
    """
    kind, convert = _plain_type(column.dtype)
    parts = [pl.Series(column.name, [], dtype=pl.String)]
    size = 0
    for first in range(0, len(column), _BATCH_ROWS):
        # Python's dates end with the year 9999: polars hands over numbers of ticks instead.
        values = column.slice(first, _BATCH_ROWS).cast(kind).to_list()
        part = pl.Series(column.name, [to_json_text(convert(value)) for value in values], dtype=pl.String)
        size += int(part.str.len_bytes().sum())
        if size > max_bytes:
            raise NestedTooLarge
        parts.append(part)
    return pl.concat(parts)


def _plain_type(kind: Any) -> tuple[pl.DataType, _Convert]:
    """Return the type to cast to, whose values Python can represent, and their conversion to JSON values."""
    if isinstance(kind, pl.Struct):
        members = [(field.name, *_plain_type(field.dtype)) for field in kind.fields]
        converts = {name: convert for name, _, convert in members}
        return pl.Struct({name: plain for name, plain, _ in members}), _optional(
            lambda value: {name: convert(value[name]) for name, convert in converts.items()}
        )
    if isinstance(kind, pl.List | pl.Array):
        plain, convert = _plain_type(cast(pl.DataType, kind.inner))
        nested = pl.Array(plain, kind.shape[0]) if isinstance(kind, pl.Array) else pl.List(plain)
        return nested, _optional(lambda values: [convert(value) for value in values])
    return _plain_scalar(kind)


def _plain_scalar(kind: pl.DataType) -> tuple[pl.DataType, _Convert]:
    if isinstance(kind, pl.Date):
        return pl.Int32(), _optional(_date_text)
    if isinstance(kind, pl.Datetime):
        ticks = _TICKS_PER_SECOND[kind.time_unit]
        return pl.Int64(), _optional(lambda value: _time_text(value, ticks))
    if isinstance(kind, pl.Duration):
        return pl.Int64(), _optional(partial(_duration_text, kind))
    if isinstance(kind, pl.Time):
        return pl.Int64(), _optional(_clock_text)
    if isinstance(kind, pl.Binary):
        return kind, _optional(_bytes_text)
    if isinstance(kind, _TO_TEXT):
        return pl.String(), lambda value: value
    return kind, lambda value: value


def _optional(convert: _Convert) -> _Convert:
    return lambda value: None if value is None else convert(value)


def _date_text(days: int) -> str:
    try:
        return (_EPOCH + dt.timedelta(days=days)).date().isoformat()
    except OverflowError:
        return str(days)


def _time_text(value: int, ticks: int) -> str:
    seconds, rest = divmod(value, ticks)
    micros = rest * 1_000_000 // ticks
    try:
        time = _EPOCH + dt.timedelta(seconds=seconds, microseconds=micros)
    except OverflowError:
        return str(value)
    text = time.replace(tzinfo=None).isoformat(timespec="microseconds" if micros % 1000 else "milliseconds")
    return f"{text}Z"


def _duration_text(kind: pl.DataType, value: int) -> str:
    return str(pl.Series([value]).cast(kind).dt.to_string("iso").item())


def _clock_text(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{clock}.{rest:09}".rstrip("0") if rest else clock


def _bytes_text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()
