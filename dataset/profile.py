"""A small picture of one column: its least and greatest value, and a histogram or its most frequent values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from dataset.serialization import to_json_values
from dataset.types.type_inference import ColumnType, column_type

__all__ = ["Bar", "ColumnProfile", "profile_column"]

_BINS: Final = 24
_TOP: Final = 5
_MAX_TEXT: Final = 200
_MAX_ROWS: Final = 200_000
_MAX_BYTES: Final = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Bar:
    """The values from `low` to `high`, as JSON values, and how many there are; for one value the two are the same.

    A long text is cut in `low`, and `high` is then None.
    """

    low: Any
    high: Any
    count: int


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """What a column holds: `bars` are a histogram of numbers, dates and times, else the most frequent values.

    `least` and `greatest` are of all rows. The bars and the number of `distinct` values (of text) are of `rows` rows,
    evenly chosen where the column has more.
    """

    type: ColumnType
    least: Any
    greatest: Any
    bars: tuple[Bar, ...]
    distinct: int | None
    rows: int


def profile_column(column: pl.Series) -> ColumnProfile:
    """Return the profile of a column, in a time that hardly grows with its length."""
    kind = column_type(column)
    mean_bytes = max(1, int(column.estimated_size()) // max(1, len(column)))
    most = max(1, min(_MAX_ROWS, _MAX_BYTES // mean_bytes))
    sample = column if len(column) <= most else column.gather_every(-(-len(column) // most))
    least = greatest = distinct = None
    if kind in ("text", "boolean"):
        distinct, bars = _most_frequent(sample)
    else:
        values = column.filter(column.is_finite()) if kind == "number" else column
        ends = to_json_values(pl.Series([values.min(), values.max()], dtype=column.dtype))
        least, greatest = ends
        bars = () if least is None else _histogram(sample, values.min(), values.max())
    return ColumnProfile(kind, least, greatest, bars, distinct, len(sample))


def _most_frequent(sample: pl.Series) -> tuple[int, tuple[Bar, ...]]:
    counts = sample.drop_nulls().alias("value").value_counts().sort("count", "value", descending=[True, False])
    return counts.height, tuple(_bar_of(value, count) for value, count in counts.head(_TOP).iter_rows())


def _bar_of(value: Any, count: int) -> Bar:
    if isinstance(value, str) and len(value) > _MAX_TEXT:
        return Bar(f"{value[:_MAX_TEXT]}…", None, count)
    return Bar(value, value, count)


def _histogram(sample: pl.Series, least: Any, greatest: Any) -> tuple[Bar, ...]:
    """Return the counts of bins of equal width; of integers and dates that are close, each value has a bin."""
    ends = pl.Series([least, greatest], dtype=sample.dtype).to_physical()
    low, high = ends
    whole = not ends.dtype.is_float()
    single = high - low < _BINS if whole else high / 2 == low / 2
    bins = int(high - low) + 1 if single else _BINS
    places = _bins_of(sample.to_physical().drop_nulls().cast(pl.Float64), float(low), float(high), bins, single)
    counts = dict(places.alias("bin").value_counts().iter_rows())
    if single:
        edges = [low + n for n in range(bins)]
    elif whole:
        edges = [low + (high - low) * n // bins for n in range(bins)]
    else:  # the difference of two numbers may be too large for a number
        edges = [low * (1 - n / bins) + high * (n / bins) for n in range(bins)]
    texts = to_json_values(pl.Series([*edges, high], dtype=ends.dtype).cast(sample.dtype)).to_list()
    return tuple(Bar(texts[n], texts[n if single else n + 1], counts.get(n, 0)) for n in range(bins))


def _bins_of(values: pl.Series, low: float, high: float, bins: int, single: bool) -> pl.Series:
    values = values.filter(values.is_finite())
    if single:
        return (values - low).cast(pl.Int64)
    return ((values / 2 - low / 2) / (high / 2 - low / 2) * bins).floor().clip(0, bins - 1).cast(pl.Int64)
