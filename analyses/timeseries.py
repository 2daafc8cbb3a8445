"""Time series: rows counted, or a column aggregated, in steps of equal length over the index."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from analyses.kit import (
    COLORS,
    TEMPORAL,
    Aggregate,
    AxisColumn,
    InvalidParams,
    NumberColumn,
    Outcome,
    Params,
    Range,
    aggregate,
    axis_label,
    bad_column,
    clip_for_plot,
    draw_placeholder,
    finite_values,
    label,
    new_plot,
    show_dates,
    to_numeric,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl
    from matplotlib.figure import Figure

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "mo": 2_629_746, "q": 7_889_238, "y": 31_556_952}
_NAMES = dict(zip(_SECONDS, "second minute hour day week month quarter year".split(), strict=True))
_STEPS = "1s 10s 1m 10m 1h 6h 1d 1w 1mo 1q 1y 10y 100y".split()
_FEW = 200
_MOST = 100_000
_MOST_DRAWN = 2000
_SYNTAX = re.compile(r"([1-9]\d{0,5})(s|m|h|d|w|mo|q|y)")


class TimeseriesParams(Params):
    index: AxisColumn
    every: Annotated[str, Field(max_length=10)] | Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="Length of a step: for dates and times a whole number of s, m (minutes), h, d, w, mo, q or y, such "
        "as 6h; for numbers a number. Null chooses one by the range.",
    )
    column: NumberColumn | None = Field(default=None, description="The column to aggregate; null counts the rows.")
    aggregate: Aggregate | None = Field(
        default=None,
        validate_default=True,
        description="What each step shows; null is mean, or count without a column.",
    )

    @field_validator("every")
    @classmethod
    def _fits_the_index(cls, every: str | float | None, info: ValidationInfo) -> str | float | None:
        if isinstance(every, str) and not _SYNTAX.fullmatch(every):
            raise bad_column("expected a whole number from 1 on and a unit of s, m, h, d, w, mo, q, y, such as 6h")
        if every is None or info.context is None or "index" not in info.data:
            return every
        timed = info.context["columns"][info.data["index"]] in TEMPORAL
        if timed != isinstance(every, str):
            wanted = "a text such as 6h" if timed else "a number"
            raise bad_column(f"the index {info.data['index']!r} takes {wanted}")
        return every

    @field_validator("aggregate")
    @classmethod
    def _fits_the_column(cls, kind: Aggregate | None, info: ValidationInfo) -> Aggregate | None:
        column = info.data.get("column")
        if kind is None:
            return "mean" if column else "count"
        if column is None and kind != "count":
            raise bad_column(f"{kind} is of a column: name one in `column`, or leave this out to count the rows")
        return kind

    def check_ranges(self, range_of: Callable[[str], Range | None]) -> None:
        """Refuse a step of which the rows' range has too many."""
        if self.every is not None and (found := range_of(self.index)) is not None:
            _check_count(found, self.every)


def run(rows: pl.DataFrame, params: TimeseriesParams) -> Outcome:
    """Aggregate the rows of each step; a step begins with its lower edge and ends before the next one's.

    Steps are aligned to the calendar in UTC (weeks begin on Monday), those of numbers to zero. Steps without rows are
    listed as well, with a count or sum of 0 and other aggregates null. Rows whose index is missing or infinite are left
    out.

    :raises InvalidParams: where there would be more than 100,000 steps.
    """
    import polars as pl

    kind: Aggregate = params.aggregate or "count"
    value = pl.lit(None) if params.column is None else finite_values(rows[params.column])
    frame = rows.select(pl.col(params.index).alias("step"), value.alias("value"))
    timed = frame["step"].dtype.is_temporal()
    frame = frame.filter(pl.col("step").is_not_null() if timed else pl.col("step").cast(pl.Float64).is_finite())
    every, steps = _timed_steps(frame, params.every) if timed else _number_steps(frame, params.every)
    words = "count" if kind == "count" else f"{kind} of {label(params.column or '')}"
    table = _aggregated(frame.with_columns(steps["step of row"]), steps["steps"], kind, params.column is not None)
    result = {
        "index": params.index,
        "column": params.column,
        "aggregate": kind,
        "every": every,
        "steps": table.height,
        "empty": table.filter(pl.col("rows") == 0).height,
        "count": frame.height,
        "missing": rows.height - frame.height,
    }
    shown = table.select(pl.col("step").alias("from"), pl.col("value").alias(kind))
    return Outcome(result, {"plot": _draw(params.index, words, every, table, kind)}, {"table": shown})


def _timed_steps(frame: pl.DataFrame, every: Any) -> tuple[str | None, dict[str, pl.Series]]:
    import polars as pl

    dated = frame["step"].dtype == pl.Date
    if not frame.height:
        return every, {"step of row": frame["step"], "steps": frame["step"]}
    # As numbers, because polars has more years than Python.
    moments = frame["step"].cast(pl.Datetime("us")).to_physical()
    seconds = (int(moments.max()) - int(moments.min())) / 1e6  # type: ignore[arg-type]
    candidates = [each for each in _STEPS if not dated or each[-1] not in "smh"]
    every = every or next((each for each in candidates if seconds / _length(each) <= _FEW), candidates[-1])
    _check_count(Range(0, seconds), every)
    column = frame["step"].cast(pl.Datetime("us", "UTC")) if dated and every[-1] in "smh" else frame["step"]
    truncated = column.dt.truncate(every)
    make = pl.date_range if column.dtype == pl.Date else pl.datetime_range
    steps = truncated.to_frame().select(make(pl.col("step").min(), pl.col("step").max(), every)).to_series()
    return every, {"step of row": truncated.alias("step"), "steps": steps.cast(truncated.dtype).alias("step")}


def _length(every: str) -> int:
    match = _SYNTAX.fullmatch(every)
    assert match is not None, every
    return int(match[1]) * _SECONDS[match[2]]


def _number_steps(frame: pl.DataFrame, every: Any) -> tuple[float | None, dict[str, pl.Series]]:
    import numpy as np
    import polars as pl

    column = frame["step"].cast(pl.Float64)
    if not frame.height:
        return every, {"step of row": column, "steps": column}
    low, high = float(column.min()), float(column.max())  # type: ignore[arg-type]
    width = float(every) if every else _round_width(low, high)
    _check_count(Range(low, high), width)
    values = column.to_numpy()
    numbers = np.floor(values / width)
    # Quotients and edges are rounded: a value equal to the lower edge of a step belongs to it in either case.
    numbers -= values < numbers * width
    numbers += values >= (numbers + 1) * width
    places = (numbers - numbers.min()).astype(np.int64)
    # Not a range from first to last: beyond 2**53, adding one changes nothing.
    edges = pl.Series((numbers.min() + np.arange(places.max() + 1)) * width)
    return width, {"step of row": edges.gather(places).alias("step"), "steps": edges.alias("step")}


def _round_width(low: float, high: float) -> float:
    """Return 1, 2 or 5 times a power of ten, for 50 to 125 steps; more if double precision cannot distinguish them."""
    least = max((high / 2 - low / 2) / 50, abs(low) * 1e-12, abs(high) * 1e-12)
    if not least:
        return 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next((factor * power for factor in (1, 2, 5) if factor * power >= least), 10 * power)


def _check_count(found: Range, every: str | float) -> None:
    length = _length(every) if isinstance(every, str) else float(every)
    if not found.high / length - found.low / length < _MOST:
        raise InvalidParams([("/every", f"more than {_MOST:,} steps in this range: choose a longer one")])


def _aggregated(frame: pl.DataFrame, steps: pl.Series, kind: Aggregate, has_column: bool) -> pl.DataFrame:
    import polars as pl

    # Consecutive rows are aggregated several times as fast; most datasets are in the order of time.
    if frame["step"].is_sorted():
        frame = frame.with_columns(pl.col("step").set_sorted())
    found = frame.group_by("step", maintain_order=True).agg(
        aggregate(kind, "value" if has_column else None).alias("value"), pl.len().alias("rows")
    )
    table = steps.to_frame().join(found, on="step", how="left", maintain_order="left")
    value = pl.col("value").fill_null(0) if kind in ("count", "sum") else pl.col("value")
    return table.with_columns(value, pl.col("rows").fill_null(0))


def _draw(index: str, words: str, every: str | float | None, table: pl.DataFrame, kind: Aggregate) -> Figure:
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    timed = table["step"].dtype.is_temporal()
    per = f" per {_in_words(every)}" if isinstance(every, str) else f" in steps of {every:g}" if every else ""
    title = f"{words[0].upper()}{words[1:]}{per}"
    figure, axes = new_plot(title, x=axis_label(index, timed=timed), y=words)
    x, y = clip_for_plot(to_numeric(table["step"])), clip_for_plot(to_numeric(table["value"]))
    if not np.isfinite(y).any():
        draw_placeholder(axes)
        return figure
    if timed:
        show_dates(axes, x)
    if kind == "count":
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    if kind in ("count", "sum"):
        _draw_steps(axes, x, y)
    else:
        _draw_line(axes, x, y)
    return figure


def _in_words(every: str) -> str:
    """Return ``1h`` as hour and ``6h`` as 6 hours."""
    match = _SYNTAX.fullmatch(every)
    assert match is not None, every
    return _NAMES[match[2]] if match[1] == "1" else f"{match[1]} {_NAMES[match[2]]}s"


def _draw_steps(axes: Any, x: Any, y: Any) -> None:
    import numpy as np

    last = 2 * x[-1] - x[-2] if len(x) > 1 else x[-1] + 1
    edges = np.append(x, last)
    if not (np.diff(edges) > 1e-12 * np.abs(edges).max()).all():
        draw_placeholder(axes, "steps that double precision cannot tell apart")
        return
    if len(y) > _MOST_DRAWN:
        # Of the steps that share a place, only the highest is visible.
        starts = _starts(len(y))
        edges, y = np.append(x[starts], last), np.maximum.reduceat(y, starts)
    axes.stairs(y, edges, fill=True, color=COLORS[0], linewidth=0)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(bottom=min(0.0, float(y.min())))
    if not y.any():
        axes.set_ylim(0, 1)


def _starts(count: int) -> Any:
    """Return where each group of steps begins, if ``count`` steps are too many to be drawn one by one."""
    import numpy as np

    return np.arange(0, count, math.ceil(count / _MOST_DRAWN))


def _draw_line(axes: Any, x: Any, y: Any) -> None:
    import numpy as np

    if len(y) > _MOST_DRAWN:
        starts = _starts(len(y))
        low, high = np.fmin.reduceat(y, starts), np.fmax.reduceat(y, starts)
        axes.fill_between(x[starts], low, high, color=COLORS[0], alpha=0.9, linewidth=0.8)
        return
    axes.plot(x, y, color=COLORS[0], linewidth=1.6)
    known = np.isfinite(y)
    # A line does not show a value between two gaps.
    lonely = known & ~np.append(known[1:], False) & ~np.append(False, known[:-1])
    dots = known if known.sum() <= 60 else lonely
    axes.plot(x[dots], y[dots], "o", color=COLORS[0], markersize=4)
