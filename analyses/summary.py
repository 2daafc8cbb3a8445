"""Summary of each column: count, missing, extremes, mean, spread, quantiles, most frequent values."""

from __future__ import annotations

import math
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import Field

from analyses.kit import (
    NUMBERS,
    Columns,
    Moments,
    Outcome,
    Params,
    Progress,
    Rows,
    ordered_counts,
    to_text,
    type_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import polars as pl

    Read = Callable[[], Iterable[tuple[pl.Series, int]]]

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_SAMPLE = 500
"""Values of each batch by which a large column is divided."""
_NUMBER_BYTES, _TEXT_BYTES = 64, 160
"""Memory that counting takes for each distinct value."""
_PARTS = 1024


class SummaryParams(Params):
    columns: Columns | None = Field(default=None, description="The columns; null is all of them.")
    top: int = Field(default=5, ge=0, le=1000, description="How many of the most frequent values to list.")


def run(rows: Rows, params: SummaryParams, progress: Progress) -> Outcome:
    """Summarise each column by its type; ``missing`` counts NaN and infinities too, since JSON has no word for them.

    ``most_frequent`` lists the values by falling count, those of equal count by rising value.
    """
    names = list(dict.fromkeys(params.columns or rows.schema.names()))
    columns: dict[str, dict[str, Any]] = {}
    for done, name in enumerate(names):
        progress(done / len(names), f"column {name}")
        summary = _summary if rows.budget is None else partial(_summary_of_batches, budget=rows.budget)
        columns[name] = summary(partial(_values, rows, name), params.top)
    progress(1.0)
    return Outcome({"columns": columns}, tables={"table": _table(columns)})


def _values(rows: Rows, name: str) -> Iterator[tuple[pl.Series, int]]:
    """Yield the values of a column, and how many are missing, batch by batch."""
    for batch in rows.batches([name]):
        series = batch[name].alias("value")
        values = series.drop_nulls()
        if values.dtype.is_float():
            values = values.filter(values.is_finite())
        yield values, len(series) - len(values)


def _summary(read: Read, top: int) -> dict[str, Any]:
    [(values, missing)] = read()
    kind = type_of(values.dtype)
    return {
        "type": kind,
        "count": len(values),
        "missing": missing,
        "distinct": values.n_unique(),
        **_statistics(values, kind),
        "most_frequent": _most_frequent(values.value_counts(), top),
    }


def _summary_of_batches(read: Read, top: int, budget: int) -> dict[str, Any]:
    """Summarise a column of which a batch is in memory at a time, exactly: its values are counted in their order."""
    import polars as pl

    sums, missing, samples = Moments(), 0, []
    for values, absent in read():
        missing += absent
        sums.add(values)
        samples.append(values.gather_every(max(1, len(values) // _SAMPLE)))
    kind, dtype = type_of(samples[0].dtype), samples[0].dtype
    bytes_each = _TEXT_BYTES if kind == "text" else _NUMBER_BYTES
    ranks = [place for q in _QUANTILES for place in _places(sums.count, q)] if kind in NUMBERS else []
    distinct, passed, found = 0, 0, dict.fromkeys(ranks)
    leading = pl.DataFrame(schema={"value": dtype, "count": pl.UInt32})
    pieces = ordered_counts(
        lambda: (values for values, _ in read()), pl.concat(samples), sums.count, max(_PARTS, budget // bytes_each)
    )
    for piece in pieces:
        distinct += piece.height
        leading = _leading(pl.concat([leading, piece]), top)
        ends = piece["count"].cast(pl.Int64).cum_sum() + passed
        for rank in ranks:
            if passed <= rank < (ends[-1] if len(ends) else passed):
                found[rank] = piece["value"][int(ends.search_sorted(rank, side="right"))]
        passed = ends[-1] if len(ends) else passed
    return {
        "type": kind,
        "count": sums.count,
        "missing": missing,
        "distinct": distinct,
        **sums.statistics(kind),
        **({"quantiles": {str(q): _quantile(found, sums.count, q) for q in _QUANTILES}} if kind in NUMBERS else {}),
        "most_frequent": _most_frequent(leading, top),
    }


def _places(count: int, q: float) -> tuple[int, int]:
    """Return the ranks, from 0, between which a quantile of ``count`` values lies."""
    low = math.floor((count - 1) * q)
    return max(0, low), max(0, min(low + 1, count - 1))


def _quantile(values: dict[int, Any], count: int, q: float) -> float | None:
    """Interpolate as ``numpy.quantile`` does, by which side is nearer."""
    if not count:
        return None
    low, high = (float(values[place]) for place in _places(count, q))
    share = (count - 1) * q - math.floor((count - 1) * q)
    return high - (high - low) * (1 - share) if share >= 0.5 else low + (high - low) * share


def _statistics(values: pl.Series, kind: str) -> dict[str, Any]:
    if kind in NUMBERS:
        return _number_statistics(values)
    if kind == "boolean":
        true = int(values.sum())
        return {"true": true, "false": len(values) - true, "mean": true / len(values) if len(values) else None}
    if kind in ("date", "time"):
        return {"min": values.min(), "max": values.max()}
    return {}


def _number_statistics(values: pl.Series) -> dict[str, Any]:
    """Extremes, mean, standard deviation and quantiles, computed by NumPy in double precision.

    ``std`` is the sample's, with n - 1 in the denominator (``ddof=1``), in two passes: the mean first, then the squared
    distances from it, so that a large offset costs no digits (Chan, Golub and LeVeque, "Algorithms for Computing the
    Sample Variance", The American Statistician 37(3), 1983). Quantiles are interpolated linearly: type 7 of Hyndman
    and Fan, "Sample Quantiles in Statistical Packages", The American Statistician 50(4), 1996, NumPy's default.
    """
    import numpy as np

    array = values.to_numpy()
    some, several = len(array) > 0, len(array) > 1
    # NumPy interpolates integers by their difference, which may not fit into 64 bits.
    is_wide = values.dtype.is_integer() and some and int(array.max()) - int(array.min()) >= 2**63
    ranked = array.astype(np.float64) if is_wide else array
    with np.errstate(over="ignore", invalid="ignore"):
        quantiles = np.quantile(ranked, _QUANTILES).tolist() if some else [None] * len(_QUANTILES)
        return {
            "min": values.min(),
            "max": values.max(),
            "mean": float(np.mean(array)) if some else None,
            "std": float(np.std(array, ddof=1)) if several else None,
            "quantiles": {str(q): value for q, value in zip(_QUANTILES, quantiles, strict=True)},
        }


def _most_frequent(counts: pl.DataFrame, top: int) -> list[dict[str, Any]]:
    return _leading(counts, top).sort("count", "value", descending=[True, False]).to_dicts()


def _leading(counts: pl.DataFrame, top: int) -> pl.DataFrame:
    # Sorting all distinct values of a large column would take longer than everything else.
    return counts.top_k(top, by=("count", "value"), reverse=[False, True])


def _table(columns: dict[str, dict[str, Any]]) -> pl.DataFrame:
    """One line per column; extremes as text, since the columns' types differ."""
    import polars as pl

    counts = dict.fromkeys(("count", "missing", "distinct"), pl.Int64)
    extremes = dict.fromkeys(("min", "max"), pl.String)
    numbers = dict.fromkeys(("mean", "std", *(f"quantile {q}" for q in _QUANTILES)), pl.Float64)
    lines = []
    for name, about in columns.items():
        quantiles = {f"quantile {q}": value for q, value in about.get("quantiles", {}).items()}
        low_high = {key: _cell(about.get(key)) for key in extremes}
        lines.append({"column": name, **about, **quantiles, **low_high})
    return pl.DataFrame(lines, schema={"column": pl.String, "type": pl.String, **counts, **extremes, **numbers})


def _cell(value: Any) -> str | None:
    if value is None:
        return None
    return to_text(value) if isinstance(value, date) else str(value)
