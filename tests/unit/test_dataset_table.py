"""Look-up, search, pagination and slicing give the same records as a plain loop."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset import BoundsError, LoadOptions, Table, ingest

LETTERS = st.text(
    st.one_of(st.characters(max_codepoint=0x24F), st.sampled_from("\u03a3\u03c3\u03c2\u00df\u0130\0")), max_size=5
)
TIMES = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30))
RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "i": st.none() | st.integers(-(2**63), 2**63 - 1),
            "x": st.none() | st.floats(allow_nan=False, allow_infinity=False),
            "s": st.none() | LETTERS,
            "b": st.none() | st.booleans(),
            "d": st.none() | st.dates().map(dt.date.isoformat),
            "t": st.none() | TIMES.map(lambda time: time.isoformat() + "Z"),
        }
    ),
    min_size=1,
    max_size=12,
)


def load(rows: list[dict[str, Any]], index: str | None = None) -> Table:
    return ingest(json.dumps(rows).encode(), "application/json", options=LoadOptions(index=index, empty=True))


def everything(table: Table) -> list[dict[str, Any]]:
    return table.page(limit=10_000).records


def found(table: Table, search: str) -> list[dict[str, Any]]:
    return table.page(search=search, limit=10_000).records


def fold(text: str) -> str:
    return text.lower().replace("\u03c2", "\u03c3")


def as_printed(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def test_search_is_in_any_value_as_printed_without_regard_to_case() -> None:
    table = load(
        [
            {"n": 1, "x": 1e-7, "s": "Skagway, ALASKA", "b": True, "t": "2018-01-31T02:00:15.660Z"},
            {"n": 2, "x": 0.5, "s": "\u039f\u0394\u039f\u03a3\u0391", "b": None, "t": None},
        ]
    )

    for search, hits in {
        "alaska": [1],
        "TRUE": [1],
        "1e-07": [1],
        "15.660z": [1],
        "\u03bf\u03b4\u03bf\u03c2": [2],
        "0.5": [2],
        ".": [1, 2],
        "null": [],
        ".*": [],
        "": [1, 2],
        "\ud800": [],
    }.items():
        assert [record["n"] for record in found(table, search)] == hits, search


def test_search_does_not_cross_from_one_value_into_the_next() -> None:
    table = load([{"a": "x", "b": "y"}, {"a": "x\0", "b": "y"}, {"a": "x\0y", "b": None}])

    assert found(table, "xy") == []
    assert [record["a"] for record in found(table, "x\0")] == ["x\0", "x\0y"]
    assert [record["a"] for record in found(table, "x\0y")] == ["x\0y"]


@settings(max_examples=80, deadline=None)
@given(rows=RECORDS, data=st.data())
def test_search_agrees_with_a_loop_over_the_records(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    table = load(rows)
    records = everything(table)
    texts = [as_printed(value) for record in records for value in record.values() if value is not None]
    whole = data.draw(st.sampled_from(texts) if texts else LETTERS)
    begin = data.draw(st.integers(0, len(whole)))
    needle = data.draw(LETTERS | st.just(whole[begin : begin + 3]))

    expected = [
        record
        for record in records
        if not needle or any(fold(needle) in fold(as_printed(value)) for value in record.values() if value is not None)
    ]

    assert found(table, needle) == expected


def test_each_page_gives_the_row_of_the_next() -> None:
    table = load([{"n": number, "s": "even" if number % 2 == 0 else "odd"} for number in range(10)])

    seen, row = [], 0
    while row is not None:
        page = table.page(search="EVEN", row=row, limit=2)
        assert page.total == 5
        seen += [record["n"] for record in page.records]
        row = page.next_row  # type: ignore[assignment]

    assert seen == [0, 2, 4, 6, 8]
    assert table.page(search=None, row=8, limit=2).next_row is None
    assert table.page(search=None, row=99, limit=2).records == []
    assert table.page(search="odd", row=99, limit=2).next_row is None


def test_a_table_without_columns_answers_nothing() -> None:
    table = load([])

    for search in (None, "x", "\0"):
        assert table.page(search=search, limit=5).total == 0
    assert table.record("1") is None
    assert table.slice(1, 5).height == 0


@pytest.mark.parametrize(
    ("values", "asked", "hit"),
    [
        (["b", "a", "c"], ["a", "b"], ["a", "b"]),
        (["b", "a"], ["", "z", "\ud800", "A"], [None] * 4),
        ([30, 4, 11], ["4", "30", "04", "5", "x", "9" * 5000], [4, 30, None, None, None, None]),
        ([1.5, 2], ["1.5", "1.50", "2", "2.0", "nan", "3"], [1.5, 1.5, 2.0, 2.0, None, None]),
        ([True, False], ["true", "false", "1"], [True, False, None]),
        (["2018-01-02", "2018-01-01"], ["2018-01-01", "2018-01-03"], ["2018-01-01", None]),
        (["2018-01-01T00:00:00Z"], ["2018-01-01T01:00:00+01:00", "2018-01-01"], ["2018-01-01T00:00:00.000Z", None]),
    ],
)
def test_a_record_is_found_by_its_identifier(values: list[object], asked: list[str], hit: list[object]) -> None:
    table = load([{"id": value} for value in values])

    records = [table.record(text) for text in asked]

    assert [record and record["id"] for record in records] == hit


def test_a_record_is_found_by_its_row_when_nothing_else_identifies_it() -> None:
    table = load([{"x": "a"}, {"x": "a"}, {"x": "b"}])

    assert [table.record(text) for text in ("0", "1", "3", "4", "-1", "01", "x")] == [
        None,
        {"x": "a"},
        {"x": "b"},
        None,
        None,
        None,
        None,
    ]


HOURS = [
    "2018-02-01T00:00:00Z",
    "2018-02-01T23:59:59.999999Z",
    "2018-02-02T00:00:00Z",
    "2018-02-02T12:00:00.5Z",
    None,
]


@pytest.mark.parametrize(
    ("start", "end", "rows"),
    [
        (None, None, [0, 1, 2, 3, 4]),
        ("2018-02-01", None, [0, 1, 2, 3]),
        (None, "2018-02-01", [0, 1]),
        ("2018-02-01", "2018-02-01", [0, 1]),
        ("2018-02-02", "2018-02-02", [2, 3]),
        ("2018-02-02T00:00:00", "2018-02-02T12:30:00.5+01:00", [2]),
        ("2018-02-02 00:00", "2018-02-02T13:00:00.5+01:00", [2, 3]),
        ("2019-01-01", None, []),
    ],
)
def test_a_slice_of_time(start: object, end: object, rows: list[int]) -> None:
    table = load([{"n": number, "t": time} for number, time in enumerate(HOURS)])

    assert table.slice(start, end)["n"].to_list() == rows


@pytest.mark.parametrize(
    ("values", "start", "end", "inside"),
    [
        ([1, 2, 3, None], 2, None, [2, 3]),
        ([1, 2, 3, None], "1", "2", [1, 2]),
        ([1, 2, 3], 1.5, 2.5, [2]),
        ([1, 2, 3], 1.2, 1.8, []),
        ([1, 2, 3], -(10**30), 10**30, [1, 2, 3]),
        ([1, 2, 3], 10**30, None, []),
        ([1, 2, 3], None, -(10**30), []),
        ([2**63 - 1, -(2**63)], 2**63 - 1, None, [2**63 - 1]),
        ([0.5, 1.5, None], "0.5", 1, [0.5]),
        ([0.5, 1.5], -(10**400), 10**400, [0.5, 1.5]),
        (["a", "b", "c", None], "b", None, ["b", "c"]),
        (["a", "b"], None, "", []),
        (["2018-01-01", "2018-01-02"], "2018-01-02", "2018-01-09", ["2018-01-02"]),
    ],
)
def test_a_slice_of_other_indexes(values: list[object], start: object, end: object, inside: list[object]) -> None:
    table = load([{"v": value, "n": 1} for value in values], index="v")

    table.description.check_bounds(start, end)

    assert [record["v"] for record in everything(Table(table.description, table.slice(start, end)))] == inside


def test_a_slice_of_rows_where_nothing_is_an_index() -> None:
    table = load([{"x": "a"}, {"x": "b"}, {"x": "c"}])

    assert table.slice(2, 3)["x"].to_list() == ["b", "c"]


@pytest.mark.parametrize(
    ("value", "start", "end", "pointer"),
    [
        (1, "x", None, "/start"),
        (1, None, "2018-01-01", "/end"),
        (1, True, None, "/start"),
        (1, None, "true", "/end"),
        (1, float("nan"), None, "/start"),
        (1, None, float("inf"), "/end"),
        (1, [1], None, "/start"),
        (1, 3, 2, "/start"),
        (1.5, "inf", None, "/start"),
        (1.5, 2, 1.5, "/start"),
        ("a", 1, None, "/start"),
        ("a", "b", "a", "/start"),
        ("a", None, "\ud800", "/end"),
        ("2018-01-01", 2018, None, "/start"),
        ("2018-01-01", None, "2018-02-30", "/end"),
        ("2018-01-01", "2018-01-01T00:00:00Z", None, "/start"),
        ("2018-01-01T00:00:00Z", 1517443199, None, "/start"),
        ("2018-01-01T00:00:00Z", "yesterday", None, "/start"),
        ("2018-01-01T00:00:00Z", "2018-01-02", "2018-01-01", "/start"),
        ("2018-01-01T00:00:00Z", None, {}, "/end"),
    ],
)
def test_bounds_that_do_not_fit_the_index(value: object, start: object, end: object, pointer: str) -> None:
    table = load([{"v": value}], index="v")

    for check in (table.description.check_bounds, table.slice):
        with pytest.raises(BoundsError) as excinfo:
            check(start, end)
        assert excinfo.value.pointer == pointer


@settings(max_examples=80, deadline=None)
@given(rows=RECORDS, index=st.sampled_from("ixdt"), data=st.data())
def test_slices_agree_with_a_loop_over_the_records(rows: list[dict[str, Any]], index: str, data: st.DataObject) -> None:
    table = load(rows, index)
    values = [record[index] for record in everything(table)]
    present = sorted(value for value in values if value is not None)
    start, end = sorted(data.draw(st.lists(st.sampled_from(present), min_size=2, max_size=2))) if present else (0, 0)
    start, end = data.draw(st.sampled_from([(start, end), (None, end), (start, None), (None, None)]))
    if not present:
        start = end = None

    expected = [
        value
        for value in values
        if (start is None and end is None)
        or (value is not None and (start is None or start <= value) and (end is None or value <= end))
    ]

    assert table.slice(start, end).height == len(expected)
