"""Time series: rows counted, or a column aggregated, in steps of equal length over the index."""

from __future__ import annotations

import math
import re
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

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
    Rows,
    aggregate_groups,
    axis_label,
    bad_column,
    clip_for_plot,
    draw_placeholder,
    finite_values,
    label,
    new_plot,
    rereading,
    show_dates,
    to_numeric,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

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


def run(rows: Rows, params: TimeseriesParams) -> Outcome:
    """Aggregate the rows of each step; a step begins with its lower edge and ends before the next one's.

    Steps are aligned to the calendar in UTC (weeks begin on Monday), those of numbers to zero. Steps without rows are
    listed as well, with a count or sum of 0 and other aggregates null. Rows whose index is missing or infinite are left
    out.

    :raises InvalidParams: where there would be more than 100,000 steps.
    """
    import polars as pl

    kind: Aggregate = params.aggregate or "count"
    read = rereading(rows, partial(_frames, rows, params))
    dtype = rows.schema[params.index]
    found = [(frame.height, frame["step"].min(), frame["step"].max()) for frame in read()]
    bounds = [bound for _, *both in found for bound in both if bound is not None]
    ends = pl.Series("step", [min(bounds), max(bounds)] if bounds else [], dtype=dtype)
    every, steps = _timed_steps(ends, params.every) if dtype.is_temporal() else _number_steps(ends, params.every)
    words = "count" if kind == "count" else f"{kind} of {label(params.column or '')}"
    stepped = (frame.with_columns(steps.of(frame["step"]).alias("step")) for frame in read())
    table = _aggregated(stepped, steps.edges, kind, params.column is not None)
    count = sum(height for height, *_ in found)
    result = {
        "index": params.index,
        "column": params.column,
        "aggregate": kind,
        "every": every,
        "steps": table.height,
        "empty": table.filter(pl.col("rows") == 0).height,
        "count": count,
        "missing": rows.height - count,
    }
    shown = table.select(pl.col("step").alias("from"), pl.col("value").alias(kind))
    return Outcome(result, {"plot": _draw(params.index, words, every, table, kind)}, {"table": shown})


class _Steps(NamedTuple):
    """The lower edges of all steps, and a function that returns the edge below each value of the index."""

    edges: pl.Series
    of: Callable[[pl.Series], pl.Series]


def _frames(rows: Rows, params: TimeseriesParams) -> Iterator[pl.DataFrame]:
    """Yield ``step``, the index where it is known and finite, and ``value``, batch by batch."""
    import polars as pl

    known = pl.col("step").is_not_null()
    if not rows.schema[params.index].is_temporal():
        known = pl.col("step").cast(pl.Float64).is_finite()
    for batch in rows.batches([params.index, *([params.column] if params.column else [])]):
        value = pl.lit(None) if params.column is None else finite_values(batch[params.column])
        yield batch.select(pl.col(params.index).alias("step"), value.alias("value")).filter(known)


def _timed_steps(ends: pl.Series, every: Any) -> tuple[str | None, _Steps]:
    import polars as pl

    dated = ends.dtype == pl.Date
    if not len(ends):
        return every, _Steps(ends, lambda column: column)
    # As numbers, because polars has more years than Python.
    moments = ends.cast(pl.Datetime("us")).to_physical()
    seconds = (int(moments.max()) - int(moments.min())) / 1e6  # type: ignore[arg-type]
    candidates = [each for each in _STEPS if not dated or each[-1] not in "smh"]
    every = every or next((each for each in candidates if seconds / _length(each) <= _FEW), candidates[-1])
    _check_count(Range(0, seconds), every)
    dtype = pl.Datetime("us", "UTC") if dated and every[-1] in "smh" else ends.dtype

    def truncate(column: pl.Series) -> pl.Series:
        return column.cast(dtype).dt.truncate(every)

    make = pl.date_range if dtype == pl.Date else pl.datetime_range
    edges = truncate(ends).to_frame().select(make(pl.col("step").min(), pl.col("step").max(), every)).to_series()
    return every, _Steps(edges.cast(dtype).alias("step"), truncate)


def _length(every: str) -> int:
    match = _SYNTAX.fullmatch(every)
    assert match is not None, every
    return int(match[1]) * _SECONDS[match[2]]


def _number_steps(ends: pl.Series, every: Any) -> tuple[float | None, _Steps]:
    import numpy as np
    import polars as pl

    ends = ends.cast(pl.Float64)
    if not len(ends):
        return every, _Steps(ends, lambda column: column.cast(pl.Float64))
    low, high = ends
    width = float(every) if every else _round_width(low, high)
    _check_count(Range(low, high), width)

    def numbers_of(column: pl.Series) -> Any:
        values = column.cast(pl.Float64).to_numpy()
        numbers = np.floor(values / width)
        # Quotients and edges are rounded: a value equal to the lower edge of a step belongs to it in either case.
        numbers -= values < numbers * width
        numbers += values >= (numbers + 1) * width
        return numbers

    first, last = numbers_of(ends)
    # Not a range from first to last: beyond 2**53, adding one changes nothing.
    edges = pl.Series("step", (first + np.arange(int(last - first) + 1)) * width)
    return width, _Steps(edges, lambda column: edges.gather((numbers_of(column) - first).astype(np.int64)))


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


def _aggregated(frames: Iterable[pl.DataFrame], edges: pl.Series, kind: Aggregate, has_column: bool) -> pl.DataFrame:
    import polars as pl

    found = aggregate_groups(map(_note_order, frames), ["step"], [kind], counts_values=has_column)
    table = edges.to_frame().join(found, on="step", how="left", maintain_order="left")
    value = pl.col(kind).fill_null(0) if kind in ("count", "sum") else pl.col(kind)
    return table.select("step", value.alias("value"), pl.col("rows").fill_null(0))


def _note_order(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with a note that it is sorted by ``step``, if it is, as most datasets are by time."""
    import polars as pl

    # Consecutive rows are aggregated several times as fast.
    return frame.with_columns(pl.col("step").set_sorted()) if frame["step"].is_sorted() else frame


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
