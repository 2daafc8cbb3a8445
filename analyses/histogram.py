"""Histogram of a column of numbers: counts in bins of equal width, drawn as a bar chart."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pydantic import Field

from analyses.kit import (
    COLORS,
    FirstNumberColumn,
    OptionalCompare,
    Outcome,
    Params,
    Rows,
    category_label,
    clip_for_plot,
    draw_placeholder,
    label,
    legend_below,
    new_plot,
    rereading,
    truncate_label,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from matplotlib.figure import Figure

# More would be a pixel wide each, and take seconds to draw.
_MOST_BARS = 100


class HistogramParams(Params):
    column: FirstNumberColumn
    bins: int = Field(default=20, ge=1, le=1000, description="How many bins.")
    compare: OptionalCompare


def run(rows: Rows, params: HistogramParams) -> Outcome:
    """Count the values as ``numpy.histogram`` does: every bin holds its lower edge, the last one its upper edge too.

    Missing values, NaN and infinities are left out. Without values there are no bins. A range that is too narrow or too
    wide to be divided in double precision is one bin.

    With ``compare``, the bins span the values of all subsets, and ``subsets`` has the counts of each. The other counts
    are their sums, and ``others`` is the number of rows in none of them.
    """
    import polars as pl

    read = rereading(rows, partial(_values, rows, params))
    given = params.compare.values if params.compare else [None]
    found, sizes, ends = [0] * len(given), [0] * len(given), []
    for values, lengths in read():
        found = [sum(pair) for pair in zip(found, map(len, values), strict=True)]
        sizes = [sum(pair) for pair in zip(sizes, lengths, strict=True)]
        ends += [end for each in values if len(each) for end in (each.min(), each.max())]
    edges, counts = _count((values for values, _ in read()), ends, found, params.bins)
    result = {
        "column": params.column,
        "count": sum(found),
        "missing": sum(sizes) - sum(found),
        "edges": edges,
        "counts": [sum(counted) for counted in zip(*counts, strict=True)],
    }
    schema = {"from": pl.Float64, "to": pl.Float64, "count": pl.Int64}
    tables = [pl.DataFrame([edges[:-1], edges[1:], counted], schema=schema) for counted in counts]
    names = [category_label(value) for value in given] if params.compare else []
    if names:
        result["others"] = rows.height - sum(sizes)
        result["subsets"] = [
            {"value": value, "count": count, "missing": size - count, "counts": counted}
            for value, count, size, counted in zip(given, found, sizes, counts, strict=True)
        ]
        tables = [
            table.select(pl.lit(name).alias("subset"), pl.all()) for name, table in zip(names, tables, strict=True)
        ]
    return Outcome(result, {"plot": _draw(params, edges, counts, names)}, {"table": pl.concat(tables)})


def _values(rows: Rows, params: HistogramParams) -> Iterator[tuple[list[np.ndarray[Any, Any]], list[int]]]:
    """Yield the finite values of each subset, and the number of its rows, batch by batch."""
    compared = [params.compare.column] if params.compare else []
    for batch in rows.batches([params.column, *compared]):
        subsets = params.compare.split(batch) if params.compare else []
        series = [batch[params.column].filter(subset.rows) for subset in subsets] or [batch[params.column]]
        yield [each.filter(each.is_finite()).to_numpy() for each in series], [*map(len, series)]


def _count(
    parts: Iterable[list[np.ndarray[Any, Any]]], ends: list[Any], sizes: list[int], bins: int
) -> tuple[list[float], list[list[int]]]:
    """Return the edges of bins for all values, between the least and the greatest of ``ends``, and their counts.

    ``sizes`` are the numbers of the values in each list.
    """
    import numpy as np

    if not ends:
        return [], [[] for _ in sizes]
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            edges = np.histogram_bin_edges(np.array([min(ends), max(ends)]), bins=bins)
            counts = np.zeros((len(sizes), bins), dtype=np.int64)
            for values in parts:
                counts += [np.histogram(each, bins=edges)[0] for each in values]
            return edges.tolist(), counts.tolist()
    except ValueError:
        return [float(min(ends)), float(max(ends))], [[size] for size in sizes]


def _draw(params: HistogramParams, edges: list[float], counts: list[list[int]], names: list[str]) -> Figure:
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    compared = f", compared by {params.compare.column}" if params.compare else ""
    figure, axes = new_plot(f"Histogram of {label(params.column)}{compared}", x=label(params.column), y="count")
    if not edges:
        draw_placeholder(axes)
        return figure
    edges = clip_for_plot(np.array(edges)).tolist()
    if names:
        drawn = list(zip(counts, COLORS, strict=False))
        areas = [axes.stairs(counted, edges, fill=True, color=color, alpha=0.3) for counted, color in drawn]
        for counted, color in drawn:
            axes.stairs(counted, edges, color=color, linewidth=1.5)
        legend_below(axes, areas, [truncate_label(name, 30) for name in names])
    elif len(counts[0]) <= _MOST_BARS:
        # White gaps would hide the only bar of a constant.
        edge_color = "white" if len(counts[0]) > 1 else COLORS[0]
        widths = [upper - lower for lower, upper in pairwise(edges)]
        axes.bar(
            edges[:-1], counts[0], width=widths, align="edge", color=COLORS[0], edgecolor=edge_color, linewidth=0.5
        )
    else:
        axes.stairs(counts[0], edges, fill=True, color=COLORS[0], linewidth=0.5)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure
