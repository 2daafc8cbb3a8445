"""Groups: rows counted and a column aggregated by the values of one or two columns, drawn as a bar chart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from analyses.kit import (
    COLORS,
    Aggregate,
    CategoryColumns,
    NumberColumn,
    Outcome,
    Params,
    aggregate,
    bad_column,
    clip_for_plot,
    draw_placeholder,
    finite,
    label,
    new_plot,
    to_numeric,
    to_text,
    truncate_label,
)

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_BARS = 30
_MOST_COLORS = 6
_MISSING = "(missing)"


class GroupsParams(Params):
    by: CategoryColumns
    column: NumberColumn | None = Field(default=None, description="The column to aggregate; null counts the rows only.")
    aggregates: Annotated[list[Aggregate], Field(min_length=1, max_length=7)] | None = Field(
        default=None,
        validate_default=True,
        description="The aggregates of each group; null is count, and with a column mean, min and max as well.",
    )
    sort: Aggregate | None = Field(
        default=None, validate_default=True, description="The aggregate to sort by and draw; null is the first one."
    )
    descending: bool = Field(default=True, description="Whether the largest comes first.")
    top: int = Field(default=20, ge=1, le=10_000, description="How many groups to list.")

    @field_validator("aggregates")
    @classmethod
    def _fit_the_column(cls, kinds: list[Aggregate] | None, info: ValidationInfo) -> list[Aggregate]:
        column = info.data.get("column")
        if kinds is None:
            return ["count", "mean", "min", "max"] if column else ["count"]
        if len(set(kinds)) < len(kinds):
            raise bad_column("an aggregate is named twice")
        if column is None and kinds != ["count"]:
            raise bad_column("all but count are of a column: name one in `column`")
        return kinds

    @field_validator("sort")
    @classmethod
    def _is_listed(cls, kind: Aggregate | None, info: ValidationInfo) -> Aggregate | None:
        kinds = info.data.get("aggregates")
        if kinds and kind not in (None, *kinds):
            raise bad_column(f"sort by one of the aggregates: {', '.join(kinds)}")
        return kind or (kinds[0] if kinds else None)


def run(rows: pl.DataFrame, params: GroupsParams) -> Outcome:
    """Aggregate each group; missing values are a group of their own, groups of equal rank come in the order of names.

    ``count`` is of rows; the other aggregates are of the column's finite values, ``std`` the sample's (``ddof=1``).
    ``groups`` lists the first ``top`` of them; ``distinct`` is how many there are, ``others`` what is not listed.
    """
    import polars as pl

    kinds = params.aggregates or ["count"]
    drawn = params.sort or kinds[0]
    keys = [f"by {place}" for place in range(len(params.by))]
    values = [] if params.column is None else [finite(params.column).alias("value")]
    # What a group is called may be the name of an aggregate.
    frame = rows.select(*(pl.col(name).alias(key) for name, key in zip(params.by, keys, strict=True)), *values)
    aggregates = [aggregate(kind, None if kind == "count" else "value").alias(kind) for kind in kinds]
    # In order, because sums of fractions depend on it.
    table = frame.group_by(keys, maintain_order=True).agg(*aggregates, pl.len().alias("rows"))
    order = [drawn, *keys]
    table = table.sort(order, descending=[params.descending, *(False for _ in keys)], nulls_last=True)
    listed = table.head(params.top)
    result = {
        "by": params.by,
        "column": params.column,
        "sort": drawn,
        "distinct": table.height,
        "groups": [_as_json(line, keys, kinds) for line in listed.to_dicts()],
        "others": {"groups": table.height - listed.height, "count": rows.height - int(listed["rows"].sum())},
    }
    shown = listed.select(*keys, *kinds)
    shown.columns = _distinct_names([*params.by, *kinds])
    return Outcome(result, {"plot": _draw(params, drawn, listed.head(_MOST_BARS), table.height)}, {"table": shown})


def _as_json(line: dict[str, Any], keys: list[str], kinds: list[Aggregate]) -> dict[str, Any]:
    return {"group": [line[key] for key in keys], **{kind: line[kind] for kind in kinds}}


def _distinct_names(names: list[str]) -> list[str]:
    distinct: list[str] = []
    for name in names:
        while name in distinct:
            name += "_"
        distinct.append(name)
    return distinct


def _draw(params: GroupsParams, drawn: Aggregate, table: pl.DataFrame, groups: int) -> Figure:
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    words = "count" if drawn == "count" else f"{drawn} of {label(params.column or '')}"
    names = " and ".join(label(name) for name in params.by)
    which = f", the first {table.height} of {groups:,}" if table.height < groups else ""
    height = max(2.6, 1.4 + 0.3 * table.height)
    title = f"{words[0].upper()}{words[1:]} by {names}{which}"
    figure, axes = new_plot(title, x=words, y=names, height=height)
    axes.grid(visible=False, axis="y")
    if not table.height:
        draw_placeholder(axes)
        return figure
    keys = [name for name in table.columns if name.startswith("by ")]
    values = np.nan_to_num(clip_for_plot(to_numeric(table[drawn])))
    places = np.arange(table.height)
    bars = axes.barh(places, values, height=0.72, color=COLORS[0])
    if len(keys) == 2:
        _color_by(axes, bars, [_text(value) for value in table[keys[-1]]], params.by[-1])
    shown = _numbers(table[drawn], drawn)
    texts = [truncate_label(" · ".join(_text(line[key]) for key in keys), 40) for line in table.to_dicts()]
    axes.set_yticks(places, labels=texts, parse_math=False)
    axes.set_ylim(table.height - 0.4, -0.6)
    axes.bar_label(bars, labels=shown, padding=4, fontsize=9, color="#333333")
    # What is written at the longest bar has its place, too.
    axes.margins(x=0.04 + 0.03 * max(map(len, shown)))
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10], integer=drawn == "count"))
    return figure


def _color_by(axes: Axes, bars: Any, values: list[str], name: str) -> None:
    """Colour each bar by the second column's value, as long as there are few of them."""
    from matplotlib.patches import Patch

    kinds = list(dict.fromkeys(values))
    if len(kinds) > _MOST_COLORS:
        return
    colors = dict(zip(kinds, COLORS, strict=False))
    for bar, value in zip(bars, values, strict=True):
        bar.set_color(colors[value])
    handles = [Patch(color=color, label=truncate_label(kind, 30)) for kind, color in colors.items()]
    legend = axes.legend(handles=handles, title=truncate_label(name, 30), frameon=False, loc="best", fontsize=10)
    for text in (*legend.get_texts(), legend.get_title()):
        text.set_parse_math(False)


def _numbers(values: pl.Series, kind: Aggregate) -> list[str]:
    if kind == "count":
        return [f"{value:,}" for value in values]
    return ["none" if value is None else f"{value:.4g}" for value in values]


def _text(value: Any) -> str:
    if value is None:
        return _MISSING
    return to_text(value) if hasattr(value, "isoformat") else str(value)
