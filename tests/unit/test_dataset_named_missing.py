"""`?missing=` and the options of other formats: the same for every format, and never without effect."""

from __future__ import annotations

import datetime as dt
import io
import json
from typing import Any

import polars as pl
import pytest

from dataset import InvalidDataset, LoadOptions, ingest
from tests.workbooks import workbook

FAR = {"d": [dt.date(2020, 1, 1), dt.date(9999, 12, 31)], "t": [dt.datetime(2020, 1, 1), dt.datetime(9999, 12, 31)]}


def parquet_of(columns: dict[str, list[Any]]) -> bytes:
    file = io.BytesIO()
    pl.DataFrame(columns).write_parquet(file)
    return file.getvalue()


def bodies_of(columns: dict[str, list[str]]) -> list[bytes]:
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    return [
        "\n".join(map(",".join, [list(columns), *rows])).encode(),
        json.dumps([dict(zip(columns, row, strict=True)) for row in rows]).encode(),
        parquet_of(columns),
        workbook({"s": [list(columns), *rows]}),
    ]


@pytest.mark.parametrize(
    ("texts", "missing", "values"),
    [
        (["1", "x", "3"], "x", [1, None, 3]),
        (["1", "-999", "3"], "-999", [1, None, 3]),
        (["2020-01-01", "9999-12-31", "2020-01-03"], "9999-12-31", ["2020-01-01", None, "2020-01-03"]),
        (["true", "false", "true"], "false", [True, None, True]),
    ],
)
def test_a_text_that_is_named_missing_is_noted_in_every_format(
    texts: list[str], missing: str, values: list[Any]
) -> None:
    for body in bodies_of({"k": ["a", "b", "c"], "v": texts}):
        table = ingest(body, None, options=LoadOptions(missing=(missing,)))
        assert [record["v"] for record in table.page(limit=9).records] == values
        [note] = table.description.notes
        assert (note.column, note.example, note.rows) == ("v", missing, 1)


@pytest.mark.parametrize(
    ("missing", "columns"),
    [
        (("9999-12-31",), {"d": 1, "t": 1, "b": 0}),
        (("9999-12-31T00:00:00Z",), {"d": 0, "t": 1, "b": 0}),
        (("false",), {"d": 0, "t": 0, "b": 1}),
        (("", "x"), {"d": 0, "t": 0, "b": 0}),
    ],
)
def test_values_with_types_of_their_own_may_be_named_missing(missing: tuple[str, ...], columns: dict[str, int]) -> None:
    description = ingest(parquet_of(FAR | {"b": [True, False]}), None, options=LoadOptions(missing=missing)).description

    assert {column.name: column.missing for column in description.columns} == columns
    assert len(description.notes) == sum(columns.values())


@pytest.mark.parametrize(
    ("body", "option", "value"),
    [
        (b'[{"a": 1}]', "skip", 1),
        (b'[{"a": 1}]', "delimiter", ","),
        (b'{"a": 1}\n{"a": 2}\n', "list", "/a"),
        (b"a,b\n1,2\n", "sheet", "x"),
        (parquet_of({"a": [1]}), "header", "no"),
        (parquet_of({"a": [1]}), "encoding", "utf-8"),
        (workbook({"s": [["a"], [1]]}), "quote", "'"),
    ],
)
def test_an_option_of_another_format_is_refused(body: bytes, option: str, value: Any) -> None:
    with pytest.raises(InvalidDataset, match="option is for") as caught:
        ingest(body, None, options=LoadOptions(**{option: value}))

    assert caught.value.parameter == option
