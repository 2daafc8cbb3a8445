"""The shapes in which JSON holds a table: each gives the same records, or an error that names what decides."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dataset import InvalidDataset, LoadOptions, Table, ingest

TWO = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
SERIES = {"2020-01-02": {"open": "1.5"}, "2020-01-03": {"open": "2.5"}}
DAYS = [{"date": "2020-01-02", "open": 1.5}, {"date": "2020-01-03", "open": 2.5}]


def load(document: Any, **options: Any) -> Table:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return ingest(body, "application/json", options=LoadOptions(**options))


def records(document: Any, **options: Any) -> list[dict[str, Any]]:
    return load(document, **options).page(limit=1000).records


def error_of(document: Any, **options: Any) -> InvalidDataset:
    with pytest.raises(InvalidDataset) as caught:
        load(document, **options)
    return caught.value


@pytest.mark.parametrize(
    "document",
    [
        [["a", "b"], [1, "x"], [2, "y"]],
        {"a": [1, 2], "b": ["x", "y"]},
        {"n": 2, "data": {"a": [1, 2], "b": ["x", "y"]}},
        {"a": {"0": 1, "1": 2}, "b": {"0": "x", "1": "y"}},
        {"0": {"a": 1, "b": "x"}, "1": {"a": 2, "b": "y"}},
        {"columns": ["a", "b"], "index": [0, 1], "data": [[1, "x"], [2, "y"]]},
        {"data": [[1, "x"], [2, "y"]], "columns": ["a", "b"]},
        {"index": [0, 1], "columns": ["a", "b"], "data": [[1, "x"], [2, "y"]], "index_names": [None]},
        {
            "schema": {"fields": [{"name": "index"}, {"name": "a"}, {"name": "b"}], "primaryKey": ["index"]},
            "data": [{"index": 0, **TWO[0]}, {"index": 1, **TWO[1]}],
        },
        {"schema": {"fields": [{"name": "a"}, {"name": "b"}]}, "rows": [[1, "x"], [2, "y"]]},
        {"columns": [{"name": "a", "type": "long"}, {"name": "b", "type": "text"}], "rows": [[1, "x"], [2, "y"]]},
        {"table": {"columnNames": ["a", "b"], "columnUnits": ["m", "s"], "rows": [[1, "x"], [2, "y"]]}},
        {"dataset": {"id": 7, "column_names": ["a", "b"], "data": [[1, "x"], [2, "y"]]}},
        [{"page": 1, "total": 2}, TWO],
        {"d": {"results": TWO, "count": 2}},
    ],
)
def test_each_shape_gives_the_same_records_without_a_note(document: Any) -> None:
    table = load(document)

    assert table.page(limit=9).records == TWO
    assert table.description.notes == ()


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"Meta Data": {"1. Symbol": "IBM"}, "Time Series (Daily)": SERIES}, DAYS),
        ({"open": {"2020-01-02": 1.5, "2020-01-03": 2.5}}, DAYS),
        (
            {"bpi": {"2020-01-02": 1.5, "2020-01-03": 2.5}, "disclaimer": "x"},
            [{"date": "2020-01-02", "value": 1.5}, {"date": "2020-01-03", "value": 2.5}],
        ),
        ({"columns": ["open"], "index": ["2020-01-02", "2020-01-03"], "data": [[1.5], [2.5]]}, DAYS),
        (
            {"r1": {"a": 1, "b": "x"}, "r2": {"a": 2, "b": "y"}},
            [{"index": f"r{n}", **row} for n, row in enumerate(TWO, start=1)],
        ),
        (
            {"a": {"r1": 1, "r2": 2}, "b": {"r1": "x", "r2": "y"}},
            [{"index": f"r{n}", **row} for n, row in enumerate(TWO, start=1)],
        ),
        ([["a", "b"], [1, {"c": 2}]], [{"a": 1, "b.c": 2}]),
        ({"columns": [["a", "x"], ["a", "y"]], "data": [[1, 2]]}, [{"a.x": 1, "a.y": 2}]),
        ({"hourly": {"time": ["2020-01-02"] * 3, "t": [1, 2, 3]}, "daily": {"time": ["2020-01-02"], "t": [4]}}, 3),
        ({"c": [1.5] * 12, "t": [1] * 12, "status": "ok"}, 12),
        ({"id": 1, "ring": [[0, 0], [0, 1], [1, 1]]}, 1),
        ({"id": 1, "place": {"city": "x", "geo": {"lat": 1.5}}, "tags": ["a"]}, 1),
    ],
)
def test_labels_depths_and_lengths(document: Any, expected: Any) -> None:
    found = records(document)

    assert len(found) == expected if isinstance(expected, int) else found == expected


def test_records_within_a_feature_are_read_with_a_note() -> None:
    times = [{"time": "2020-01-02", "data": {"t": 1.5}}, {"time": "2020-01-03", "data": {"t": 2.5}}]
    feature = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}, "properties": {"x": times}}
    table = load(feature)

    assert table.page(limit=1).records == [{"time": "2020-01-02", "data.t": 1.5}]
    assert "Feature" in table.description.notes[0].detail
    place = {**feature, "properties": {"name": "x", "tags": ["a", "b"]}}
    assert records(place) == [{"name": "x", "tags": '["a", "b"]', "longitude": 1, "latitude": 2}]


def test_records_without_a_header_are_noted_and_short_ones_counted() -> None:
    table = load([[1, "x"], [2, "y"]])
    assert table.description.types() == {"column_1": "integer", "column_2": "text"}
    assert "?header=yes" in table.description.notes[0].detail

    assert records([["a", "b"], ["c", "d"]], header="no")[0] == {"column_1": "a", "column_2": "b"}
    assert records([["1", "2"], ["3", "4"]], header="yes") == [{"1": 3, "2": 4}]
    short = load([["a", "b"], [1], [2, "y"]])
    assert (short.page(limit=9).records[0], short.description.notes[0].rows) == ({"a": 1, "b": None}, 1)
    assert "Row 1 has 3 values" in error_of([["a", "b"], [1, 2, 3]]).detail


def test_columns_that_a_portal_hides_are_left_out_with_a_note() -> None:
    columns = [
        {"name": "id", "fieldName": ":id", "dataTypeName": "meta_data"},
        {"name": "id", "dataTypeName": "text"},
        {"name": "h", "flags": ["hidden"]},
    ]
    table = load({"meta": {"view": {"columns": columns}}, "data": [["row-1", "7", 1]]})

    assert table.page(limit=9).records == [{"id": 7}]
    assert "'id', 'h'" in table.description.notes[0].detail


@pytest.mark.parametrize(
    ("values", "columns"),
    [
        ([{"b": 1}, {"b": 2, "c": "x"}], {"v.b": [1, 2], "v.c": [None, "x"]}),
        ([{"b": {"c": 1}}, None], {"v.b.c": [1, None]}),
        ([{"b": 1}, 2], {"v": [None, 2], "v.b": [1, None]}),
        ([{}, {"b": 1}], {"v.b": [None, 1]}),
        ([{}, {}], {"v": ["{}", "{}"]}),
        ([[{"b": 1}], [1]], {"v": ['[{"b": 1}]', "[1]"]}),
        ([{"#text": "1.5", "@units": "km"}, {"#text": "2"}], {"v": [1.5, 2.0]}),
        ([{"@units": "km", "#text": "1"}, "2", None], {"v": [1, 2, None]}),
        ([{"#text": "a", "@lang": "en"}, {"#text": "b", "@lang": "de"}], {"v": ["a", "b"], "v.@lang": ["en", "de"]}),
        ([{"@units": "km"}, {"@units": "km", "#text": "2"}], {"v": [None, 2]}),
        ([{"$t": "a"}, {"$t": "b"}], {"v": ["a", "b"]}),
        ([{"#text": "a", "b": {"c": 1}}], {"v.#text": ["a"], "v.b.c": [1]}),
    ],
)
def test_objects_within_records_are_flattened(values: list[Any], columns: dict[str, list[Any]]) -> None:
    found = load([{"v": value} for value in values]).frame

    assert found.to_dict(as_series=False) == columns


def test_the_attributes_of_texts_are_noted_where_they_are_the_same_throughout() -> None:
    note = load([{"x": {"#text": "1", "@units": "km"}}]).description.notes[0]

    assert (note.column, "@units is 'km'" in note.detail) == ("x", True)


def test_objects_with_too_many_members_stay_json() -> None:
    wide = load([{"id": 1, "v": {f"m{number}": 1 for number in range(5000)}}])
    assert wide.description.types() == {"id": "integer", "v": "text"}
    assert wide.description.notes[0].column == "v"

    sparse = load([{"v": {f"k{number}": 1}} for number in range(4900)])
    assert len(sparse.description.columns) < 5000


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"near": {"2015-09-07": [{"id": 1}], "2015-09-08": [{"id": 2}, {"id": 3}]}}, "'/near/2015-09-08' (2)"),
        ({"s": {"columns": ["a"], "data": [[1], [2]]}, "t": {"columns": ["b"], "data": [[3], [4]]}}, "'/s/data' (2)"),
        ({"prices": [[1, 2.5]] * 12, "volumes": [[1, 3]] * 12}, "'/prices' (12)"),
        ({"time": 5, "states": [["a", 1.5], ["b", 2.5]]}, "'/states' (2)"),
        ({"data": {"r1": {"a": 1, "b": "x"}, "r2": {"a": 2, "b": "y"}}, "n": 2}, "'/data' (2)"),
        ({"x": [{"p": 1}, {"p": 2}], "data": [{"q": 1}]}, "'/data' (1)"),
        ({"book": [{"id": 1, "name": "x", "pages": [{"n": n} for n in range(20)]}]}, "'/book/0/pages' (20)"),
        ({"a/b": [{"x": 1}], "c~d": [{"y": 1}]}, "'/a~1b' (1), '/c~0d' (1)"),
    ],
)
def test_records_that_are_not_certain_are_refused_and_chosen_by_pointer(document: Any, words: str) -> None:
    error = error_of(document)
    assert (error.parameter, words in error.detail) == ("list", True), error.detail

    pointer = words.split("'")[1]
    count = int(words.split("(")[1].split(")")[0])
    assert load(document, list=pointer).description.count == count


@pytest.mark.parametrize(
    "document",
    [
        {"AAPL": {"open": 1, "close": 2}, "MSFT": {"open": 3, "close": 4}},
        {"error": "not found", "status": 404},
        {"a": [1, 2], "b": [1]},
        {"id": 1, "position": [1, 2], "velocity": [3, 4]},
        {"class": "dataset", "id": ["geo"], "size": [1], "dimension": {"geo": {"category": {}}}, "value": [1]},
        {"data": {"dataSets": [{"observations": {"0:0": [1]}}]}},
        {"type": "Topology", "objects": {}, "arcs": []},
        [1, 2],
        {"count": 0, "results": []},
        {"a": [], "b": []},
    ],
)
def test_what_is_not_certainly_a_table_is_refused(document: Any) -> None:
    error_of(document)


def test_an_empty_pointer_names_the_whole_document() -> None:
    document = {"id": 1, "x": [1, 2], "y": [3, 4]}

    assert records(document, list="") == [{"x": 1, "y": 3}, {"x": 2, "y": 4}]


def test_lists_by_day_are_read_together_where_their_object_is_named() -> None:
    days = {"2015-09-07": [{"id": 1}], "2015-09-08": [{"id": 2}, {"id": 3}]}
    assert "?list=/near reads them together" in error_of({"near": days}).detail

    assert records({"near": days}, list="/near") == [
        {"date": "2015-09-07", "id": 1},
        {"date": "2015-09-08", "id": 2},
        {"date": "2015-09-08", "id": 3},
    ]


def test_a_pointer_to_an_object_reads_what_is_in_it() -> None:
    feature = {"type": "Feature", "properties": {"p": 1}, "geometry": None}
    document = {"a": {"c": 2}, "b": {"n": 1, "rows": TWO}, "g": {"type": "FeatureCollection", "features": [feature]}}

    assert records(document, list="/a") == [{"c": 2}]
    assert records(document, list="/b") == TWO
    assert records(document, list="/g") == [{"p": 1}]


@pytest.mark.parametrize("pointer", ["/z", "data", "/data/5", "/data/0/a", "/data/-1", "/data/x"])
def test_a_pointer_to_nothing_is_refused_with_those_that_there_are(pointer: str) -> None:
    error = error_of({"data": TWO}, list=pointer)

    assert (error.parameter, "'/data' (2)" in error.detail) == ("list", True)


def test_lines_may_hold_lists_or_features() -> None:
    lists = b'["a", "b"]\n[1, "x"]\n[2, "y"]\n'
    for media_type in ("application/x-ndjson", None):
        assert ingest(lists, media_type).page(limit=9).records == TWO
    feature = b'\x1e{"type": "Feature", "properties": {"a": 1}, "geometry": null}\n'
    assert ingest(feature * 2, "application/x-ndjson").page(limit=9).records == [{"a": 1}] * 2
    with pytest.raises(InvalidDataset, match="Line 3"):
        ingest(b'{"a": 1}\n\n3\n', "application/x-ndjson")
