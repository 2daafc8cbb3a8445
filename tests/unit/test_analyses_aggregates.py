"""Aggregates do not depend on shortcuts: rows in order of time, integers, columns without NaN."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analyses import get_analysis
from analyses.kit import finite_values

KINDS = ["count", "mean", "sum", "min", "max", "median", "std"]
BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
integers = st.none() | st.integers(-(2**63), 2**63 - 1)
floats = st.none() | st.floats(-1e9, 1e9) | st.sampled_from([float("nan"), float("inf"), float("-inf")])


def rows_of(values: list[tuple[int, Any]], dtype: type[pl.DataType]) -> pl.DataFrame:
    moments = [BEGIN + timedelta(hours=hour) for hour, _ in values]
    return pl.DataFrame(
        {"time": moments, "word": [str(hour % 7) for hour, _ in values], "value": [value for _, value in values]},
        schema={"time": pl.Datetime("us", "UTC"), "word": pl.String, "value": dtype},
    )


def tables(analysis: str, rows: pl.DataFrame, **params: Any) -> pl.DataFrame:
    outcome = get_analysis(analysis).run(rows, {"column": "value", **params}, lambda fraction, message=None: None)
    table: pl.DataFrame = outcome.tables["table"]
    return table


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=10)
@given(st.lists(st.tuples(st.integers(0, 100), floats), max_size=60))
def test_steps_of_rows_in_the_order_of_time_are_those_of_any_order(kind: str, values: list[tuple[int, Any]]) -> None:
    rows = rows_of(values, pl.Float64)
    found = [tables("timeseries", each, index="time", every="1d", aggregate=kind) for each in (rows, rows.sort("time"))]
    assert_frame_equal(*found, rel_tol=1e-9, abs_tol=1e-5)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 100), integers), max_size=60))
def test_integers_are_aggregated_as_in_double_precision(values: list[tuple[int, Any]]) -> None:
    rows = rows_of(values, pl.Int64)
    both = rows, rows.with_columns(pl.col("value").cast(pl.Float64))
    found = [tables("groups", each, by=["word"], aggregates=KINDS, sort="count") for each in both]
    assert_frame_equal(*found, check_exact=True)


def test_only_a_column_with_nan_or_infinities_is_copied() -> None:
    for column in (pl.Series([1, None, 3]), pl.Series([1.5, None, 3.0])):
        assert finite_values(column) is column
    given = pl.Series([1.5, float("nan"), float("inf"), None])
    assert finite_values(given).to_list() == [1.5, None, None, None]
