"""Files of every format with their expected records; invalid files with their expected errors."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api import create_app
from dataset import MEDIA_TYPES, DatasetError, LoadOptions, Table, formats, ingest

FILES = Path(__file__).parents[1] / "datasets"
MEDIA_TYPE = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".ndjson": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".geojson": "application/geo+json",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".arrow": "application/vnd.apache.arrow.file",
    ".arrows": "application/vnd.apache.arrow.stream",
}
TYPES = {"id": "integer", "time": "time", "magnitude": "number", "place": "text", "reviewed": "boolean"}
ROWS = [
    (1, "2018-01-31T01:49:59.650Z", 0.31, 'K\u00f6ln, "DE"', True),
    (2, "2018-01-31T02:00:15.000Z", None, "Chile\nnorth", False),
    (3, None, 2.5, None, None),
]
RECORDS: list[dict[str, Any]] = [dict(zip(TYPES, row, strict=True)) for row in ROWS]
PLACES: list[dict[str, Any]] = [
    {"longitude": 6.96, "latitude": 50.94, "altitude": -1.5},
    {"longitude": -70.5, "latitude": -27.0, "altitude": None},
    {"longitude": None, "latitude": None, "altitude": None},
]
# Files whose records differ from the others: a delimiter in a quoted value, columns added by the format.
EXPECTED: dict[str, list[dict[str, Any]]] = {
    **{
        name: [RECORDS[0] | {"place": RECORDS[0]["place"].replace(",", separator)}, *RECORDS[1:]]
        for separator, names in {
            ";": ("semicolon.csv", "utf-16-le.csv", "latin-1.csv"),
            "\t": ("tab.csv", "utf-16-be.csv"),
            "|": ("bar.csv",),
        }.items()
        for name in names
    },
    "points.geojson": [record | place for record, place in zip(RECORDS, PLACES, strict=True)],
    "shapes.geojson": [
        {
            "id": "a",
            "properties.id": 7,
            "name": "lake",
            "geometry_type": "Polygon",
            "coordinates": "[[[0, 0], [1, 0], [1, 1], [0, 0]]]",
            "longitude": None,
            "latitude": None,
        },
        {
            "id": "b",
            "properties.id": None,
            "name": None,
            "geometry_type": None,
            "coordinates": None,
            "longitude": 1,
            "latitude": 2,
        },
    ],
}
NAMES = sorted(path.name for path in FILES.iterdir())


@pytest.fixture
def client(rd, monkeypatch):
    # Compressed formats are read in a subprocess, which tests/integration/test_load_data.py covers.
    monkeypatch.setattr(formats, "is_compressed", lambda *_: False)
    return create_app(redis_client=rd).test_client()


def type_of(name: str) -> str:
    return MEDIA_TYPE[Path(name.removesuffix(".gz").removesuffix(".zip")).suffix]


def everything(table: Table) -> list[dict[str, Any]]:
    return table.page(limit=1000).records


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_known_type_gives_its_records(client, name):
    # Given a file, when it is posted with its media type
    coding = {"Content-Encoding": "gzip"} if name.endswith(".gz") else {}
    answer = client.post("/data", data=(FILES / name).read_bytes(), content_type=type_of(name), headers=coding)
    # then its records are listed, with their types
    assert answer.status_code == 201, answer.json
    expected = EXPECTED.get(name, RECORDS)
    assert client.get("/data").json["records"] == expected
    if name != "shapes.geojson":
        assert {column["name"]: column["type"] for column in answer.json["columns"]}.items() >= TYPES.items()
        assert client.get("/data/2").json == expected[1]


@pytest.mark.parametrize("name", NAMES)
def test_the_format_of_a_generic_type_is_detected_from_the_content(client, name):
    body = (FILES / name).read_bytes()
    answers = [
        client.post("/data", data=body, content_type="application/octet-stream"),
        client.post("/data", data={"file": (io.BytesIO(body), name, "application/octet-stream")}),
    ]

    assert [answer.status_code for answer in answers] == [201] * 2, answers[0].json
    assert len({answer.json["version"] for answer in answers}) == 1
    assert client.get("/data").json["records"] == EXPECTED.get(name, RECORDS)


def test_every_supported_media_type_has_a_file():
    other_names = {"text/tab-separated-values", "text/plain"}
    assert {type_of(name) for name in NAMES} == set(MEDIA_TYPES) - other_names


def test_latin_1_is_noted_in_the_response(client):
    answer = client.post("/data", data=(FILES / "latin-1.csv").read_bytes(), content_type="text/csv").json
    assert "Latin-1" in answer["notes"][0]["detail"]
    assert client.get("/data").json["dataset"]["notes"] == answer["notes"]

    other = client.post("/data", data=(FILES / "comma.csv").read_bytes(), content_type="text/csv").json
    assert other["notes"] == []


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        ("a;b\n\u20ac;\u201eK\u00f6ln\u201c\n".encode("cp1252"), None),
        ("a;b\n\u20ac;\u201eK\u00f6ln\u201c\n".encode("cp1252"), "ISO-8859-1"),
        ("a;b\n\u20ac;\u201eK\u00f6ln\u201c\n".encode("utf-16-be"), "UTF-16BE"),
        ("a;b\n\u20ac;\u201eK\u00f6ln\u201c\n".encode("utf-8"), "utf-8"),
    ],
)
def test_the_declared_charset_is_used(client, body, charset):
    answer = client.post("/data", data=body, content_type="text/csv" + (f"; charset={charset}" if charset else ""))

    assert client.get("/data").json["records"] == [{"a": "\u20ac", "b": "\u201eK\u00f6ln\u201c"}]
    assert bool(answer.json["notes"]) == (charset is None)


QUAKES = (FILES / "comma.csv").read_bytes()
LINES = (FILES / "lines.ndjson").read_bytes()
PARQUET = (FILES / "typed.parquet").read_bytes()


def gzip_of(size: int) -> bytes:
    """Return a gzip of `size` bytes of CSV, compressed to a thousandth."""
    gzipped = zlib.compressobj(wbits=31)
    part = b"1\n" * 2**19
    return gzipped.compress(b"a\n") + b"".join(gzipped.compress(part) for _ in range(size // 2**20)) + gzipped.flush()


def parquet_of(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        pytest.param(b"", "text/csv", 400, id="empty CSV"),
        pytest.param(b"", "application/json", 400, id="empty JSON"),
        pytest.param(b" \n", "application/x-ndjson", 400, id="empty NDJSON"),
        pytest.param(b"", "application/vnd.apache.parquet", 400, id="empty Parquet"),
        pytest.param(b"", None, 400, id="empty"),
        pytest.param(b"a,b\n1,2,3\n", "text/csv", 400, id="long row"),
        pytest.param(b'a,b\n"1,2\n', "text/csv", 400, id="open quote"),
        pytest.param(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", None, 415, id="image"),
        pytest.param(bytes(range(256)) * 9, "text/csv", 400, id="binary"),
        pytest.param(b"PK\x03\x04\x14\0\x08\0", "text/csv", 400, id="spreadsheet"),
        pytest.param(b"<!doctype html><title>Log in</title>", "text/csv", 415, id="HTML"),
        pytest.param(b'[{"a": 1}, {"a"', "application/json", 400, id="truncated JSON"),
        pytest.param(LINES[:-40], "application/x-ndjson", 400, id="truncated NDJSON"),
        pytest.param(b'{"a": 1}\n[2]\n', "application/x-ndjson", 422, id="line that is not an object"),
        pytest.param(PARQUET[:-9], "application/vnd.apache.parquet", 400, id="truncated Parquet"),
        pytest.param(PARQUET[:900] + PARQUET[1000:], "application/vnd.apache.parquet", 400, id="damaged Parquet"),
        pytest.param(b'[{"a": ' + b"[" * 10**5, "application/json", 400, id="deep lists"),
        pytest.param(b'{"a":' * 10**5 + b"1" + b"}" * 10**5, None, 400, id="deep objects"),
        pytest.param(b'{"a":' * 10**5, "application/x-ndjson", 400, id="deep line"),
        pytest.param(QUAKES, "application/json", 400, id="CSV as JSON"),
        pytest.param(QUAKES, "application/x-ndjson", 400, id="CSV as NDJSON"),
        pytest.param(QUAKES, "application/vnd.apache.parquet", 400, id="CSV as Parquet"),
        pytest.param(PARQUET, "text/csv", 400, id="Parquet as CSV"),
        pytest.param(LINES, "application/json", 400, id="NDJSON as JSON"),
        pytest.param(LINES, "text/csv", 400, id="NDJSON as CSV"),
        pytest.param((FILES / "points.geojson").read_bytes(), "text/csv", 400, id="GeoJSON as CSV"),
        pytest.param(PARQUET, "application/json", 400, id="Parquet as JSON"),
        pytest.param(gzip.compress(QUAKES)[:-9], None, 400, id="truncated gzip"),
        pytest.param(gzip.compress(gzip.compress(gzip.compress(QUAKES))), None, 400, id="gzip in gzip in gzip"),
        pytest.param(QUAKES, "application/gzip", 415, id="type of a compression"),
        pytest.param(QUAKES, "text/html", 415, id="another type"),
        pytest.param(gzip_of(300 * 2**20), None, 413, id="gzip bomb"),
        pytest.param(parquet_of(pl.select(z=pl.repeat(0, 10**8))), None, 413, id="Parquet bomb"),
        pytest.param(parquet_of(pl.select(z=pl.repeat("x" * 10**5, 3000))), None, 413, id="Parquet bomb of long texts"),
        pytest.param(
            b'{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": 1}]}',
            "application/json",
            422,
            id="invalid feature",
        ),
        pytest.param(
            b'{"type": "FeatureCollection", "features": [{"properties": {}, "geometry": {"type": "Point"}}]}',
            "application/json",
            422,
            id="point without coordinates",
        ),
    ],
)
def test_an_invalid_body_is_rejected_and_leaves_the_old_dataset(client, body, media_type, status):
    # Given a dataset
    version = client.post("/data", data=QUAKES, content_type="text/csv").json["version"]
    # when an invalid one is posted
    answer = client.post("/data", data=body, content_type=media_type)
    # then the response is a problem, and the first dataset stays
    assert answer.status_code == status, answer.json
    assert answer.mimetype == "application/problem+json"
    assert client.get("/data").json["dataset"]["version"] == version


@pytest.mark.parametrize(
    ("body", "records"),
    [
        (b"a;b\n1,5;2,5\n3;4\n", [{"a": 1.5, "b": 2.5}, {"a": 3, "b": 4}]),
        (b"a,b\n1;2,3;4\n5,6\n", [{"a": "1;2", "b": "3;4"}, {"a": "5", "b": "6"}]),
        (b"name; alias,age\nx; y,3\nz,4\n", [{"name; alias": "x; y", "age": 3}, {"name; alias": "z", "age": 4}]),
        (b"a|b,c\n1|x\n2|y\n", [{"a": 1, "b,c": "x"}, {"a": 2, "b,c": "y"}]),
        (b'"a,b;c"\tx\n"1;2,3"\t4\n', [{"a,b;c": "1;2,3", "x": 4}]),
        (b"a\n1;2\n", [{"a": "1;2"}]),
        (b"a\n\nx y\n", [{"a": "x y"}]),
    ],
)
def test_delimiters_are_detected_from_the_first_rows(body, records):
    assert everything(ingest(body, "text/csv")) == records


def test_a_delimiter_is_told_within_a_long_file():
    body = "a;b\n" + "1;x, y\n" * 20_000

    assert ingest(body.encode(), "text/csv").description.types() == {"a": "integer", "b": "text"}


def test_quoted_fields_across_the_windows_of_a_large_file():
    # Given some megabytes of quoted fields that contain lines and delimiters
    rows = [[str(number), "line\nof, text " * 40] for number in range(10_000)]
    body = "n,s\n" + "".join(f'{n},"{s}"\n' for n, s in rows)
    # when they are parsed, then no field is split
    table = ingest(body.encode(), "text/csv")
    assert table.frame["s"].to_list() == [s for _, s in rows]


@pytest.mark.parametrize("parts", [["file", "file"], ["other"], ["file", "other"], []])
def test_a_form_has_one_file_and_nothing_else(client, parts):
    lines = [f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n\r\na\n1\r\n' for name in parts]
    answer = client.post("/data", data="".join([*lines, "--b--\r\n"]), content_type="multipart/form-data; boundary=b")

    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"].startswith("/")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"--b--", "multipart/form-data"),
        (b"a,b\n1,2\n", "multipart/form-data; boundary=b"),
        (b"--b\r\n\r\n\r\na\r\n--b--", "multipart/form-data; boundary=b"),
        (b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\na\n1\n', "multipart/form-data; boundary=b"),
        (b"--b\r\nContent-Disposition: \xff\r\n\r\na\r\n--b--", "multipart/form-data; boundary=b"),
    ],
)
def test_a_broken_form_is_malformed(client, body, content_type):
    assert client.post("/data", data=body, content_type=content_type).status_code == 400


def test_the_type_within_a_form_is_believed(client):
    def post(media_type: str) -> int:
        return client.post("/data", data={"file": (io.BytesIO(b"a\n1\n"), "x", media_type)}).status_code

    assert [post(one) for one in ("text/csv", "text/plain", "application/json", "image/png")] == [201, 201, 400, 415]


def test_a_form_may_be_packed_and_a_part_need_not_be_a_file(client):
    form = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nid\n7\n\r\n--b--\r\n'
    answer = client.post(
        "/data",
        data=gzip.compress(form),
        content_type="multipart/form-data; boundary=b",
        headers={"Content-Encoding": "gzip"},
    )

    assert answer.json["count"] == 1
    assert answer.json["bytes"] == len(b"id\n7\n")


def test_gzip_may_have_several_members_and_padding(client):
    body = gzip.compress(b"id\n1\n") + gzip.compress(b"2\n") + bytes(512)
    answers = [
        client.post("/data", data=body, content_type="text/csv", headers={"Content-Encoding": coding})
        for coding in ("gzip", "X-GZIP")
    ]

    assert [answer.json["count"] for answer in answers] == [2, 2]


@pytest.mark.parametrize(
    "body", [b"", b"a\n1\n", gzip.compress(b"a\n1\n")[:-4], gzip.compress(b"a\n1\n") + b"x"], ids=range(4)
)
def test_invalid_gzip_is_malformed(client, body):
    answer = client.post("/data", data=body, content_type="text/csv", headers={"Content-Encoding": "gzip"})

    assert answer.status_code == 400


def test_a_version_is_the_same_packed_or_not(client):
    one = client.post("/data", data=QUAKES, content_type="text/csv").json
    other = client.post(
        "/data", data=gzip.compress(QUAKES), content_type="text/csv", headers={"Content-Encoding": "gzip"}
    ).json

    assert (one["version"], one["bytes"]) == (other["version"], other["bytes"])


def test_geojson_is_read_under_the_names_of_both_json_types():
    body = (FILES / "points.geojson").read_bytes()

    assert everything(ingest(body, "application/json")) == everything(ingest(body, "application/geo+json"))


def test_an_empty_feature_collection_is_a_dataset_without_rows():
    body = json.dumps({"type": "FeatureCollection", "features": []}).encode()

    assert ingest(body, "application/json", options=LoadOptions(empty=True)).description.count == 0


@settings(max_examples=150, deadline=None)
@given(
    # A damaged Arrow file may make polars abort the process, which is why it is read in another.
    name=st.sampled_from([name for name in NAMES if not name.endswith((".gz", ".arrow", ".arrows"))]),
    answer=st.booleans(),
    damage=st.lists(st.tuples(st.integers(0, 2500), st.integers(0, 255)), min_size=1, max_size=4),
    length=st.none() | st.integers(0, 2500),
)
def test_a_damaged_file_is_parsed_or_rejected(name, answer, damage, length):
    body = bytearray((FILES / name).read_bytes())
    for place, byte in damage:
        body[place % len(body)] = byte

    with suppress(DatasetError):
        table = ingest(bytes(body[:length]), type_of(name) if answer else None)
        assert len(everything(table)) == table.description.count
        assert json.loads(json.dumps(table.description.as_json()))["count"] == table.description.count
