"""Columns whose names polars would read as the pattern of several are loaded under other names, with a note."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import polars as pl
import pytest

from dataset import ingest

ROWS = [
    {"n": 1, "^t$": "2018-01-01", "t": 5, "*": 0.5, "^a.*$": True},
    {"n": 2, "^t$": "2018-01-02", "t": 6, "*": 1.5, "^a.*$": False},
]
RENAMED = [dict(zip(["n", "^t$_", "t", "*_", "^a.*$_"], row.values(), strict=True)) for row in ROWS]


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("application/json", json.dumps(ROWS).encode()),
        ("application/x-ndjson", "\n".join(map(json.dumps, ROWS)).encode()),
        ("text/csv", pl.DataFrame(ROWS).write_csv().encode()),
        ("application/vnd.apache.parquet", written(pl.DataFrame(ROWS).write_parquet)),
        ("application/vnd.apache.arrow.file", written(pl.DataFrame(ROWS).write_ipc)),
    ],
)
def test_a_name_that_is_a_pattern_gets_an_underscore(media_type, body):
    table = ingest(body, media_type)
    assert table.page(limit=9).records == RENAMED
    assert table.page(limit=9, filters=[("*_.gt", "1"), ("^t$_", "2018-01-02")], search="FALSE").records == RENAMED[1:]
    [note] = table.description.notes
    assert (note.column, note.detail) == (
        "^t$_",
        "Columns that have the name of a pattern and got an underscore: 3.",
    )
