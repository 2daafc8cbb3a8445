"""Groups: rows counted and a column aggregated by the values of one or two columns, drawn as a bar chart."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from analyses.kit import (
    COLORS,
    Aggregate,
    CategoryColumns,
    NumberColumn,
    OptionalCompare,
    Outcome,
    Params,
    Rows,
    aggregate_groups,
    bad_column,
    category_label,
    clip_for_plot,
    draw_placeholder,
    finite_values,
    label,
    legend_below,
    new_plot,
    rereading,
    to_numeric,
    truncate_label,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_BARS = 30
_MOST_COLORS = 6
_BARS_HEIGHT = 0.72


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
    compare: OptionalCompare

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


def run(rows: Rows, params: GroupsParams) -> Outcome:
    """Aggregate each group; missing values are a group of their own, groups of equal rank come in the order of names.

    ``count`` is of rows; the other aggregates are of the column's finite values, ``std`` the sample's (``ddof=1``).
    ``groups`` lists the first ``top`` of them; ``distinct`` is their number, and ``others`` counts those not listed.

    With ``compare``, the groups are those of all subsets together, and ``subsets`` has the aggregates of each subset
    for the listed groups. The table lists the subsets one after the other.
    """

    kinds = params.aggregates or ["count"]
    keys = [f"by {place}" for place in range(len(params.by))]
    read = rereading(rows, partial(_frames, rows, params, keys))
    tables = [
        aggregate_groups((frames[number] for frames in read()), keys, kinds)
        for number in range(1 + (len(params.compare.values) if params.compare else 0))
    ]
    order, descending = [params.sort or kinds[0], *keys], [params.descending, *(False for _ in keys)]
    table = tables[0].sort(order, descending=descending, nulls_last=True)
    listed = table.head(params.top)
    parts = [_listed_only(each, listed, keys) for each in tables[1:]]
    result = {
        "by": params.by,
        "column": params.column,
        "sort": order[0],
        "distinct": table.height,
        "groups": _as_json(listed, keys, kinds),
        "others": {
            "groups": table.height - listed.height,
            "count": int(table["rows"].sum()) - int(listed["rows"].sum()),
        },
    }
    compared = params.compare.values if params.compare else []
    if compared:
        result["subsets"] = [
            {"value": value, "count": int(each["rows"].sum()), "groups": _as_json(part, keys, kinds)}
            for value, each, part in zip(compared, tables[1:], parts, strict=True)
        ]
    names = [category_label(value) for value in compared]
    figure = _draw(params, names, parts or [listed], table.height)
    return Outcome(result, {"plot": figure}, {"table": _table(params, names, parts or [listed], keys)})


def _table(params: GroupsParams, names: list[str], parts: list[pl.DataFrame], keys: list[str]) -> pl.DataFrame:
    import polars as pl

    kinds = params.aggregates or ["count"]
    shown = [part.select(*keys, *kinds) for part in parts]
    if names:
        shown = [part.select(pl.lit(name).alias("subset"), pl.all()) for name, part in zip(names, shown, strict=True)]
    table = pl.concat(shown)
    table.columns = _distinct_names([*(["subset"] if names else []), *params.by, *kinds])
    return table


def _frames(rows: Rows, params: GroupsParams, keys: list[str]) -> Iterator[list[pl.DataFrame]]:
    """Yield the rows that are grouped, and those of each subset, batch by batch."""
    import polars as pl

    # The name of a group may be that of an aggregate.
    named = [pl.col(name).alias(key) for name, key in zip(params.by, keys, strict=True)]
    others = [*([params.column] if params.column else []), *([params.compare.column] if params.compare else [])]
    for batch in rows.batches([*params.by, *others]):
        value = pl.lit(None) if params.column is None else finite_values(batch[params.column])
        frame = batch.select(*named, value.alias("value"))
        masks = [subset.rows for subset in params.compare.split(batch)] if params.compare else []
        yield [frame.filter(pl.any_horizontal(masks)) if masks else frame, *map(frame.filter, masks)]


def _listed_only(table: pl.DataFrame, listed: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Return the listed groups, in their order, with the aggregates of ``table``: 0 or null for one without rows."""
    import polars as pl
    import polars.selectors as cs

    found = listed.select(keys).join(table, on=keys, how="left", nulls_equal=True, maintain_order="left")
    return found.with_columns(cs.by_name("count", "sum", require_all=False).fill_null(0), pl.col("rows").fill_null(0))


def _as_json(table: pl.DataFrame, keys: list[str], kinds: list[Aggregate]) -> list[dict[str, Any]]:
    return [{"group": [line[key] for key in keys], **{kind: line[kind] for kind in kinds}} for line in table.to_dicts()]


def _distinct_names(names: list[str]) -> list[str]:
    distinct: list[str] = []
    for name in names:
        while name in distinct:
            name += "_"
        distinct.append(name)
    return distinct


def _draw(params: GroupsParams, subsets: list[str], parts: list[pl.DataFrame], groups: int) -> Figure:
    """Draw the bars of each group, one for each part; ``subsets`` are the names of the parts, if there are several."""
    from matplotlib.ticker import MaxNLocator

    drawn: Aggregate = params.sort or "count"
    words = "count" if drawn == "count" else f"{drawn} of {label(params.column or '')}"
    names = " and ".join(label(name) for name in params.by)
    tables = [part.head(_MOST_BARS // len(parts)) for part in parts]
    count = tables[0].height
    which = f", the first {count} of {groups:,}" if count < groups else ""
    compared = f", compared by {params.compare.column}" if params.compare else ""
    title = f"{words[0].upper()}{words[1:]} by {names}{which}{compared}"
    height = max(2.6, 1.4 + 0.3 * count) if len(parts) == 1 else 2.4 + (0.15 + 0.2 * count) * len(parts)
    figure, axes = new_plot(title, x=words, y=names, height=height)
    axes.grid(visible=False, axis="y")
    if not count:
        draw_placeholder(axes)
        return figure
    bars = _draw_bars(axes, tables, drawn)
    keys = [name for name in tables[0].columns if name.startswith("by ")]
    if subsets:
        legend_below(axes, bars, [truncate_label(name, 30) for name in subsets])
    elif len(keys) == 2:
        _color_by(axes, bars[0], [category_label(value) for value in tables[0][keys[-1]]], params.by[-1])
    lines = [" · ".join(category_label(line[key]) for key in keys) for line in tables[0].to_dicts()]
    axes.set_yticks(range(count), labels=[truncate_label(line, 40) for line in lines], parse_math=False)
    axes.set_ylim(count - 0.4, -0.6)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10], integer=drawn == "count"))
    return figure


def _draw_bars(axes: Axes, tables: list[pl.DataFrame], drawn: Aggregate) -> list[Any]:
    """Draw the bars of each table beside those of the others, with their values."""
    import numpy as np

    height = _BARS_HEIGHT / len(tables)
    bars, longest = [], 0
    for number, table in enumerate(tables):
        places = np.arange(table.height) + (number - (len(tables) - 1) / 2) * height
        values = np.nan_to_num(clip_for_plot(to_numeric(table[drawn])))
        bars.append(axes.barh(places, values, height=height, color=COLORS[number]))
        texts = _numbers(table[drawn], drawn)
        axes.bar_label(bars[-1], labels=texts, padding=4, fontsize=9, color="#333333")
        longest = max(longest, *map(len, texts))
    # The value at the longest bar needs room, too.
    axes.margins(x=0.04 + 0.03 * longest)
    return bars


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
