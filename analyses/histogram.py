"""Histogram of a column of numbers: counts in bins of equal width, drawn as a bar chart."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pydantic import Field

from analyses.kit import COLORS, FirstNumberColumn, Outcome, Params, clip_for_plot, draw_placeholder, label, new_plot

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from matplotlib.figure import Figure

# More would be a pixel wide each, and take seconds to draw.
_MOST_BARS = 100


class HistogramParams(Params):
    column: FirstNumberColumn
    bins: int = Field(default=20, ge=1, le=1000, description="How many bins.")


def run(rows: pl.DataFrame, params: HistogramParams) -> Outcome:
    """Count the values as ``numpy.histogram`` does: every bin holds its lower edge, the last one its upper edge too.

    Missing values, NaN and infinities are left out. Without values there are no bins. A range that is too narrow or too
    wide to be divided in double precision is one bin.
    """
    import polars as pl

    column = params.column
    series = rows[column]
    values = series.filter(series.is_finite()).to_numpy()
    edges, counts = _count(values, params.bins)
    table = pl.DataFrame(
        {"from": edges[:-1], "to": edges[1:], "count": counts},
        schema={"from": pl.Float64, "to": pl.Float64, "count": pl.Int64},
    )
    result = {
        "column": column,
        "count": len(values),
        "missing": len(series) - len(values),
        "edges": edges,
        "counts": counts,
    }
    return Outcome(result, {"plot": _draw(column, edges, counts)}, {"table": table})


def _count(values: np.ndarray[Any, Any], bins: int) -> tuple[list[float], list[int]]:
    import numpy as np

    if not len(values):
        return [], []
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            counts, edges = np.histogram(values, bins=bins)
    except ValueError:
        return [float(values.min()), float(values.max())], [len(values)]
    return edges.tolist(), counts.tolist()


def _draw(column: str, edges: list[float], counts: list[int]) -> Figure:
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    figure, axes = new_plot(f"Histogram of {label(column)}", x=label(column), y="count")
    if counts:
        edges = clip_for_plot(np.array(edges)).tolist()
        widths = [upper - lower for lower, upper in pairwise(edges)]
        if len(counts) <= _MOST_BARS:
            # White gaps would swallow the only bar of a constant.
            edge_color = "white" if len(counts) > 1 else COLORS[0]
            axes.bar(
                edges[:-1], counts, width=widths, align="edge", color=COLORS[0], edgecolor=edge_color, linewidth=0.5
            )
        else:
            axes.stairs(counts, edges, fill=True, color=COLORS[0], linewidth=0.5)
            axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        draw_placeholder(axes)
    return figure
