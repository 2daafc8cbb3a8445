"""Aggregates of columns, for ``timeseries`` and ``groups``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Aggregate", "aggregate", "finite", "finite_values"]

Aggregate = Literal["count", "mean", "sum", "min", "max", "median", "std"]


def aggregate(kind: Aggregate, column: str | None) -> pl.Expr:
    """Return the expression of an aggregate of ``column``, whose values are finite (:func:`finite_values`).

    ``count`` counts its values, or the rows where there is no column. ``std`` is the sample's (``ddof=1``), null for
    one value; ``median`` of an even number is the mean of the two in the middle. Of none, ``sum`` is 0, others null.
    """
    import polars as pl

    if column is None:
        return pl.len()
    values = pl.col(column)
    return {
        "count": values.count(),
        "mean": values.mean(),
        "sum": values.cast(pl.Float64).sum(),  # a sum of integers may exceed 64 bits
        "min": values.min().cast(pl.Float64),
        "max": values.max().cast(pl.Float64),
        "median": values.median(),
        "std": values.std(ddof=1),
    }[kind]


def finite(column: str) -> pl.Expr:
    """Return the column in double precision with NaN and infinities as null."""
    import polars as pl

    values = pl.col(column).cast(pl.Float64)
    return pl.when(values.is_finite()).then(values)


def finite_values(column: pl.Series) -> pl.Series:
    """Return integers as they are, other numbers in double precision with NaN and infinities as null."""
    # No copy where none is needed: it takes a fifth of the time of an aggregation.
    if column.dtype.is_integer() or (column.dtype.is_float() and column.is_finite().all()):
        return column
    return column.to_frame().select(finite(column.name)).to_series()
