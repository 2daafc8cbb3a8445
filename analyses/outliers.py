"""Outliers of a column of numbers, by the interquartile range or the robust z-score, over the index."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from analyses.kit import (
    COLORS,
    MAX_POINTS,
    AxisColumn,
    FirstNumberColumn,
    Outcome,
    Params,
    Rows,
    axis_label,
    clip_for_plot,
    draw_placeholder,
    draw_points,
    label,
    legend_below,
    new_plot,
    show_dates,
    to_numeric,
)

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from matplotlib.figure import Figure


class OutliersParams(Params):
    index: AxisColumn
    column: FirstNumberColumn
    method: Literal["iqr", "robust-z"] = Field(
        default="iqr", description="By the interquartile range, or by the median absolute deviation (robust z-score)."
    )
    factor: float | None = Field(
        default=None,
        gt=0,
        le=1e6,
        validate_default=True,
        description="What is too far: so many interquartile ranges off the quartiles (null is 1.5), a z-score (3.5).",
    )
    top: int = Field(default=100, ge=0, le=10_000, description="How many outliers to list, the farthest first.")

    @field_validator("factor")
    @classmethod
    def _fill_in(cls, factor: float | None, info: ValidationInfo) -> float:
        return factor or {"iqr": 1.5, "robust-z": 3.5}[info.data.get("method", "iqr")]


def run(rows: Rows, params: OutliersParams) -> Outcome:
    """Find the values outside of ``low`` to ``high``; the table has their whole rows, the farthest first.

    Missing values, NaN and infinities are left out. The bounds are null for no values, and where the deviation is 0.
    """
    import numpy as np

    frame = rows.frame([params.column, params.index])
    values = to_numeric(frame[params.column])
    known = np.isfinite(values)
    bounds = (fences if params.method == "iqr" else robust_bounds)(values[known], params.factor or 1.5)
    low, high = bounds or (-np.inf, np.inf)
    outside = known & ((values < low) | (values > high))
    with np.errstate(over="ignore"):
        distance = np.maximum(low - values, values - high)[outside]
    order = np.argsort(-distance, kind="stable")[: params.top]
    table = _where(rows, outside)[order.tolist()]
    result = {
        "column": params.column,
        "method": params.method,
        "count": int(known.sum()),
        "missing": rows.height - int(known.sum()),
        "low": bounds and low,
        "high": bounds and high,
        "outliers": int(outside.sum()),
        "below": int((values[known] < low).sum()),
        "above": int((values[known] > high).sum()),
        "farthest": [float(each) for each in values[outside][order]],
    }
    return Outcome(result, {"plot": _draw(frame, params, values, outside, bounds)}, {"table": table})


def _where(rows: Rows, mask: np.ndarray[Any, Any]) -> pl.DataFrame:
    """Return all columns of the rows at which the mask is true."""
    import polars as pl

    found, begin = [], 0
    for batch in rows.batches(rows.schema.names()):
        found.append(batch.filter(pl.Series(mask[begin : begin + batch.height])))
        begin += batch.height
    return pl.concat(found)


def fences(values: np.ndarray[Any, Any], factor: float) -> tuple[float, float] | None:
    """Tukey's fences: ``factor`` interquartile ranges below the first quartile and above the third.

    Tukey, "Exploratory Data Analysis", 1977. Quartiles are interpolated linearly, type 7 of Hyndman and Fan, "Sample
    Quantiles in Statistical Packages", The American Statistician 50(4), 1996.
    """
    import numpy as np

    if not len(values):
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        first, third = np.quantile(values, (0.25, 0.75))
        return float(first - factor * (third - first)), float(third + factor * (third - first))


def robust_bounds(values: np.ndarray[Any, Any], factor: float) -> tuple[float, float] | None:
    """Where the modified z-score (value - median) / (1.4826 MAD) is -``factor`` and ``factor``.

    Iglewicz and Hoaglin, "How to Detect and Handle Outliers", 1993. MAD is the median absolute deviation from the
    median; 1.4826 (1 over the normal distribution's third quartile) makes it the standard deviation of normal values.
    """
    import numpy as np

    if not len(values):
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        median = float(np.median(values))
        deviation = float(np.median(np.abs(values - median))) / NormalDist().inv_cdf(0.75)
    return (median - factor * deviation, median + factor * deviation) if deviation else None


def _draw(frame: pl.DataFrame, params: OutliersParams, values: Any, outside: Any, bounds: Any) -> Figure:
    import numpy as np

    timed = frame[params.index].dtype.is_temporal()
    title = f"Outliers of {label(params.column)}: {int(outside.sum()):,} of {int(np.isfinite(values).sum()):,}"
    figure, axes = new_plot(title, x=axis_label(params.index, timed=timed), y=label(params.column))
    x, y = clip_for_plot(to_numeric(frame[params.index])), clip_for_plot(values)
    shown = np.isfinite(x) & np.isfinite(y)
    if not shown.any():
        draw_placeholder(axes)
        return figure
    if timed:
        show_dates(axes, x[shown])
    inside = shown & ~outside
    if inside.any():
        draw_points(axes, x[inside], y[inside], color=COLORS[6] if inside.sum() <= MAX_POINTS else COLORS[0])
    places = np.flatnonzero(shown & outside)
    # Of many the farthest are drawn, and enough of them to see where they lie.
    places = places[np.argsort(-np.abs(y[places] - np.median(y[shown])), kind="stable")][:MAX_POINTS]
    if len(places):
        axes.scatter(x[places], y[places], s=14, color=COLORS[1], alpha=0.7, linewidths=0, label="outliers")
    for place, bound in enumerate(bounds or ()):
        words = "bounds" if place == 0 else None
        axes.axhline(float(clip_for_plot(bound)), color=COLORS[1], linewidth=1.2, linestyle=(0, (5, 3)), label=words)
    x_all, y_all = x[shown], y[shown]
    axes.set_xlim(*_margin(x_all.min(), x_all.max()))
    axes.set_ylim(*_margin(min(y_all.min(), *map(clip_for_plot, bounds or (y_all.min(),))), y_all.max()))
    if axes.get_legend_handles_labels()[0]:
        legend_below(axes, *axes.get_legend_handles_labels())
    return figure


def _margin(low: float, high: float) -> tuple[float, float]:
    margin = (high - low) * 0.04 or max(1.0, abs(high) * 1e-6)
    return float(low - margin), float(high + margin)
