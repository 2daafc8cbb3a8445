"""Correlation of columns of numbers with each other, by Pearson or Spearman, drawn as a heat map."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from analyses.kit import (
    NumberColumns,
    Outcome,
    Params,
    Progress,
    Rows,
    add_colorbar,
    label,
    new_plot,
    to_numeric,
    truncate_label,
    two_sided_p,
)

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

_MOST_WRITTEN = 12


class CorrelationParams(Params):
    columns: NumberColumns
    method: Literal["pearson", "spearman"] = Field(
        default="pearson", description="Of the values (pearson), or of their ranks (spearman)."
    )


def run(rows: Rows, params: CorrelationParams, progress: Progress) -> Outcome:
    """Correlate each pair of columns over the rows in which both have a finite value.

    ``r`` is null for fewer than two such rows and for a constant, ``p`` for fewer than three. The matrices of ``r``,
    ``p`` and ``n`` are in the order of ``columns``.
    """
    import polars as pl

    names = params.columns
    frame = rows.frame(names)
    values = [to_numeric(frame[name]) for name in names]
    size = len(names)
    r: list[list[float | None]] = [[None] * size for _ in names]
    p: list[list[float | None]] = [[None] * size for _ in names]
    n = [[0] * size for _ in names]
    pairs = [*combinations(range(size), 2), *((place, place) for place in range(size))]
    for done, (one, other) in enumerate(pairs):
        progress(done / len(pairs), f"{names[one]} and {names[other]}")
        found = correlate(values[one], values[other], params.method)
        if one == other and found[0] is not None:
            found = 1.0, found[1], found[2]
        for row, column in ((one, other), (other, one)):
            r[row][column], p[row][column], n[row][column] = found
    lines = [(names[a], names[b], r[a][b], p[a][b], n[a][b]) for a, b in combinations(range(size), 2)]
    schema = {"column": pl.String, "with": pl.String, "r": pl.Float64, "p": pl.Float64, "n": pl.Int64}
    table = pl.DataFrame(lines, schema=schema, orient="row")
    result = {"columns": names, "method": params.method, "r": r, "p": p, "n": n}
    return Outcome(result, {"plot": _draw(names, params.method, r)}, {"table": table})


def correlate(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], method: str) -> tuple[float | None, float | None, int]:
    """Return the coefficient, its two-sided p value and the number of pairs.

    Pearson's r is the cosine of the two columns' distances from their means (Pearson, "Notes on Regression and
    Inheritance in the Case of Two Parents", Proceedings of the Royal Society 58, 1895). Spearman's is Pearson's of the
    ranks, tied values having the mean of theirs (Spearman, "The Proof and Measurement of Association between Two
    Things", American Journal of Psychology 15(1), 1904). Where the columns are independent and normal,
    r sqrt((n - 2) / (1 - r^2)) has Student's t distribution of n - 2 degrees of freedom; p is taken from it for both.
    """
    import numpy as np
    import polars as pl

    both = np.isfinite(x) & np.isfinite(y)
    x, y, n = x[both], y[both], int(both.sum())
    if method == "spearman":
        x, y = (pl.Series(each).rank("average").to_numpy() for each in (x, y))
    if n < 2 or (x == x[0]).all() or (y == y[0]).all():
        return None, None, n
    r = min(1.0, max(-1.0, float(_direction(x) @ _direction(y))))
    if not math.isfinite(r):
        return None, None, n
    if n < 3:
        return r, None, n
    rest = (1 - r) * (1 + r)
    return r, two_sided_p(r * math.sqrt((n - 2) / rest), n - 2) if rest else 0.0, n


def _direction(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the distances from the mean as a vector of length 1; scaled first, so that no square overflows."""
    import numpy as np

    values = values / np.abs(values).max()
    distances = values - values.mean()
    distances = distances / np.abs(distances).max()
    length: np.ndarray[Any, Any] = distances / np.linalg.norm(distances)
    return length


def _draw(names: list[str], method: str, r: list[list[float | None]]) -> Figure:
    import numpy as np

    size = len(names)
    side = min(14.0, 3.6 + 0.55 * size)
    figure, axes = new_plot(f"{method.capitalize()} correlation", x="", y="", width=side + 1.0, height=side)
    matrix = np.array([[np.nan if value is None else value for value in line] for line in r])
    axes.set_facecolor("#dddddd")
    image = axes.imshow(matrix, vmin=-1, vmax=1, cmap="RdBu_r", interpolation="nearest")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    texts = [truncate_label(label(name), 24) for name in names]
    axes.set_xticks(range(size), labels=texts, rotation=40, ha="right", rotation_mode="anchor", parse_math=False)
    axes.set_yticks(range(size), labels=texts, parse_math=False)
    axes.tick_params(length=0)
    if size <= _MOST_WRITTEN:
        for row, column in np.ndindex(size, size):
            value = matrix[row, column]
            text = "none" if np.isnan(value) else f"{value:z.2f}"
            axes.text(column, row, text, ha="center", va="center", color="white" if abs(value) > 0.6 else "#333333")
    add_colorbar(axes, image, "correlation (r)")
    return figure
