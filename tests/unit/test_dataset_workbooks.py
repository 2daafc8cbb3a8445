"""Excel workbooks: types of cells, titles and footers, and the choice of a sheet."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset import InvalidDataset, LoadOptions, Malformed, Table, TooLarge, ingest
from dataset.formats import Limits
from tests.workbooks import workbook

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
DAY = dt.date(2020, 1, 31)
NOON = dt.datetime(2020, 1, 31, 12, 0)
TABLE: list[list[Any]] = [["x", "y"], [1, "a"], [2, "b"]]


def load(sheets: Mapping[str, Sequence[Sequence[Any]]], hidden: Collection[str] = (), **options: Any) -> Table:
    return ingest(workbook(sheets, hidden), XLSX, options=LoadOptions(**options))


def records(table: Table) -> list[dict[str, Any]]:
    return table.page(limit=1000).records


@pytest.mark.parametrize(
    ("cells", "kind", "printed"),
    [
        ([1, None, -2], "integer", [1, None, -2]),
        ([1, 2.5], "number", [1.0, 2.5]),
        ([True, False], "boolean", [True, False]),
        ([DAY, None], "date", ["2020-01-31", None]),
        ([DAY, NOON], "time", ["2020-01-31T00:00:00.000Z", "2020-01-31T12:00:00.000Z"]),
        ([dt.time(10, 30)], "text", ["10:30:00"]),
        (["a", None, "b"], "text", ["a", None, "b"]),
        (["007", "008"], "text", ["007", "008"]),
        (["1.5", "2"], "number", [1.5, 2.0]),
        ([1, "N/A", 2.5], "number", [1.0, None, 2.5]),
        ([DAY, "unknown"], "text", ["2020-01-31", "unknown"]),
        ([1, Exception("#DIV/0!")], "integer", [1, None]),
        ([None, None], "text", [None, None]),
        ([5, True, False], "text", ["5", "true", "false"]),
        ([0.5, True], "text", ["0.5", "true"]),
    ],
)
def test_cells_keep_their_types(cells: list[Any], kind: str, printed: list[Any]) -> None:
    table = load({"data": [["n", "v"], *([number, cell] for number, cell in enumerate(cells))]})

    assert table.description.types() == {"n": "integer", "v": kind}
    assert [record["v"] for record in records(table)] == printed


def test_titles_and_footers_are_left_out_with_a_note() -> None:
    # Given a sheet with two lines above its header, a blank row, and a source below
    rows: list[list[Any]] = [["Population"], ["by year"], [], *TABLE, [], [3, "c"], [], ["Source: census"], ["2020"]]
    table = load({"data": rows})

    # then only the table is loaded, and notes count the other rows
    assert records(table) == [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}, {"x": 3, "y": "c"}]
    assert [(note.example, note.rows) for note in table.description.notes] == [("Population", 2), ("Source: census", 2)]


def test_a_list_of_titles_as_wide_as_the_table_is_left_out_and_a_second_table_refused() -> None:
    # Given titles with a value each, a blank row, and a table
    table: list[list[Any]] = [["day", "flow"], ["2020-01-01", 1.5], ["2020-01-02", 2.5]]
    read = load({"data": [["Station", "ABC"], ["River", "Elbe"], [], *table]})

    # then they are left out, with a note
    assert list(read.description.types()) == ["day", "flow"]
    assert [(note.example, note.rows) for note in read.description.notes] == [("Station", 2)]

    # When they may be a table of their own, then the option that decides is named, and cures
    sheets: dict[str, list[list[Any]]] = {"data": [["Station", "ABC"], ["Latitude", 45.5], [], *table]}
    with pytest.raises(Malformed, match=r"Row 4 begins another table .*\?skip=3"):
        load(sheets)
    assert list(load(sheets, skip=3).description.types()) == ["day", "flow"]


@pytest.mark.parametrize("last", [[7, None], [None, "c"], ["x", None]])
def test_a_last_record_with_one_value_is_not_a_footer(last: list[Any]) -> None:
    first: list[Any] = ["s", "a"] if last[0] == "x" else [1, "a"]

    assert load({"data": [["x", "y"], first, last]}).description.count == 2


def test_a_table_may_begin_anywhere_and_have_a_column_without_a_name() -> None:
    rows: list[list[Any]] = [[], [None, None, "a", "b", None], [None, 0, 1, "x", None], [None, 1, 2, "y", None]]

    assert records(load({"data": rows})) == [{"column_1": 0, "a": 1, "b": "x"}, {"column_1": 1, "a": 2, "b": "y"}]


def test_years_name_columns_and_records_do_not() -> None:
    years = load({"data": [["country", 2019, 2020], ["A", 1, 2], ["B", 3, 4]]})
    assert years.description.types() == {"country": "text", "2019": "integer", "2020": "integer"}

    headless = load({"data": [[1, "a"], [2, "b"]]})
    assert headless.description.types() == {"column_1": "integer", "column_2": "text"}
    assert "?header=yes" in headless.description.notes[0].detail

    assert load({"data": [["x", "y"], ["a", "b"]]}, header="no").description.count == 2
    assert load({"data": TABLE}, header="only").description.count == 0
    assert records(load({"data": [["t", "u"], ["x", "y"], ["a", "b"]]}, skip=1)) == [{"x": "a", "y": "b"}]
    with pytest.raises(InvalidDataset) as error:
        load({"data": TABLE}, skip=9)
    assert error.value.parameter == "skip"


def test_several_sheets_with_tables_need_a_choice() -> None:
    sheets: dict[str, Any] = {"first": TABLE, "second": [["z", "w"], [1, 2]]}
    for options in ({}, {"sheet": "third"}):
        with pytest.raises(InvalidDataset, match="'first', 'second'") as error:
            load(sheets, **options)
        assert error.value.parameter == "sheet"

    assert records(load(sheets, sheet="second")) == [{"z": 1, "w": 2}]
    assert load({**sheets, "empty": []}, hidden=["second"]).description.notes == ()


def test_the_only_sheet_with_a_table_is_read_with_a_note() -> None:
    table = load({"about": [["How to read this"], ["file"]], "data": TABLE})

    assert table.description.count == 2
    assert "'about', 'data'" in table.description.notes[0].detail


@pytest.mark.parametrize("sheets", [{}, {"data": []}, {"data": [["x", "y"]]}])
def test_a_workbook_without_records_is_refused(sheets: dict[str, Any]) -> None:
    with pytest.raises(InvalidDataset, match="no records"):
        load(sheets)
    assert load(sheets, empty=True).description.count == 0


LETTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Co", "Cn"])
CELLS = {
    "integer": st.integers(-(2**53), 2**53),
    "number": st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
    "boolean": st.booleans(),
    "date": st.dates(dt.date(1900, 3, 1)),
    "text": st.text(LETTERS, max_size=5).map("x{}x".format),
}


@settings(max_examples=60, deadline=None)
@given(data=st.data(), kinds=st.lists(st.sampled_from(sorted(CELLS)), min_size=2, max_size=4), height=st.integers(1, 5))
def test_a_sheet_holds_the_same_table_as_json(data: st.DataObject, kinds: list[str], height: int) -> None:
    # Given a table, of which the first record and the first column have values
    names = [f"n{number}" for number in range(len(kinds))]
    rows = [
        [
            data.draw(CELLS[kind] if not row or not column else st.none() | CELLS[kind])
            for column, kind in enumerate(kinds)
        ]
        for row in range(height)
    ]
    rows[0] = [0.5 if kind == "number" else cell for kind, cell in zip(kinds, rows[0], strict=True)]
    # when it is loaded as a workbook and as JSON, then it is the same
    objects = [dict(zip(names, row, strict=True)) for row in rows]
    body = json.dumps(objects, default=str).encode()
    assert load({"data": [names, *rows]}).frame.equals(ingest(body, "application/json").frame)


def test_a_damaged_or_huge_workbook_is_refused() -> None:
    body = workbook({"data": TABLE})
    with pytest.raises(Malformed):
        ingest(body[:-30], XLSX)
    with pytest.raises(Malformed):
        ingest(b"x,y\n1,2\n", XLSX)
    large = workbook({"data": [["x"], *([number] for number in range(5000))]})
    with pytest.raises(TooLarge):
        ingest(large, XLSX, limits=Limits(unpacked_bytes=10**5))


def test_the_header_of_a_table_with_one_column_and_an_index_has_an_empty_name() -> None:
    assert records(load({"data": [[None, "v"], ["a", 5], ["b", 6]]})) == [
        {"column_1": "a", "v": 5},
        {"column_1": "b", "v": 6},
    ]
