"""Summary of each column: count, missing, extremes, mean, spread, quantiles, most frequent values."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from pydantic import Field

from analyses.kit import NUMBERS, Columns, Outcome, Params, Progress, to_text, type_of

if TYPE_CHECKING:
    import polars as pl

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class SummaryParams(Params):
    columns: Columns | None = Field(default=None, description="The columns; null is all of them.")
    top: int = Field(default=5, ge=0, le=1000, description="How many of the most frequent values to list.")


def run(rows: pl.DataFrame, params: SummaryParams, progress: Progress) -> Outcome:
    """Summarise each column by its type; ``missing`` counts NaN and infinities too, since JSON has no word for them.

    ``most_frequent`` lists the values by falling count, those of equal count by rising value.
    """
    names = list(dict.fromkeys(params.columns or rows.columns))
    columns: dict[str, dict[str, Any]] = {}
    for done, name in enumerate(names):
        progress(done / len(names), f"column {name}")
        columns[name] = _summary(rows[name].alias("value"), params.top)
    progress(1.0)
    return Outcome({"columns": columns}, tables={"table": _table(columns)})


def _summary(series: pl.Series, top: int) -> dict[str, Any]:
    values = series.drop_nulls()
    if values.dtype.is_float():
        values = values.filter(values.is_finite())
    kind = type_of(values.dtype)
    return {
        "type": kind,
        "count": len(values),
        "missing": len(series) - len(values),
        "distinct": values.n_unique(),
        **_statistics(values, kind),
        "most_frequent": _most_frequent(values, top),
    }


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
    with np.errstate(over="ignore", invalid="ignore"):
        quantiles = np.quantile(array, _QUANTILES).tolist() if some else [None] * len(_QUANTILES)
        return {
            "min": values.min(),
            "max": values.max(),
            "mean": float(np.mean(array)) if some else None,
            "std": float(np.std(array, ddof=1)) if several else None,
            "quantiles": {str(q): value for q, value in zip(_QUANTILES, quantiles, strict=True)},
        }


def _most_frequent(values: pl.Series, top: int) -> list[dict[str, Any]]:
    by = ("count", "value")
    # Sorting all distinct values of a large column would take longer than everything else.
    leading = values.value_counts().top_k(top, by=by, reverse=[False, True])
    return leading.sort(by, descending=[True, False]).to_dicts()


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
