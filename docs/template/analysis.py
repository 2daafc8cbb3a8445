"""Template: the mean of a column of numbers by the values of another, as a plot and a table."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pydantic import Field

from analyses.kit import Column, FirstNumberColumn, Outcome, Params, Progress, label, new_plot, truncate_label

if TYPE_CHECKING:
    import polars as pl

_log = logging.getLogger(__name__)


class TemplateParams(Params):
    by: Column = Field(examples=["magnitude_type"], description="The column to group by.")
    column: FirstNumberColumn
    top: int = Field(default=10, ge=1, le=100, description="How many groups to show.")


def run(rows: pl.DataFrame, params: TemplateParams, progress: Progress) -> Outcome:
    """Average the rows of each group, the largest mean first; groups of equal mean are in the order of their names."""
    import polars as pl

    numbers = rows.select(pl.col(params.by).cast(pl.String).alias("group"), pl.col(params.column).alias("number"))
    known = numbers.drop_nulls()
    _log.info("%d of %d rows are complete", known.height, rows.height)

    progress(0.5, "averaging")
    means = known.group_by("group", maintain_order=True).agg(pl.col("number").mean().alias("mean"))
    table = means.sort("mean", "group", descending=[True, False]).head(params.top)

    progress(0.9, "drawing")
    figure, axes = new_plot(
        f"Mean {label(params.column)} by {params.by}", x=f"mean of {label(params.column)}", y=params.by
    )
    axes.barh(range(table.height), table["mean"].to_numpy())
    axes.set_yticks(range(table.height), labels=[truncate_label(name, 30) for name in table["group"]], parse_math=False)
    axes.invert_yaxis()
    return Outcome({"groups": means.height, "rows": known.height}, {"plot": figure}, {"table": table})
