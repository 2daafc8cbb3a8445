"""The summary agrees with NumPy and is complete for every type of column."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyses import Rendered, get_analysis, render


def summarise(rows: pl.DataFrame, **params: Any) -> Rendered:
    outcome = get_analysis("summary").run(rows, params, lambda fraction, message=None: None)
    return render(outcome)


def column(values: Any, **params: Any) -> dict[str, Any]:
    summary: dict[str, Any] = summarise(pl.DataFrame({"count": values}), **params).result["columns"]["count"]
    return summary


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2), st.sampled_from([0.0, 1e9, -1e12]))
def test_numbers_agree_with_numpy(values: list[float], offset: float) -> None:
    # Given numbers, near zero or far away from it
    array = np.array(values) + offset

    # When they are summarised
    summary = column(array)

    # Then every statistic is NumPy's
    quantiles = [summary["quantiles"][q] for q in ("0.05", "0.25", "0.5", "0.75", "0.95")]
    assert summary["mean"] == pytest.approx(array.mean(), rel=1e-9)
    assert summary["std"] == pytest.approx(array.std(ddof=1), rel=1e-9)
    assert quantiles == pytest.approx(np.quantile(array, [0.05, 0.25, 0.5, 0.75, 0.95]), rel=1e-9)
    assert (summary["min"], summary["max"]) == (array.min(), array.max())


def test_a_large_offset_costs_no_digits() -> None:
    # Given small whole steps on a large offset, whose deviation is known exactly
    values = [1e9 + step for step in (4, 7, 13, 16)]
    assert column(values)["std"] == pytest.approx(math.sqrt(30), rel=1e-12)


def test_quantiles_of_integers_that_span_more_than_their_type_do_not_overflow() -> None:
    # Given two integers whose difference does not fit into 64 bits
    summary = column([-(2**63), 2**63 - 2])

    # Then the median lies between them, at the precision of a double
    assert summary["quantiles"]["0.5"] == pytest.approx(0, abs=2048)
    assert summary["quantiles"]["0.25"] == pytest.approx(-(2**62))


def test_missing_values_nan_and_infinities_are_counted_and_left_out() -> None:
    summary = column([1.0, None, float("nan"), float("inf"), 3.0])
    assert (summary["count"], summary["missing"], summary["distinct"]) == (2, 3, 2)
    assert (summary["mean"], summary["max"]) == (2.0, 3.0)


def test_whole_numbers_stay_whole() -> None:
    summary = column([3, 1, 2])
    assert (summary["type"], summary["min"], summary["max"]) == ("integer", 1, 3)
    assert isinstance(summary["min"], int)


def test_one_value_has_no_deviation() -> None:
    summary = column([5.0])
    assert (summary["mean"], summary["std"], summary["quantiles"]["0.5"]) == (5.0, None, 5.0)


def test_most_frequent_values_of_equal_count_come_in_their_order() -> None:
    summary = column(["b", "c", "a", "c", "b", "d", None], top=3)
    assert summary["most_frequent"] == [
        {"value": "b", "count": 2},
        {"value": "c", "count": 2},
        {"value": "a", "count": 1},
    ]
    assert (summary["type"], summary["count"], summary["missing"], summary["distinct"]) == ("text", 6, 1, 4)
    assert column(["a"], top=0)["most_frequent"] == []


def test_booleans_dates_and_times_read_as_the_api_prints_them() -> None:
    yes = column([True, None, False, True])
    assert (yes["type"], yes["true"], yes["false"], yes["mean"]) == ("boolean", 2, 1, pytest.approx(2 / 3))
    days = column([date(2026, 1, 2), date(2025, 1, 2)])
    assert (days["type"], days["min"], days["max"]) == ("date", "2025-01-02", "2026-01-02")
    times = column([datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)])
    assert (times["type"], times["min"]) == ("time", "2026-01-02T03:04:05.678Z")
    assert times["most_frequent"] == [{"value": "2026-01-02T03:04:05.678Z", "count": 1}]


@pytest.mark.parametrize("dtype", [pl.Int64, pl.Float64, pl.Boolean, pl.String, pl.Date, pl.Datetime("ms", "UTC")])
@pytest.mark.parametrize("rows", [0, 2])
def test_a_column_without_values_completes_with_nulls(dtype: Any, rows: int) -> None:
    summary = column(pl.Series([None] * rows, dtype=dtype))
    assert (summary["count"], summary["missing"], summary["most_frequent"]) == (0, rows, [])
    for statistic in ("min", "max", "mean", "std"):
        assert summary.get(statistic) is None


def test_only_the_columns_asked_for_are_summarised_and_each_is_reported() -> None:
    # Given three columns of which two are asked for
    rows = pl.DataFrame({"a": [1], "b": [1], "c": [1]})
    seen: list[tuple[float, str | None]] = []

    # When they are summarised
    outcome = get_analysis("summary").run(
        rows, {"columns": ["c", "a"]}, lambda fraction, message=None: seen.append((fraction, message))
    )

    # Then these are in the result, and each was reported
    assert list(outcome.result["columns"]) == ["c", "a"]
    assert seen == [(0.0, "column c"), (0.5, "column a"), (1.0, None)]


def test_the_table_has_a_line_for_each_column() -> None:
    rows = pl.DataFrame({"a": [1, 2], "b": ["x", None], "c": [date(2026, 1, 2)] * 2})
    (table,) = summarise(rows).artifacts
    assert table.name == "table.csv"
    assert table.content.decode().splitlines() == [
        "column,type,count,missing,distinct,min,max,mean,std,"
        "quantile 0.05,quantile 0.25,quantile 0.5,quantile 0.75,quantile 0.95",
        "a,integer,2,0,2,1,2,1.5,0.7071067811865476,1.05,1.25,1.5,1.75,1.95",
        "b,text,1,1,1,,,,,,,,,",
        "c,date,2,0,1,2026-01-02,2026-01-02,,,,,,,",
    ]


def test_a_column_named_many_times_is_one() -> None:
    seen: list[float | None] = []
    run = get_analysis("summary").run
    outcome = run(
        pl.DataFrame({"a": [1, 2]}), {"columns": ["a"] * 999}, lambda fraction, message=None: seen.append(fraction)
    )

    assert list(render(outcome).result["columns"]) == ["a"]
    assert len(seen) == 2
