"""Bounds of a range over the index: parsing, validation and filtering."""

from __future__ import annotations

import math
from typing import Any, Final

import polars as pl

from dataset.errors import BoundsError, quoted
from dataset.type_inference import ColumnType, column_type, parse_number, parse_temporal

__all__ = ["equal_range", "in_range", "parse_bounds", "start_after_end"]

_DAY: Final = 86_400_000_000
_INT64: Final = (-(2**63), 2**63 - 1)
_INT32: Final = (-(2**31), 2**31 - 1)
_EXPECTED: Final[dict[ColumnType, str]] = {
    "integer": "a number",
    "number": "a number",
    "text": "a text",
    "date": "a date such as 2018-02-03",
    "time": "a time such as 2018-02-03T04:05:06Z, or a date",
}


def parse_bounds(kind: ColumnType, start: object, end: object) -> tuple[Any, Any]:
    """Parse inclusive bounds as values of an index of type `kind`; None is an open end.

    Returns numbers for `integer` and `number`, days since 1970 for `date`, microseconds since 1970 for `time`.
    Raises BoundsError for a bound that cannot be parsed as the index's type, and for a start after the end.
    """
    low, high = _parse_bound(kind, start, "start"), _parse_bound(kind, end, "end")
    if low is not None and high is not None and low > high:
        raise BoundsError(f"start ({quoted(start)}) is after end ({quoted(end)}): swap the two.", "/start")
    return low, high


def start_after_end(start: object, end: object) -> bool:
    """Return whether start is after end as numbers, as times or else as text, for an unknown index type."""
    for kind in ("number", "time"):
        try:
            low, high = _parse_bound(kind, start, "start"), _parse_bound(kind, end, "end")
        except BoundsError:
            continue
        return low is not None and high is not None and bool(low > high)
    return isinstance(start, str) and isinstance(end, str) and start > end


def in_range(index: pl.Series, start: object, end: object) -> pl.Series:
    """Return the mask of the values in [start, end]; missing values match only when both ends are open.

    Raises BoundsError as `parse_bounds` does.
    """
    low, high = parse_bounds(column_type(index), start, end)
    mask = pl.repeat(value=True, n=len(index), dtype=pl.Boolean, eager=True)
    if index.dtype == pl.String or (low is None and high is None):
        values = index
    elif index.dtype == pl.Float64:
        values, low, high = index, _as_float(low), _as_float(high)
    else:
        values, low, high = _as_int64(index, low, high)
    if low is not None:
        mask = values >= low
    if high is not None:
        mask = mask & (values <= high)
    return mask.fill_null(value=False)


def equal_range(kind: ColumnType, text: str) -> tuple[Any, Any] | None:
    """Return the first and the last physical value equal to a text; None if no value of the type can equal it.

    The two differ for a date compared with times: it equals all times of that day. Raises BoundsError as
    `parse_bounds` does.
    """
    low, high = parse_bounds(kind, text, text)
    if kind == "text":
        return low, high
    if kind == "number":
        return _as_float(low), _as_float(high)
    lowest, highest = _INT32 if kind == "date" else _INT64
    first, last = math.ceil(low), math.floor(high)
    return (first, last) if first <= last and lowest <= first and last <= highest else None


def _parse_bound(kind: ColumnType, bound: object, name: str) -> Any:
    if bound is None:
        return None
    value = _parse_text(kind, bound, name) if isinstance(bound, str) else _check_number(kind, bound)
    if value is None:
        raise BoundsError(
            f"{name} is {quoted(bound)}, but the index is of type {kind}: send {_EXPECTED[kind]}.", f"/{name}"
        )
    return value


def _check_number(kind: ColumnType, bound: object) -> int | float | None:
    if kind not in ("integer", "number") or isinstance(bound, bool) or not isinstance(bound, int | float):
        return None
    return bound if isinstance(bound, int) or math.isfinite(bound) else None


def _parse_text(kind: ColumnType, bound: str, name: str) -> Any:
    if kind == "text":
        return bound if _is_unicode(bound) else None
    if kind in ("integer", "number"):
        return parse_number(bound.strip())
    parsed_kind, value = parse_temporal(bound.strip()) or ("", 0)
    if kind == "time" and parsed_kind == "date":
        return value * _DAY + (_DAY - 1 if name == "end" else 0)
    return value if parsed_kind == kind else None


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _as_float(bound: float | None) -> float | None:
    if bound is None:
        return None
    try:
        return float(bound)
    except OverflowError:
        return math.inf if bound > 0 else -math.inf


def _as_int64(index: pl.Series, low: float | None, high: float | None) -> tuple[pl.Series, int | None, int | None]:
    """Round fractional bounds to the integers inside the range; a range outside of 64 bits becomes an empty one."""
    lowest, highest = _INT64
    first = lowest if low is None else math.ceil(low)
    last = highest if high is None else math.floor(high)
    values = index.to_physical().cast(pl.Int64)
    if first > highest or last < lowest:
        return values, highest, lowest
    return values, max(first, lowest), min(last, highest)
