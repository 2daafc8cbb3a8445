"""JSON with a list of objects at any depth gives typed columns, or an error with a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dataset import DatasetError, InvalidDataset, LoadOptions, Malformed, Table, ingest


def load(document: object) -> Table:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return ingest(body, "application/json", options=LoadOptions(empty=True))


def records(table: Table) -> list[dict[str, Any]]:
    return table.page(limit=1000).records


def column(*values: object) -> tuple[str, list[Any]]:
    table = load([{"v": value} for value in values])
    return table.description.types()["v"], [record["v"] for record in records(table)]


@pytest.mark.parametrize(
    "document",
    [
        [{"a": 1}, {"a": 2}],
        {"data": [{"a": 1}, {"a": 2}]},
        {"help": "…", "result": {"total": 2, "links": [], "records": [{"a": 1}, {"a": 2}]}, "tags": ["x"]},
    ],
)
def test_the_list_is_found_at_any_depth(document: object) -> None:
    assert records(load(document)) == [{"a": 1}, {"a": 2}]


def test_absent_members_and_nulls_are_missing() -> None:
    table = load([{"a": 1}, {"b": "x", "a": None}])

    assert records(table) == [{"a": 1, "b": None}, {"a": None, "b": "x"}]
    assert [column.missing for column in table.description.columns] == [1, 1]


@pytest.mark.parametrize(
    ("values", "kind", "printed"),
    [
        ([1, None, -2], "integer", [1, None, -2]),
        ([1, 2.5], "number", [1.0, 2.5]),
        ([True, False], "boolean", [True, False]),
        (["5", "6"], "integer", [5, 6]),
        (["5", "06"], "text", ["5", "06"]),
        (["", "NA"], "text", [None, "NA"]),
        (["2018-01-01", None], "date", ["2018-01-01", None]),
        (["2018-01-01T01:00:00+01:00"], "time", ["2018-01-01T00:00:00.000Z"]),
        ([2**63, 1], "text", [str(2**63), "1"]),
        ([10**400, 1.5], "text", [str(10**400), "1.5"]),
        ([1, "x", True, 1.5], "text", ["1", "x", "true", "1.5"]),
        ([[{"k": [1, "é"]}], [], None], "text", ['[{"k": [1, "é"]}]', "[]", None]),
        ([None, None], "text", [None, None]),
        ([float("nan"), float("inf"), 1.5], "number", [None, None, 1.5]),
        ([[float("inf")]], "text", ["[null]"]),
        (["a\0b"], "text", ["a\0b"]),
    ],
)
def test_types(values: list[object], kind: str, printed: list[object]) -> None:
    assert column(*values) == (kind, printed)


def test_numbers_beyond_a_double_keep_their_digits_as_text() -> None:
    table = load(b'[{"a": 1e999, "b": 0.5, "c": NaN}, {"a": -1.5, "b": Infinity, "c": 1}]')

    assert records(table) == [{"a": "1e999", "b": 0.5, "c": None}, {"a": "-1.5", "b": None, "c": 1.0}]


def test_an_empty_list_is_a_dataset_without_rows() -> None:
    documents: list[object] = [[], {"data": []}]
    for document in documents:
        with pytest.raises(InvalidDataset, match=r"empty=yes"):
            ingest(json.dumps(document).encode(), "application/json")
        description = load(document).description
        assert (description.count, description.columns, description.first) == (0, (), None)


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        (b"", Malformed, "no JSON"),
        (b'[{"a": 1', Malformed, "no JSON"),
        (b'[{"a": 1}] x', Malformed, "trailing"),
        (b'[{"a": "\xff"}]', Malformed, "UTF-8"),
        (b'[{"a": "\\ud800"}]', Malformed, "hex escape"),
        (b'[{"\\ud800": 1}]', Malformed, "hex escape"),
        (b'[{"a": {"b": "\\ud800"}}]', Malformed, "hex escape"),
        (b'[{"a": ' + b"9" * 5000 + b"}]", Malformed, "out of range"),
        (b"[" * 100_000, Malformed, "deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, Malformed, "deeply"),
        (b"3", InvalidDataset, "no list of objects"),
        (b"null", InvalidDataset, "no list of objects"),
        (b"{}", InvalidDataset, "no list of objects"),
        (b'{"a": [[{"b": 1}]]}', InvalidDataset, "no list of objects"),
        (b'[{"a": 1}, 2]', InvalidDataset, "Item 1"),
        (b"[{}, {}]", InvalidDataset, "no members"),
        (b'{"a": [{"x": 1}], "b": {"c": [{"y": 1}]}}', InvalidDataset, r"'/a' \(1\), '/b/c' \(1\)"),
    ],
)
def test_broken_documents_are_give_errors_with_a_reason(body: bytes, error: type[DatasetError], words: str) -> None:
    with pytest.raises(error, match=words):
        load(body)


def test_members_whose_columns_would_have_one_name_are_numbered() -> None:
    table = load([{"": 1, "column_1": 2, "a": {"b": 3}, "a.b": 4}])

    assert list(table.description.types()) == ["column_1_2", "column_1", "a.b", "a.b_2"]
    assert len(table.description.notes) == 2


def test_a_small_body_cannot_create_a_large_table() -> None:
    members = {f"m{number}": 1 for number in range(9_000)}
    body = json.dumps([members] + [{}] * 30_000).encode()

    with pytest.raises(InvalidDataset, match="too many"):
        load(body)
