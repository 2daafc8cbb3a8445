"""What each analysis answers, on tables that are small enough to see it."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analyses import Rendered, get_analysis, render
from analyses.kit import label


def answer(analysis: str, rows: pl.DataFrame, **params: Any) -> Rendered:
    return render(get_analysis(analysis).run(rows, params, lambda fraction, message=None: None))


def csv(rendered: Rendered) -> list[str]:
    return rendered.artifacts[-1].content.decode().splitlines()


def at(*moments: str) -> pl.Series:
    return pl.Series([datetime.fromisoformat(each).replace(tzinfo=UTC) for each in moments])


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("depth_km", "depth (km)"),
        ("mass (g)", "mass (g)"),
        ("Mass [g]", "Mass (g)"),
        ("wind_speed_m_s", "wind speed (m/s)"),
        ("wind speed (m/s)", "wind speed (m/s)"),
        ("temp_c", "temp (°C)"),
        ("share_percent", "share (%)"),
        ("area_km2", "area (km²)"),
        ("longitude", "longitude (°)"),
        ("temp_min", "temp_min"),
        ("foo_bar", "foo_bar"),
        ("group_a", "group_a"),
        ("km", "km"),
        ("", ""),
    ],
)
def test_a_name_that_carries_a_unit_shows_it(name: str, shown: str) -> None:
    assert label(name) == shown


def test_steps_without_rows_are_listed() -> None:
    rows = pl.DataFrame({"t": at("2026-01-01T00:10", "2026-01-01T00:50", "2026-01-01T02:00"), "x": [1.0, 3.0, None]})
    counted = answer("timeseries", rows, every="1h")
    assert csv(counted) == [
        "from,count",
        "2026-01-01T00:00:00.000Z,2",
        "2026-01-01T01:00:00.000Z,0",
        "2026-01-01T02:00:00.000Z,1",
    ]
    assert (counted.result["steps"], counted.result["empty"]) == (3, 1)
    averaged = answer("timeseries", rows, every="1h", column="x")
    assert [line.split(",")[1] for line in csv(averaged)] == ["mean", "2.0", "", ""]


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(-500, 500), min_size=1, max_size=40), st.integers(1, 50))
@example([49], 49)
@example([-49, 48, 49, 98], 49)
def test_steps_of_numbers_agree_with_a_loop(values: list[int], width: int) -> None:
    params = {"index": "n", "every": width}
    outcome = get_analysis("timeseries").run(pl.DataFrame({"n": values}), params, lambda fraction, message=None: None)
    steps = range(min(values) // width, max(values) // width + 1)
    expected = [(float(step * width), sum(each // width == step for each in values)) for step in steps]
    assert outcome.tables["table"].rows() == expected


def test_a_step_of_numbers_that_no_longer_tell_their_next_one() -> None:
    answered = answer("timeseries", pl.DataFrame({"n": [1e17, 1e17]}), index="n", every=1)

    assert answered.artifacts[-1].content == b"from,count\n1e+17,2\n"


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(-500, 500), min_size=1, max_size=40), st.sampled_from((0.1, 0.3, 0.7, 1 / 3, 1e-9)))
@example([10], 0.1)
@example([3, 6, 7], 0.1)
def test_what_begins_a_step_belongs_to_it(numbers: list[int], width: float) -> None:
    # Given values on the edges of steps, and next to them, by arithmetic that rounds
    values = [number * width for number in numbers] + [number / round(1 / width) for number in numbers]
    values += [math.nextafter(value, -math.inf) for value in values]
    # when they are counted
    params = {"index": "n", "every": width}
    outcome = get_analysis("timeseries").run(pl.DataFrame({"n": values}), params, lambda fraction, message=None: None)
    # then each is in the last step that begins with it or before it
    begins, counts = outcome.tables["table"].get_columns()
    places = Counter(bisect_right(begins.to_list(), value) - 1 for value in values)
    assert counts.to_list() == [places[step] for step in range(len(begins))]


def test_groups_of_equal_rank_come_by_name_and_the_missing_last() -> None:
    rows = pl.DataFrame({"kind": ["b", "a", None, "c", "c", "c"]})
    found = answer("groups", rows, top=3).result
    assert found["groups"] == [
        {"group": ["c"], "count": 3},
        {"group": ["a"], "count": 1},
        {"group": ["b"], "count": 1},
    ]
    assert (found["distinct"], found["others"]) == (4, {"groups": 1, "count": 1})


def test_a_group_called_like_an_aggregate_keeps_its_name_in_the_table() -> None:
    rows = pl.DataFrame({"count": ["x", "x"], "mean": [1.0, 2.0]})
    assert csv(answer("groups", rows, by=["count"], column="mean", aggregates=["count", "mean"])) == [
        "count,count_,mean",
        "x,2,1.5",
    ]


def test_outliers_are_told_with_their_whole_rows() -> None:
    rows = pl.DataFrame({"id": range(1, 12), "x": [*[1.0, 2.0] * 4, None, 50.0, -30.0]})
    found = answer("outliers", rows, index="id", column="x")
    assert (found.result["outliers"], found.result["below"], found.result["above"]) == (2, 1, 1)
    assert csv(found) == ["id,x", "10,50.0", "11,-30.0"]


def test_a_trend_over_times_is_by_the_day_from_the_first_of_them() -> None:
    rows = pl.DataFrame({"t": at("2026-01-02", "2026-01-01", "2026-01-04"), "x": [2.0, 1.0, 4.0]})
    found = answer("trend", rows).result
    assert (found["slope"], found["intercept"]) == (pytest.approx(1.0), pytest.approx(1.0))
    assert (found["origin"], found["unit of x"]) == ("2026-01-01T00:00:00.000Z", "days")


def test_a_map_across_the_dateline_is_the_narrow_one() -> None:
    rows = pl.DataFrame({"lon": [179.0, -179.0, 181.5, None, 500.0], "lat": [-18.0, -17.0, -19.0, 0.0, 0.0]})
    found = answer("map", rows).result
    assert (found["west"], found["east"], found["count"], found["missing"]) == (179.0, -178.5, 3, 2)


def test_the_cells_of_a_map_hold_every_point_once() -> None:
    rows = pl.DataFrame({"lon": [1.0, 1.0, 3.0, 180.0, -180.0], "lat": [1.0, 1.0, 2.0, 90.0, -90.0]})
    table = pl.read_csv(answer("map", rows).artifacts[-1].content)
    assert table["count"].sum() == 5
    assert table["count"].max() == 2


def test_one_place_is_a_map() -> None:
    found = answer("map", pl.DataFrame({"longitude": [7.5], "latitude": [47.5]})).result
    assert (found["west"], found["east"], found["south"], found["north"]) == (7.5, 7.5, 47.5, 47.5)
