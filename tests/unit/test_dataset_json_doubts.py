"""JSON whose meaning is in doubt: what is left out is noted, and what would be guessed is refused with the option."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dataset import InvalidDataset, LoadOptions, Table, UnsupportedMediaType, ingest

TWO = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
WEATHER = {"coord": {"lon": 1}, "weather": [{"id": 800, "main": "Clear"}], "main": {"temp": 280.1}, "dt": 1}
ALIKE = {"x": {"a": 1, "b": 3}, "y": {"a": 2, "b": 4}}
PXWEB = {
    "columns": [{"code": "B", "text": "People", "type": "c"}, {"code": "Tid", "text": "year", "type": "t"}],
    "data": [{"key": ["2019"], "values": ["5"]}, {"key": ["2020"], "values": ["6"]}],
}


def load(document: Any, **options: Any) -> Table:
    return ingest(json.dumps(document).encode(), "application/json", options=LoadOptions(**options))


def records(document: Any, **options: Any) -> list[dict[str, Any]]:
    return load(document, **options).page(limit=1000).records


def error_of(document: Any, **options: Any) -> InvalidDataset:
    with pytest.raises(InvalidDataset) as caught:
        load(document, **options)
    return caught.value


def test_an_object_of_values_and_a_short_list_may_be_one_record() -> None:
    error = error_of(WEATHER)
    assert (error.parameter, "?list=/weather" in error.detail) == ("list", True)

    assert records(WEATHER, list="/weather") == [{"id": 800, "main": "Clear"}]
    assert records(WEATHER, list="")[0] == {
        "coord.lon": 1,
        "weather": '[{"id": 800, "main": "Clear"}]',
        "main.temp": 280.1,
        "dt": 1,
    }


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"location": {"name": "x"}, "cities": TWO}, "left out were: 'location'"),
        ({"id": 5, "name": "x", "orders": TWO}, "left out were: 'id', 'name'"),
        ({"Results": {"series": [{"seriesID": "X", "data": TWO}]}, "message": []}, "'/Results/series' (1)"),
        ([{"records": TWO}], "'/0/records'"),
    ],
)
def test_the_list_with_most_records_is_read_with_a_note_on_the_rest(document: Any, words: str) -> None:
    table = load(document)

    assert table.page(limit=9).records == TWO
    assert [words in note.detail for note in table.description.notes] == [True]


@pytest.mark.parametrize(
    "document", [{"count": 2, "next": None, "stations": TWO}, {"message": "success", "number": 2, "people": TWO}]
)
def test_the_counts_beside_a_list_are_left_out_without_a_note(document: Any) -> None:
    table = load(document)

    assert (table.page(limit=9).records, table.description.notes) == (TWO, ())


def test_lists_within_records_that_may_be_the_data_are_noted_or_refused() -> None:
    series = [{"id": "X", "data": TWO}, {"id": "Y", "data": TWO}]
    assert "?list=/series/0/data" in load({"series": series}).description.notes[0].detail
    assert records({"series": series}, list="/series/0/data") == TWO

    one = load([{"status": "ok", "object": {"points": TWO}}])
    assert (one.description.count, "'/0/object/points' (2)" in one.description.notes[0].detail) == (1, True)

    rows = {"series": [{"id": "A", "name": "n", "data": [["2020", 5.5], ["2019", 4.5]]}]}
    assert "'/series/0/data' (2)" in error_of(rows).detail
    assert load(rows, list="/series/0/data").description.count == 2


@pytest.mark.parametrize(("label", "index"), [("0", {}), ("7", {"index": 7}), ("2020-01-02", {"date": "2020-01-02"})])
def test_one_record_by_its_label(label: str, index: dict[str, Any]) -> None:
    assert records({label: {"a": 1, "b": "x"}}) == [{**index, "a": 1, "b": "x"}]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"help": "x", "success": False, "error": {"__type": "x", "message": "Not found here"}}, "'Not found here'"),
        ({"message": "Not Found", "documentation_url": "x", "status": "404"}, "'Not Found'"),
        ({"error": True, "message": "No such column", "data": {"a": 1}}, "'No such column'"),
        ({"error_code": 400, "error_message": "Bad Request."}, "'Bad Request.'"),
        ({"Note": "Thank you for using this"}, "'Thank you"),
        ({"Error Message": "Invalid API call"}, "'Invalid API call'"),
        ({"cod": 401, "message": "Invalid API key"}, "'Invalid API key'"),
        ({"success": False, "errors": [{"code": 1}], "messages": [], "result": None}, "error message"),
        ({"detail": [{"loc": ["query"], "msg": "x"}]}, "error message"),
        ([{"message": [{"id": "120", "key": "Invalid value"}]}], "error message"),
        ({"timestamp": "x", "status": 500, "error": "Internal Server Error", "path": "/x"}, "error message"),
    ],
)
def test_an_error_message_of_the_source_is_refused(document: Any, words: str) -> None:
    detail = error_of(document).detail

    assert (words in detail, "error message of its source" in detail) == (True, True)


@pytest.mark.parametrize(
    "document",
    [
        {"error": None, "results": TWO},
        {"status": "success", "message": "ok", "data": TWO},
        {"success": True, "errors": [], "result": TWO},
    ],
)
def test_an_answer_without_an_error_is_read(document: Any) -> None:
    assert records(document) == TWO


def test_records_and_columns_that_look_alike_are_told_apart_by_an_option_or_by_names() -> None:
    assert error_of(ALIKE).parameter == "header"
    assert records(ALIKE, header="no") == [{"index": "x", "a": 1, "b": 3}, {"index": "y", "a": 2, "b": 4}]
    assert records(ALIKE, header="yes") == [{"index": "a", "x": 1, "y": 2}, {"index": "b", "x": 3, "y": 4}]

    rows = [{"index": "r1", "a": 1, "b": 3}, {"index": "r2", "a": 2, "b": 4}]
    for document in (
        {"r1": {"a": 1, "b": 3}, "r2": {"a": 2, "b": 4}},
        {"a": {"r1": 1, "r2": 2}, "b": {"r1": 3, "r2": 4}},
    ):
        table = load(document)
        assert table.page(limit=9).records == rows
        assert "?header=" in table.description.notes[0].detail


def test_pxweb_has_its_dimensions_before_its_contents() -> None:
    table = load(PXWEB)

    assert table.page(limit=9).records == [{"year": 2019, "People": 5}, {"year": 2020, "People": 6}]
    assert table.description.notes == ()
    assert "CSV" in error_of({**PXWEB, "columns": []}).detail


def test_spaces_around_names_are_left_out_without_a_note() -> None:
    table = load([{" k ": 1, "v": 2}])
    assert (table.page(limit=9).records, table.description.notes) == ([{"k": 1, "v": 2}], ())

    same = load([{" k ": 1, "k": 2}])
    assert (list(same.description.types()), len(same.description.notes)) == (["k", "k_2"], 1)


@pytest.mark.parametrize(
    ("body", "media_type", "notes"),
    [
        (b'[{"a": 1, "a" : 2}, {"a": 3}]', "application/json", [("a", "1", 1)]),
        (b'{"a": 1, "a": 2}\n{"a": 3}\n', "application/x-ndjson", [("a", "1", 1)]),
        (b'[{"x": {"b": "p", "b": 2}}, {"x": {"b": 3, "b": 4}}]', "application/json", [("b", "p", 2)]),
        (b'[{"a": "\\":", "b": ": x"}, {"a": ": {", "b" : "y\\" :"}]', "application/json", []),
    ],
)
def test_a_member_that_stands_twice_is_noted(body: bytes, media_type: str, notes: list[Any]) -> None:
    found = ingest(body, media_type).description.notes

    assert [(note.column, note.example, note.rows) for note in found] == notes


def test_a_json_text_sequence_is_read_as_lines_are() -> None:
    for body in (b'\x1e{"a": 1}\n\x1e{"a": 2}\n', b'\x1e{"a":\n1}\n\x1e{"a": 2}\n\x1e'):
        assert ingest(body, None).page(limit=9).records == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'/*O_o*/\ngoogle.visualization.Query.setResponse({"version":"0.6"});', "JavaScript"),
        (b'callback([{"a": 1}])', "JavaScript"),
        (b')]}\'\n[{"a": 1}]', "JavaScript"),
        (b'// x\n[{"a": 1}]', "comment"),
        (b'/* x */ {"a": 1}', "comment"),
    ],
)
@pytest.mark.parametrize("media_type", [None, "text/csv"])
def test_json_within_something_else_is_refused(body: bytes, words: str, media_type: str | None) -> None:
    with pytest.raises(UnsupportedMediaType, match=words):
        ingest(body, media_type)


def test_a_table_that_begins_like_javascript_is_read() -> None:
    assert ingest(b"f(x),b\n1,2\n", None).page(limit=9).records == [{"f(x)": 1, "b": 2}]
