"""Ranges [start, end] over every type of index, inclusive at both ends."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset import LoadOptions, Table, ingest


def load(values: list[Any]) -> Table:
    rows = [{"n": number, "v": value} for number, value in enumerate(values)]
    return ingest(json.dumps(rows).encode(), "application/json", options=LoadOptions(index="v"))


def in_range(values: list[Any], start: object, end: object) -> list[int]:
    table = load(values)
    table.description.check_bounds(start, end)
    return table.slice(start, end)["n"].to_list()


INDEXES: dict[str, list[Any]] = {
    "integer": [1, 2, 3, None, 2],
    "number": [1.0, 2.5, 3.0, None, 2.5],
    "text": ["a", "b", "c", None, "b"],
    "date": ["2018-01-01", "2018-01-02", "2018-01-03", None, "2018-01-02"],
    "time": ["2018-01-01T00:00:00Z", "2018-01-02T00:00:00Z", "2018-01-03T00:00:00Z", None, "2018-01-02T00:00:00Z"],
}


@pytest.mark.parametrize("kind", INDEXES)
def test_both_bounds_are_inclusive_open_ends_are_open_and_missing_is_in_the_fully_open_range_only(kind):
    values = INDEXES[kind]
    first, middle, last = values[:3]
    assert load(values).description.index_type() == kind

    assert in_range(values, None, None) == [0, 1, 2, 3, 4]
    assert in_range(values, first, last) == [0, 1, 2, 4]
    assert in_range(values, first, None) == [0, 1, 2, 4]
    assert in_range(values, None, last) == [0, 1, 2, 4]
    assert in_range(values, middle, middle) == [1, 4]
    assert in_range(values, None, middle) == [0, 1, 4]
    assert in_range(values, last, None) == [2]


@pytest.mark.parametrize(
    ("start", "end", "rows"),
    [
        # In Berlin, 2:00 to 3:00 did not exist on 25 March 2018 and occurred twice on 28 October.
        ("2018-03-25T01:59:59+01:00", "2018-03-25T03:00:00+02:00", [0, 1]),
        ("2018-03-25T03:00:00+02:00", "2018-03-25T03:00:00+02:00", [1]),
        ("2018-10-28T02:30:00+02:00", "2018-10-28T02:30:00+01:00", [2, 3]),
        ("2018-10-28T02:30:00+01:00", None, [3]),
        ("2018-10-28T00:30:00", "2018-10-28T00:30:00Z", [2]),
    ],
)
def test_times_are_compared_as_points_in_time_across_a_change_of_clocks(start, end, rows):
    values = [
        "2018-03-25T01:59:59+01:00",
        "2018-03-25T03:00:00+02:00",
        "2018-10-28T02:30:00+02:00",
        "2018-10-28T02:30:00+01:00",
    ]

    assert in_range(values, start, end) == rows


@pytest.mark.parametrize(
    ("start", "end", "rows"),
    [
        ("2018-02-01", "2018-02-01", [1, 2, 3]),
        ("2018-02-01", None, [1, 2, 3, 4]),
        (None, "2018-01-31", [0]),
        ("2018-02-01T00:00:00.000001", "2018-02-01T23:59:59.999998Z", [2]),
        ("2018-01-31T19:00:00-05:00", "2018-02-02T05:29:59.999999+05:30", [1, 2, 3]),
    ],
)
def test_a_bare_date_begins_at_its_midnight_and_ends_with_its_day(start, end, rows):
    values = [
        "2018-01-31T23:59:59.999999Z",
        "2018-02-01T00:00:00Z",
        "2018-02-01T12:00:00Z",
        "2018-02-01T23:59:59.999999Z",
        "2018-02-02T00:00:00Z",
    ]

    assert in_range(values, start, end) == rows


def test_text_goes_by_code_points():
    values = ["B", "a", "\u00c4", "", "10", "9", "\U0001f30d", "\uffff"]

    assert in_range(values, "B", "a") == [0, 1]
    assert in_range(values, "a", None) == [1, 2, 6, 7]
    assert in_range(values, None, "9") == [4, 5]  # without the empty text, which is missing
    assert in_range(values, "\uffff", "\U0001f30d") == [6, 7]


def test_nan_and_infinities_are_missing():
    body = b"n,v\n0,1\n1,NaN\n2,inf\n3,\n4,-inf\n5,2\n"
    table = ingest(body, "text/csv", options=LoadOptions(index="v"))

    assert table.slice(None, None).height == 6
    assert table.slice(None, 10**300)["n"].to_list() == [0, 5]
    assert table.slice(-(10**300), None)["n"].to_list() == [0, 5]
    assert (table.description.first, table.description.last) == (1.0, 2.0)


def test_text_that_reads_as_the_type_is_converted():
    assert in_range([1, 2, 3], " 2", "3.5") == [1, 2]
    assert in_range([0.5, 1.5], "5e-1", "0.5") == [0]
    assert in_range(["2018-01-01", "2018-01-02"], " 2018-01-02 ", None) == [1]


def test_the_row_number_is_an_index_too():
    table = ingest(b"x\nb\na\nb\n", "text/csv")

    assert table.slice(2, 2)["x"].to_list() == ["a"]
    assert table.slice("2", None)["x"].to_list() == ["a", "b"]
    assert table.slice(0.5, 1.5)["x"].to_list() == ["b"]


TEMPORAL = st.datetimes(dt.datetime(2018, 3, 24), dt.datetime(2018, 3, 27))
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
COLUMN_TYPES = {
    "integer": st.integers(-5, 5),
    "number": st.floats(-5, 5) | st.sampled_from([0.0, -0.0]),
    "text": st.text("aAb\u00e9\U0001f30d", min_size=1, max_size=3),
    "date": st.dates(dt.date(2018, 3, 20), dt.date(2018, 3, 30)),
    "time": st.builds(lambda moment, zone: moment.replace(tzinfo=zone), TEMPORAL, ZONES),
}


def written(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.date) else value


@settings(max_examples=120, deadline=None)
@given(kind=st.sampled_from(sorted(COLUMN_TYPES)), data=st.data())
def test_counts_agree_with_a_loop_over_the_values(kind, data):
    values = [*data.draw(st.lists(st.none() | COLUMN_TYPES[kind], max_size=8)), data.draw(COLUMN_TYPES[kind])]
    if kind == "number":
        values.append(0.5)  # a JSON list of whole numbers would give integers
    bounds = sorted([data.draw(COLUMN_TYPES[kind]), data.draw(COLUMN_TYPES[kind])])
    start, end = (data.draw(st.sampled_from([None, bound])) for bound in bounds)

    expected = [
        number
        for number, value in enumerate(values)
        if (start is None and end is None)
        or (value is not None and (start is None or start <= value) and (end is None or value <= end))
    ]

    assert load([written(value) for value in values]).description.index_type() == kind
    assert in_range([written(value) for value in values], written(start), written(end)) == expected


@settings(max_examples=60, deadline=None)
@given(
    moments=st.lists(COLUMN_TYPES["time"], min_size=1, max_size=8),
    start=st.none() | COLUMN_TYPES["date"],
    end=st.none() | COLUMN_TYPES["date"],
)
def test_bare_dates_agree_with_a_loop_over_the_days(moments, start, end):
    if start is not None and end is not None and start > end:
        start, end = end, start
    days = [moment.astimezone(dt.UTC).date() for moment in moments]

    expected = [
        number for number, day in enumerate(days) if (start is None or start <= day) and (end is None or day <= end)
    ]

    assert in_range([written(moment) for moment in moments], written(start), written(end)) == expected
