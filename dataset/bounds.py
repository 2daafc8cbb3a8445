"""Values that clients write, parsed as a column's type, and comparisons of columns with them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

import polars as pl

from dataset.errors import BoundsError, quoted
from dataset.types.type_inference import ColumnType, parse_number, parse_temporal

__all__ = [
    "Interval",
    "Ordering",
    "compare",
    "parse_bounds",
    "parse_value",
    "physical",
    "range_condition",
    "rounded",
    "start_after_end",
]

Ordering = Literal["lt", "lte", "gt", "gte"]

_DAY: Final = 86_400_000_000
_LIMITS: Final[dict[ColumnType, tuple[int, int]]] = {
    "integer": (-(2**63), 2**63 - 1),
    "date": (-(2**31), 2**31 - 1),
    "time": (-(2**63), 2**63 - 1),
}
_BOOLEANS: Final = {"true": True, "false": False, "yes": True, "no": False}
_EXPECTED: Final[dict[ColumnType, str]] = {
    "integer": "a number",
    "number": "a number",
    "text": "a text",
    "date": "a date such as 2018-02-03",
    "time": "a time such as 2018-02-03T04:05:06Z, or a date",
}


class Interval(NamedTuple):
    """The first and the last physical value that a client's value stands for: the two ends of a day, or one value."""

    first: Any
    last: Any


def parse_value(kind: ColumnType, value: object) -> Interval | None:
    """Parse text, a number or a boolean as a value of a column; None if it is not of the column's type.

    The interval has numbers for `integer` and `number`, days since 1970 for `date`, microseconds since 1970 for `time`.
    """
    if isinstance(value, str):
        return _parse_text(kind, value)
    if kind == "boolean":
        return Interval(value, value) if isinstance(value, bool) else None
    if kind not in ("integer", "number") or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return Interval(value, value) if isinstance(value, int) or math.isfinite(value) else None


def parse_bounds(kind: ColumnType, start: object, end: object, index: str = "") -> tuple[Any, Any]:
    """Parse inclusive bounds as physical values of the column `index` of type `kind`; None is an open end.

    Raises BoundsError for a bound that cannot be parsed as the index's type, and for a start after the end.
    """
    first, last = (_parse_bound(kind, bound, name, index) for name, bound in (("start", start), ("end", end)))
    low, high = first and first.first, last and last.last
    if low is not None and high is not None and low > high:
        raise BoundsError(f"start ({quoted(start)}) is after end ({quoted(end)}): swap the two.", "/start")
    return low, high


def start_after_end(start: object, end: object) -> bool:
    """Return whether start is after end as numbers, as times or else as text, for an unknown index type."""
    kinds: tuple[ColumnType, ...] = ("number", "time")
    for kind in kinds:
        first, last = parse_value(kind, start), parse_value(kind, end)
        if first is not None and last is not None:
            return bool(first.first > last.last)
    return isinstance(start, str) and isinstance(end, str) and start > end


def range_condition(column: pl.Expr, kind: ColumnType, low: Any, high: Any) -> pl.Expr | None:
    """Return the condition of the values in [low, high], as `parse_bounds` returned them; None if both are open."""
    conditions = [] if low is None else [compare(column, kind, "gte", Interval(low, low))]
    conditions += [] if high is None else [compare(column, kind, "lte", Interval(high, high))]
    return pl.all_horizontal(conditions) if conditions else None


def compare(column: pl.Expr, kind: ColumnType, operator: Ordering, value: Interval) -> pl.Expr:
    """Return the condition that a column is before or after a value; a missing value is neither."""
    first, last = rounded(kind, value)
    bound = first if operator in ("lt", "gte") else last
    lowest, highest = _LIMITS.get(kind, (bound, bound))
    if not lowest <= bound <= highest:
        holds = (bound > highest) == (operator in ("lt", "lte"))
        return column.is_not_null() & pl.lit(holds)
    values = physical(column, kind)
    compared: dict[Ordering, Callable[[Any], pl.Expr]] = {
        "lt": values.lt, "lte": values.le, "gt": values.gt, "gte": values.ge,
    }  # fmt: skip
    return compared[operator](bound)


def rounded(kind: ColumnType, value: Interval) -> Interval:
    """Return the interval as the column's type has it: a fraction lies between two integers, first after last."""
    if kind == "number":
        return Interval(_as_float(value.first), _as_float(value.last))
    if kind in _LIMITS:
        return Interval(math.ceil(value.first), math.floor(value.last))
    return value


def physical(column: pl.Expr, kind: ColumnType) -> pl.Expr:
    """Return the column as numbers, if it is one of dates or times."""
    return column.to_physical().cast(pl.Int64) if kind in ("date", "time") else column


def _parse_bound(kind: ColumnType, bound: object, name: str, index: str) -> Interval | None:
    if bound is None:
        return None
    value = parse_value(kind, bound)
    if value is None:
        column = f"the index {quoted(index)}" if index else "the index"
        raise BoundsError(
            f"{name} is {quoted(bound)}, but {column} is of type {kind}: send {_EXPECTED[kind]}.", f"/{name}"
        )
    return value


def _parse_text(kind: ColumnType, text: str) -> Interval | None:
    value: Any
    match kind:
        case "text":
            value = text if _is_unicode(text) else None
        case "boolean":
            value = _BOOLEANS.get(text.strip().lower())
        case "integer" | "number":
            value = parse_number(text.strip())
        case _:
            found, value = parse_temporal(text.strip()) or ("", None)
            if kind == "time" and found == "date":
                return Interval(value * _DAY, value * _DAY + _DAY - 1)
            value = value if found == kind else None
    return None if value is None else Interval(value, value)


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _as_float(bound: float) -> float:
    try:
        return float(bound)
    except OverflowError:
        return math.inf if bound > 0 else -math.inf
