"""A table loaded in any format is returned unchanged by GET /data and GET /data/<id>."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import zipfile
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import fakeredis
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import create_app
from dataset import DatasetError, LoadOptions, formats, ingest

LETTERS = st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\r\t")
WORDS = st.text(LETTERS, min_size=1, max_size=6).map(lambda text: f"x{text}x")
TIMES = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=dt.UTC)
)
CELLS = {
    "text": WORDS,
    "integer": st.integers(-(2**63), 2**63 - 1),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "boolean": st.booleans(),
    "date": st.dates(),
    "time": TIMES,
}
NAMES = st.lists(WORDS.map(str.strip), max_size=3, unique=True)


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Generate rows with an `id`, and columns of every type with some values missing, but not all."""
    kinds = {name: draw(st.sampled_from(sorted(CELLS))) for name in draw(NAMES)}
    height = draw(st.integers(1, 6))
    ids = draw(st.lists(CELLS["integer"] | WORDS, min_size=height, max_size=height, unique_by=str))
    if not all(isinstance(each, int) for each in ids):
        ids = [each if isinstance(each, str) else f"n{each}" for each in ids]
    columns = {"id": list(dict.fromkeys(ids))}
    for name, kind in kinds.items():
        values = [draw(st.none() | CELLS[kind]) for _ in ids]
        columns[name] = [draw(CELLS[kind]), *values[1:]]
        if kind == "number":
            columns[name][0] = 0.5  # in text, a column of whole numbers gives integers
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def printed(value: Any) -> Any:
    """Return a value as formatted in GET /data."""
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    return value.isoformat() if isinstance(value, dt.date) else value


def as_csv(rows: list[dict[str, Any]], delimiter: str = ",", codec: str = "utf-8") -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow("" if value is None else printed(value) for value in row.values())
    return file.getvalue().encode(codec)


def as_json(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps([{name: printed(value) for name, value in row.items()} for row in rows]).encode()


def as_ndjson(rows: list[dict[str, Any]]) -> bytes:
    return b"\n".join(as_json([row])[1:-1] for row in rows)


def as_geojson(rows: list[dict[str, Any]]) -> bytes:
    features = [
        {
            "type": "Feature",
            "id": row["id"],
            "properties": {n: v for n, v in row.items() if n != "id"},
            "geometry": None,
        }
        for row in json.loads(as_json(rows))
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    pl.DataFrame(rows, infer_schema_length=None, strict=False).write_parquet(file)
    return file.getvalue()


def as_json_rows(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps([list(rows[0]), *(list(row.values()) for row in json.loads(as_json(rows)))]).encode()


def as_json_columns(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps({name: [row[name] for row in json.loads(as_json(rows))] for name in rows[0]}).encode()


def as_json_split(rows: list[dict[str, Any]]) -> bytes:
    names, *data = json.loads(as_json_rows(rows))
    return json.dumps({"columns": names, "index": list(range(len(data))), "data": data}).encode()


def as_arrow(rows: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    pl.DataFrame(rows, infer_schema_length=None, strict=False).write_ipc(file, compression="lz4")
    return file.getvalue()


def as_zip(rows: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.json", as_json(rows))
    return file.getvalue()


FORMATS = {
    "CSV": ("text/csv", as_csv),
    "semicolons": ("text/csv", lambda rows: as_csv(rows, ";")),
    "tabs, UTF-16": ("text/csv", lambda rows: as_csv(rows, "\t", "utf-16")),
    "bars, UTF-8 with a mark": ("text/csv", lambda rows: as_csv(rows, "|", "utf-8-sig")),
    "JSON": ("application/json", as_json),
    "JSON in an object": ("application/json", lambda rows: b'{"a": {"b": ' + as_json(rows) + b"}}"),
    "GeoJSON": ("application/json", as_geojson),
    "NDJSON": ("application/x-ndjson", as_ndjson),
    "gzip": ("text/csv", lambda rows: gzip.compress(as_csv(rows))),
    "Parquet": ("application/vnd.apache.parquet", as_parquet),
    "JSON rows": ("application/json", as_json_rows),
    "JSON columns": ("application/json", as_json_columns),
    "JSON split": ("application/json", as_json_split),
    "Arrow": ("application/vnd.apache.arrow.file", as_arrow),
    "zip": ("application/zip", as_zip),
}


@pytest.fixture(scope="module")
def client():
    """Create a client of the API on one fake server; each example replaces the dataset of the one before."""
    with pytest.MonkeyPatch.context() as patch:
        # Compressed formats are read in a subprocess, which would be slow for every example.
        patch.setattr(formats, "is_compressed", lambda *_: False)
        yield create_app(redis_client=fakeredis.FakeRedis(server=fakeredis.FakeServer())).test_client()


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=tables())
def test_a_loaded_table_is_returned_unchanged(client, name, rows):
    # Given a table in a format
    media_type, write = FORMATS[name]
    coding = {"Content-Encoding": "gzip"} if name == "gzip" else {}
    # when it is loaded
    answer = client.post("/data", data=write(rows), content_type=media_type, headers=coding)
    assert answer.status_code == 201, answer.json
    # then it is returned page by page
    records, address = [], "/data?limit=4"
    while address:
        page = client.get(address).json
        records += page["records"]
        address = page["next"]
    expected = [{column: printed(value) for column, value in row.items()} for row in rows]
    assert records == expected
    # and record by record
    for record in expected:
        assert client.get(f"/data/{quote(str(record['id']), safe='')}").json == record


@settings(max_examples=40, deadline=None)
@given(tables())
def test_all_formats_give_the_same_table(rows):
    other = ("JSON", "JSON rows", "JSON columns", "JSON split", "NDJSON", "Parquet", "Arrow", "zip")
    frames = {name: ingest(FORMATS[name][1](rows), None).frame for name in ("CSV", *other)}

    for name in other:
        assert frames["CSV"].equals(frames[name]), name


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
NAMES_OF_MEMBERS = st.sampled_from("a b data columns index fields #text @x type features schema meta 0 1".split())
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES_OF_MEMBERS, inner, max_size=4),
    max_leaves=25,
)


@settings(max_examples=400, deadline=None)
@given(document=DOCUMENTS, lines=st.booleans(), pointer=st.none() | st.sampled_from(["", "/data", "/0", "/a/b", "x"]))
def test_any_json_is_a_table_or_refused(document, lines, pointer):
    # Given a document of any shape, when it is loaded
    with suppress(DatasetError):
        body = json.dumps(document).encode() + (b"\n" + json.dumps(document).encode() if lines else b"")
        table = ingest(body, None, options=LoadOptions(list=pointer, empty=True))
        # then its records can be listed
        assert len(table.page(limit=1000).records) == table.description.count
