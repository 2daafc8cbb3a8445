"""Histogram of a column of numbers: counts in bins of equal width, drawn as a bar chart."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationInfo, field_validator

from analyses.kit import NumberColumn, Outcome, Params, bad_column, new_plot

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from matplotlib.figure import Figure


class HistogramParams(Params):
    column: NumberColumn | None = Field(
        default=None,
        validate_default=True,
        description="The column of numbers; null is the first one that does not look like an identifier.",
    )
    bins: int = Field(default=20, ge=1, le=1000, description="How many bins.")

    @field_validator("column")
    @classmethod
    def _fill_in(cls, column: str | None, info: ValidationInfo) -> str | None:
        if column is not None or info.context is None:
            return column
        return _first_number(info.context["columns"])


def run(rows: pl.DataFrame, params: HistogramParams) -> Outcome:
    """Count the values as ``numpy.histogram`` does: every bin holds its lower edge, the last one its upper edge too.

    Missing values, NaN and infinities are left out. Without values there are no bins. A range that is too narrow or too
    wide to be divided in double precision is one bin.
    """
    import polars as pl

    column = params.column or _first_number({name: _type(dtype) for name, dtype in rows.schema.items()})
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


def _first_number(columns: dict[str, str]) -> str:
    numbers = [name for name, type_ in columns.items() if type_ in ("integer", "number")]
    if not numbers:
        raise bad_column(f"the dataset has no column of numbers; it has: {', '.join(columns) or 'none'}")
    likely = [name for name in numbers if name.lower() != "id" and not name.endswith(("_id", "Id", "ID"))]
    return (likely or numbers)[0]


def _type(dtype: pl.DataType) -> str:
    return "number" if dtype.is_numeric() else "other"


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
    from matplotlib.ticker import MaxNLocator

    figure, axes = new_plot(f"Histogram of {column}", x=column, y="count")
    if counts:
        widths = [upper - lower for lower, upper in pairwise(edges)]
        # White gaps would swallow bars that are a pixel wide, or the only bar of a constant.
        edge_color = "white" if 1 < len(counts) <= 100 else "C0"
        axes.bar(edges[:-1], counts, width=widths, align="edge", color="C0", edgecolor=edge_color, linewidth=0.5)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", va="center", fontsize="large")
        axes.set(xticks=[], yticks=[])
    return figure
