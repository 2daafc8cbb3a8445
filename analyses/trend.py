"""Trend of one column over another or over the index: a straight line with its confidence interval over the scatter."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from analyses.kit import (
    COLORS,
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
    quantile,
    show_dates,
    to_numeric,
    two_sided_p,
)

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

# All pairs of so many points are 4.5 million slopes, 36 MB.
_MOST_PAIRED = 3000
_LINE_POINTS = 101


class TrendParams(Params):
    x: AxisColumn
    y: FirstNumberColumn
    method: Literal["least-squares", "theil-sen"] = Field(
        default="least-squares", description="Least squares, or Theil-Sen, which is robust against outliers."
    )
    confidence: float = Field(default=0.95, ge=0.5, le=0.9999, description="Level of the confidence interval.")


def run(rows: Rows, params: TrendParams) -> Outcome:
    """Fit y = intercept + slope (x - origin) to the rows in which both are finite.

    Over dates and times x is in days and ``origin`` is the first of them; over numbers ``origin`` is 0. All is null for
    fewer than two rows, and where x is constant. The table has the line at 101 points, with the interval of its mean.
    """
    import numpy as np
    import polars as pl

    frame = rows.frame([params.x, params.y])
    timed = frame[params.x].dtype.is_temporal()
    x, y = to_numeric(frame[params.x]), to_numeric(frame[params.y])
    both = np.isfinite(x) & np.isfinite(y)
    x, y = x[both], y[both]
    origin = float(x.min()) if timed and len(x) else 0.0
    fit = least_squares if params.method == "least-squares" else theil_sen
    fitted = fit(x - origin, y, params.confidence) if len(x) > 1 and x.min() < x.max() else {}
    line = _line(x, origin, fitted)
    first = frame[params.x].filter(pl.Series(both)).min() if timed else 0.0
    result = {
        "x": params.x,
        "y": params.y,
        "method": params.method,
        "count": len(x),
        "missing": rows.height - len(x),
        "origin": first,
        "unit of x": "days" if timed else None,
        **dict.fromkeys(("slope", "intercept", "slope_low", "slope_high")),
        **{name: value for name, value in fitted.items() if name != "band"},
    }
    at = line[0] if not timed else (pl.Series(line[0]) * 86_400_000_000).round().cast(pl.Int64).cast(
        pl.Datetime("us", "UTC")
    )  # fmt: skip
    table = pl.DataFrame({"x": at, "fit": line[1], "low": line[2], "high": line[3]})
    return Outcome(result, {"plot": _draw(params, timed, x, y, line, fitted)}, {"table": table})


def least_squares(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], confidence: float) -> dict[str, Any]:
    """Fit a line by ordinary least squares, with the classical standard errors.

    Draper and Smith, "Applied Regression Analysis", 3rd edition, 1998, chapters 1 and 3: slope = Sxy/Sxx, residual
    variance = (Syy - slope Sxy)/(n - 2), the interval of the mean at x is fit +- t s sqrt(1/n + (x - mean)^2/Sxx), p is
    that of a slope of zero. With two points the line goes through both, and there is no interval.
    """
    import numpy as np

    n, x_mean, y_mean = len(x), float(x.mean()), float(y.mean())
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        dx, dy = x - x_mean, y - y_mean
        sxx, sxy, syy = float(dx @ dx), float(dx @ dy), float(dy @ dy)
        slope = sxy / sxx if sxx else math.nan
        intercept = y_mean - slope * x_mean
        residuals = dy - slope * dx
        variance = float(residuals @ residuals) / (n - 2) if n > 2 else math.nan
    r = min(1.0, max(-1.0, sxy / math.sqrt(sxx) / math.sqrt(syy))) if sxx and syy else 0.0
    fitted = {"slope": slope, "intercept": intercept, "r": r, "r_squared": r * r}
    if not (math.isfinite(variance) and math.isfinite(slope)):
        return fitted
    error = math.sqrt(variance / sxx)
    # The t of r: where the fit is perfect, the residuals are nothing but rounding.
    rest = (1 - r) * (1 + r)
    p = two_sided_p(r * math.sqrt((n - 2) / rest), n - 2) if rest else 0.0
    t = quantile(confidence, n - 2)

    def band(at: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        width: np.ndarray[Any, Any] = t * np.sqrt(variance * (1 / n + (at - x_mean) ** 2 / sxx))
        return width

    return {
        **fitted,
        "slope_low": slope - t * error,
        "slope_high": slope + t * error,
        "slope_error": error,
        "intercept_error": math.sqrt(variance * (1 / n + x_mean * x_mean / sxx)),
        "p": p,
        "band": band,
    }


def theil_sen(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], confidence: float) -> dict[str, Any]:
    """Fit a line through the medians of x and y whose slope is the median of the slopes of all pairs of points.

    Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau", Journal of the American Statistical
    Association 63(324), 1968; the interval is his, with the variance corrected for ties (his equation 2.6), as in
    ``scipy.stats.theilslopes``. Of more than 3,000 points, 3,000 evenly spaced in the order of x are paired; ``paired``
    is their number.
    """
    import numpy as np

    order = np.argsort(x, kind="stable")
    if len(x) > _MOST_PAIRED:
        order = order[np.linspace(0, len(x) - 1, _MOST_PAIRED).round().astype(int)]
    x, y, n = x[order], y[order], len(order)
    with np.errstate(over="ignore", invalid="ignore"):
        parts = []
        for place in range(n - 1):
            dx = x[place + 1 :] - x[place]
            parts.append((y[place + 1 :] - y[place])[dx > 0] / dx[dx > 0])
        slopes = np.sort(np.concatenate(parts))
        slope = float(np.median(slopes))
        intercept = float(np.median(y)) - slope * float(np.median(x))
    variance = (_tie_term([n]) - _tie_term(_repeats(x)) - _tie_term(_repeats(y))) / 18
    fitted = {"slope": slope, "intercept": intercept, "paired": n}
    if variance <= 0:
        return fitted
    width = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(variance)
    high = min(round((len(slopes) + width) / 2), len(slopes) - 1)
    low = max(round((len(slopes) - width) / 2) - 1, 0)
    return {**fitted, "slope_low": float(slopes[low]), "slope_high": float(slopes[high])}


def _repeats(values: np.ndarray[Any, Any]) -> list[int]:
    import numpy as np

    counts = np.unique(values, return_counts=True)[1]
    repeated: list[int] = counts[counts > 1].tolist()
    return repeated


def _tie_term(counts: list[int]) -> int:
    return sum(k * (k - 1) * (2 * k + 5) for k in counts)


def _line(x: np.ndarray[Any, Any], origin: float, fitted: dict[str, Any]) -> list[np.ndarray[Any, Any]]:
    """Return x, the fit and the two ends of the interval; NaN without an interval."""
    import numpy as np

    if not (fitted and math.isfinite(fitted["slope"]) and math.isfinite(fitted["intercept"])):
        return [np.array([])] * 4
    at = np.linspace(x.min(), x.max(), _LINE_POINTS)
    fit = fitted["intercept"] + fitted["slope"] * (at - origin)
    if "band" in fitted:
        width = fitted["band"](at - origin)
        return [at, fit, fit - width, fit + width]
    if "slope_low" in fitted:
        # Sen's interval is that of the slope: the line is rotated about the medians.
        middle = float(np.median(x))
        turned = [(at - middle) * (fitted[name] - fitted["slope"]) for name in ("slope_low", "slope_high")]
        return [at, fit, fit + np.minimum(*turned), fit + np.maximum(*turned)]
    return [at, fit, np.full_like(at, np.nan), np.full_like(at, np.nan)]


def _draw(params: TrendParams, timed: bool, x: Any, y: Any, line: list[Any], fitted: dict[str, Any]) -> Figure:
    import numpy as np

    figure, axes = new_plot(
        f"Trend of {label(params.y)} over {label(params.x)}", x=axis_label(params.x, timed=timed), y=label(params.y)
    )
    if not len(x):
        draw_placeholder(axes)
        return figure
    if timed:
        show_dates(axes, x)
    draw_points(axes, clip_for_plot(x), clip_for_plot(y))
    if len(line[0]):
        at, fit, low, high = map(clip_for_plot, line)
        per = " a day" if timed else ""
        words = f"{params.method}: slope {fitted['slope']:.3g}{per}"
        if np.isfinite(low).all():
            axes.fill_between(at, low, high, color=COLORS[1], alpha=0.25, linewidth=0, label=_interval(params))
        axes.plot(at, fit, color=COLORS[1], linewidth=2, label=words)
        handles, labels = axes.get_legend_handles_labels()
        legend_below(axes, handles[::-1], labels[::-1])
    return figure


def _interval(params: TrendParams) -> str:
    return f"{params.confidence * 100:g}% confidence interval"
