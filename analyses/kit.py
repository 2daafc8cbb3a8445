"""The API for analyses: parameters, columns, the outcome, plots, and trying an analysis out."""

from __future__ import annotations

from analyses.framework.aggregates import Aggregate, aggregate, aggregate_groups, finite, finite_values
from analyses.framework.columns import NUMBERS, TEMPORAL, type_of
from analyses.framework.comparison import Compare, OptionalCompare, Subset
from analyses.framework.moments import Moments
from analyses.framework.ordered_counts import ordered_counts
from analyses.framework.outcome import Outcome, Progress, to_text
from analyses.framework.parameters import (
    AxisColumn,
    CategoryColumns,
    Column,
    Columns,
    FirstNumberColumn,
    InvalidParams,
    LatitudeColumn,
    LongitudeColumn,
    NumberColumn,
    NumberColumns,
    Params,
    Range,
    bad_column,
)
from analyses.framework.plotting import (
    COLORS,
    MAX_POINTS,
    add_colorbar,
    axis_label,
    category_label,
    clip_for_plot,
    draw_placeholder,
    draw_points,
    label,
    legend_below,
    new_plot,
    show_cells,
    show_dates,
    to_numeric,
    truncate_label,
)
from analyses.framework.rows import Rows, rereading
from analyses.framework.t_distribution import quantile, two_sided_p
from analyses.framework.trial import Trial, try_analysis

__all__ = [
    "COLORS",
    "MAX_POINTS",
    "NUMBERS",
    "TEMPORAL",
    "Aggregate",
    "AxisColumn",
    "CategoryColumns",
    "Column",
    "Columns",
    "Compare",
    "FirstNumberColumn",
    "InvalidParams",
    "LatitudeColumn",
    "LongitudeColumn",
    "Moments",
    "NumberColumn",
    "NumberColumns",
    "OptionalCompare",
    "Outcome",
    "Params",
    "Progress",
    "Range",
    "Rows",
    "Subset",
    "Trial",
    "add_colorbar",
    "aggregate",
    "aggregate_groups",
    "axis_label",
    "bad_column",
    "category_label",
    "clip_for_plot",
    "draw_placeholder",
    "draw_points",
    "finite",
    "finite_values",
    "label",
    "legend_below",
    "new_plot",
    "ordered_counts",
    "quantile",
    "rereading",
    "show_cells",
    "show_dates",
    "to_numeric",
    "to_text",
    "truncate_label",
    "try_analysis",
    "two_sided_p",
    "type_of",
]
