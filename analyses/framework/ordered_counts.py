"""The values of a column that is larger than memory, counted in their order, exactly: by ranges that fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ordered_counts"]

_HEADROOM = 1.25
_PARTS = 4

Range = tuple[Any, Any]
"""Values from the first on and before the second; None is an open end."""


def ordered_counts(
    read: Callable[[], Iterable[pl.Series]], sample: pl.Series, count: int, most: int
) -> Iterator[pl.DataFrame]:
    """Yield ``value`` and ``count`` of the distinct values in ascending order, in frames of at most ``most`` lines.

    ``read`` returns the values, ``count`` in all and none of them missing, in parts and again at each call; they are
    read once for each frame. ``sample`` has some of them from all parts, by which the ranges are divided.
    """
    # Of a column whose values repeat, one pass may do; it is divided if not.
    is_varied = 2 * sample.n_unique() > len(sample)
    pending = _divide((None, None), sample, math.ceil(_HEADROOM * count / most) if is_varied else 1)
    while pending:
        part = pending.pop(0)
        counts = _count(read(), part, most)
        if counts.height <= most:
            yield counts
        else:
            values = _within(sample, part).unique()
            pending[:0] = _divide(part, values if len(values) > _PARTS else counts["value"], _PARTS)


def _count(parts: Iterable[pl.Series], within: Range, most: int) -> pl.DataFrame:
    """Return the counts in a range; more lines than ``most`` are not all."""
    import polars as pl

    counts = pl.DataFrame(schema={"value": pl.Null, "count": pl.UInt32})
    read: list[pl.Series] = []
    for values in parts:
        read.append(_within(values, within))
        if sum(map(len, read)) > most:
            counts = _merge(counts, read)
            read.clear()
            if counts.height > most:
                return counts
    return _merge(counts, read) if read else counts


def _merge(counts: pl.DataFrame, values: list[pl.Series]) -> pl.DataFrame:
    """Count more values, by sorting them: tables of hashes would take several times the memory."""
    import polars as pl

    runs = pl.concat(values).sort().rle().struct.unnest()
    found = runs.select(pl.col("value"), pl.col("len").cast(pl.UInt32).alias("count"))
    if not counts.height:
        return found
    both = pl.concat([counts, found]).sort("value")
    return both.group_by("value", maintain_order=True).agg(pl.col("count").sum())


def _within(values: pl.Series, within: Range) -> pl.Series:
    low, high = within
    if low is not None:
        values = values.filter(values >= low)
    return values if high is None else values.filter(values < high)


def _divide(whole: Range, sample: pl.Series, parts: int) -> list[Range]:
    """Divide a range into about so many parts, of equal shares of the sample."""
    if parts == 1:
        return [whole]
    ordered = sample.sort()
    inner = {ordered[len(ordered) * number // parts] for number in range(1, parts)} - {ordered[0], whole[0]}
    edges = [whole[0], *sorted(inner), whole[1]]
    return list(pairwise(edges))
