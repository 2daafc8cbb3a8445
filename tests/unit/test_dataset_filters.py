"""Filters select the same rows as a plain loop over the records."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset import FilterError, Table, ingest

ROWS: list[dict[str, Any]] = [
    {"i": 5, "x": 5.0, "s": "5", "b": True, "d": "2018-01-31", "t": "2018-01-31T23:30:00Z", "field.s": "a"},
    {"i": 6, "x": 0.5, "s": "", "b": False, "d": "2018-02-01", "t": "2018-02-01T00:00:00.5Z", "field.s": "b"},
    {"i": None, "x": None, "s": None, "b": None, "d": None, "t": None, "field.s": None},
    {"i": -7, "x": 1e-7, "s": "Lima, NA", "b": True, "d": "2018-01-31", "t": "2018-02-01T00:00:00Z", "field.s": "c"},
]


def load(rows: list[dict[str, Any]]) -> Table:
    return ingest(json.dumps(rows).encode(), "application/json")


def rows_of(*filters: tuple[str, str], search: str | None = None) -> list[int]:
    table = load([{"n": number, **row} for number, row in enumerate(ROWS)])
    return [record["n"] for record in table.page(search=search, filters=filters, limit=100).records]


@pytest.mark.parametrize(
    ("filters", "rows"),
    [
        ([("i", "5")], [0]),
        ([("i", " 5.0")], [0]),
        ([("i", "5.5")], []),
        ([("i", "-7")], [3]),
        ([("i", "99999999999999999999.0")], []),
        ([("i", "")], [2]),
        ([("x", "5")], [0]),
        ([("x", "1e-07")], [3]),
        ([("x", "0.50")], [1]),
        ([("s", "5")], [0]),
        ([("s", "5.0")], []),
        ([("s", "lima, na")], []),
        ([("s", "Lima, NA")], [3]),
        ([("s", "Lima")], []),
        ([("s", "")], [1, 2]),
        ([("b", "true")], [0, 3]),
        ([("b", "False")], [1]),
        ([("b", "")], [2]),
        ([("d", "2018-01-31")], [0, 3]),
        ([("t", "2018-01-31T23:30:00.000Z")], [0]),
        ([("t", "2018-02-01T00:30:00+01:00")], [0]),
        ([("t", "2018-02-01")], [1, 3]),
        ([("t", "2018-02-01T00:00")], [3]),
        ([("b", "true"), ("d", "2018-01-31"), ("i", "5")], [0]),
        ([("b", "true"), ("i", "6")], []),
        ([("i", "5"), ("i", "6"), ("i", "")], [0, 1, 2]),
        ([("i", "5"), ("i", "6"), ("b", "true")], [0]),
        ([("field.i", "5")], [0]),
        ([("field.s", "5")], [0]),  # the column s
        ([("field.field.s", "b")], [1]),
    ],
)
def test_a_field_equals_a_value(filters, rows):
    assert rows_of(*filters) == rows


def test_filters_and_search_are_joined():
    assert rows_of(("b", "true"), search="lima") == [3]
    assert rows_of(("b", "false"), search="lima") == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nope", "1"),
        ("field.nope", "1"),
        ("", "1"),
        ("i", "five"),
        ("i", "05"),
        ("x", "inf"),
        ("x", "1,5"),
        ("b", "1"),
        ("d", "31.01.2018"),
        ("d", "2018-01-31T00:00:00Z"),
        ("t", "yesterday"),
    ],
)
def test_an_invalid_filter_is_rejected_with_its_field(field, value):
    with pytest.raises(FilterError) as excinfo:
        rows_of((field, value))
    assert excinfo.value.field == field


def test_pages_of_filtered_rows_go_by_row():
    # Given ten rows of which every second is even
    table = load([{"n": number, "even": number % 2 == 0} for number in range(10)])
    # when they are paged
    seen, row = [], 0
    while row is not None:
        page = table.page(filters=[("even", "true")], row=row, limit=2)
        seen.append([record["n"] for record in page.records])
        assert page.total == 5
        row = page.next_row
    # then each is listed once, and a page that starts at another row starts with the next match
    assert seen == [[0, 2], [4, 6], [8]]
    assert [record["n"] for record in table.page(filters=[("even", "true")], row=3, limit=2).records] == [4, 6]


VALUES = {
    "i": st.none() | st.integers(-3, 3),
    "x": st.none() | st.sampled_from([0.0, -0.5, 1e300, 2.0]),
    "s": st.none() | st.sampled_from(["", "a", "A", "NA", "1"]),
    "b": st.none() | st.booleans(),
    "d": st.none() | st.sampled_from(["2018-01-31", "2018-02-01"]),
    "t": st.none() | st.sampled_from(["2018-01-31T00:00:00.000Z", "2018-01-31T00:00:00.000001Z"]),
}


@settings(max_examples=80, deadline=None)
@given(
    rows=st.lists(st.fixed_dictionaries(VALUES), min_size=1, max_size=10),
    chosen=st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=3),
    data=st.data(),
)
def test_filters_agree_with_a_loop_over_the_records(rows, chosen, data):
    table = load(rows)
    records = table.page(limit=100).records
    wanted = [(name, data.draw(st.sampled_from([record[name] for record in records]))) for name in chosen]
    filters = [
        (name, "" if value is None else value if isinstance(value, str) else json.dumps(value))
        for name, value in wanted
    ]

    def passes(record: dict[str, Any], name: str) -> bool:
        values = [value for other, value in wanted if other == name]
        missing = record[name] in (None, "")
        return any(missing if value in (None, "") else not missing and record[name] == value for value in values)

    expected = [record for record in records if all(passes(record, name) for name in chosen)]

    assert table.page(filters=filters, limit=100).records == expected
