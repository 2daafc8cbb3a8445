"""The distinct values of columns in which they repeat: a search looks at each once, not in every row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import polars as pl

from dataset.folding import folded_texts
from dataset.parallel import parallel_map

__all__ = ["DistinctValues", "add_values", "find_distinct_values"]

_MIN_ROWS: Final = 8192
_REPETITIONS: Final = 8
_SAMPLED: Final = 64
"""Values that repeat in each 64th row do so in all; counting them there takes a tenth of the time."""


class DistinctValues(NamedTuple):
    """Values of a column, among them all that occur, and their folded texts."""

    values: pl.Series
    texts: pl.Series

    def containing(self, needle: str) -> pl.Series:
        """Return the values whose text contains the needle."""
        return self.values.filter(self.texts.str.contains(needle, literal=True))


def find_distinct_values(frame: pl.DataFrame) -> dict[str, DistinctValues]:
    """Return the distinct values of each column in which they repeat, by name."""
    if frame.height < _MIN_ROWS:
        return {}
    found = zip(frame.columns, parallel_map(_distinct_values, frame), strict=True)
    return {name: distinct for name, distinct in found if distinct is not None}


def add_values(
    known: dict[str, DistinctValues], frame: pl.DataFrame, slices: Sequence[tuple[int, int]]
) -> dict[str, DistinctValues] | None:
    """Return the known values and those of some slices; None if a column has another type, or a negative zero."""
    added = {}
    for name, (values, texts) in known.items():
        if name not in frame.schema or frame.schema[name] != values.dtype:
            return None
        parts = [frame[name].slice(*each) for each in slices]
        if any(_has_negative_zero(part) for part in parts):
            return None
        more = pl.concat([values.clear(), *parts]).unique().drop_nulls()
        more = more.filter(~more.is_in(values.implode()))
        added[name] = DistinctValues(pl.concat([values, more]), pl.concat([texts, folded_texts(more)]))
    return added


def _distinct_values(column: pl.Series) -> DistinctValues | None:
    """Return the distinct values of a column if they repeat, and equal values have equal texts; else None."""
    if not (_repeats(column.gather_every(_SAMPLED)) or _repeats(column)) or _has_negative_zero(column):
        return None
    # polars allocates for as many distinct values as there are rows.
    values = column.unique().drop_nulls().rechunk().shrink_to_fit()
    if len(values) * _REPETITIONS > len(column):
        return None
    return DistinctValues(values, folded_texts(values).rechunk().shrink_to_fit())


def _repeats(column: pl.Series) -> bool:
    """Return whether values repeat, about."""
    distinct: int = column.to_frame().select(pl.all().approx_n_unique()).item()
    return distinct * _REPETITIONS <= len(column)


def _has_negative_zero(column: pl.Series) -> bool:
    """Return whether there is a zero that is written `-0.0`, which equals the other."""
    if column.dtype != pl.Float64:
        return False
    zeros = column.filter(column == 0)
    return bool(len(zeros)) and bool((1 / zeros < 0).any())
