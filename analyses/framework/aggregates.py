"""Aggregates of columns, for ``timeseries`` and ``groups``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import polars as pl

__all__ = ["Aggregate", "aggregate", "aggregate_groups", "finite", "finite_values"]

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


def aggregate_groups(
    frames: Iterable[pl.DataFrame], keys: Sequence[str], kinds: Sequence[Aggregate], *, counts_values: bool = False
) -> pl.DataFrame:
    """Return the aggregates of the column ``value`` for each group of ``keys``, named by their kinds.

    ``rows`` counts the rows, and so does ``count`` unless it ``counts_values``. Several frames, of which one is in
    memory at a time, are one table: their aggregates are merged. A median needs all frames at once.
    """
    import polars as pl

    given = iter(frames)
    first, second = next(given), next(given, None)
    if second is not None and "median" in kinds:
        first, second = pl.concat([first, second, *given]), None
    if second is None:
        counted = "value" if counts_values else None
        wanted = [aggregate(kind, counted if kind == "count" else "value").alias(kind) for kind in kinds]
        # In order, because sums of fractions depend on it.
        return first.group_by(keys, maintain_order=True).agg(*wanted, pl.len().alias("rows"))
    merged = _merged(pl.concat([_partial(first, keys), _partial(second, keys)]), keys)
    for frame in given:
        merged = _merged(pl.concat([merged, _partial(frame, keys)]), keys)
    shown = {
        "count": pl.col("n" if counts_values else "rows"),
        "mean": pl.when(pl.col("n") > 0).then(pl.col("average")),
        "sum": pl.col("total"),
        "min": pl.col("low"),
        "max": pl.col("high"),
        "std": pl.when(pl.col("n") > 1).then((pl.col("squares") / (pl.col("n") - 1)).sqrt()),
    }
    return merged.select(*keys, *(shown[kind].alias(kind) for kind in kinds), "rows")


def _partial(frame: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    import polars as pl

    value = pl.col("value").cast(pl.Float64)
    return frame.group_by(keys).agg(
        pl.len().cast(pl.Int64).alias("rows"),
        value.count().cast(pl.Int64).alias("n"),
        value.sum().alias("total"),
        value.mean().fill_null(0).alias("average"),
        value.min().alias("low"),
        value.max().alias("high"),
        (value.var(ddof=0) * value.count()).fill_null(0).alias("squares"),
    )


def _merged(partials: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Merge the aggregates of parts; squared distances as Chan, Golub and LeVeque do (see ``analyses/summary.py``)."""
    import polars as pl

    n, average = pl.col("n"), pl.col("average")
    mean = pl.when(n.sum() > 0).then((n * average).sum() / n.sum()).otherwise(0.0)
    return partials.group_by(keys).agg(
        pl.col("rows").sum(),
        n.sum(),
        pl.col("total").sum(),
        mean.alias("average"),
        pl.col("low").min(),
        pl.col("high").max(),
        (pl.col("squares").sum() + (n * (average - mean) ** 2).sum()).alias("squares"),
    )


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
