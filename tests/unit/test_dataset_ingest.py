"""The description of an ingested dataset: format, identifier, index, bounds and version."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pytest

from dataset import Description, InvalidDataset, LoadOptions, Malformed, UnsupportedMediaType, ingest

EARTHQUAKES = Path(__file__).parents[2] / "samples" / "earthquakes.csv"
WEATHER = b"date,rain,weather\n2012-01-01,0.0,drizzle\n2012-01-02,10.9,rain\n2012-01-03,0.8,rain\n"


def describe(body: bytes, **options: Any) -> Description:
    return ingest(body, "text/csv", options=LoadOptions(**options)).description


def test_the_sample_describes_itself() -> None:
    description = describe(EARTHQUAKES.read_bytes())

    assert (description.count, description.id, description.index) == (1707, "id", "time")
    assert (description.first, description.last) == ("2018-01-31T01:49:59.650Z", "2018-02-07T01:26:13.840Z")
    assert description.bytes == EARTHQUAKES.stat().st_size
    assert description.types() == {
        "id": "text",
        "time": "time",
        "magnitude": "number",
        "magnitude_type": "text",
        "depth_km": "number",
        "longitude": "number",
        "latitude": "number",
        "place": "text",
        "network": "text",
        "stations": "integer",
        "significance": "integer",
        "type": "text",
        "reviewed": "boolean",
    }


def test_weather_without_an_identifier_is_known_by_row() -> None:
    table = ingest(WEATHER, "text/csv")

    assert (table.description.id, table.description.index) == ("row", "date")
    assert table.record("2") == {"date": "2012-01-02", "rain": 10.9, "weather": "rain"}


def test_the_description_survives_json() -> None:
    description = describe(WEATHER)
    members = json.loads(json.dumps(description.as_json()))

    assert Description.from_json(members) == description
    assert list(members) == ["version", "count", "id", "index", "columns", "first", "last", "bytes", "loaded", "notes"]
    assert members["columns"][0] == {"name": "date", "type": "date", "missing": 0}
    assert members["loaded"].endswith("Z")
    assert len(members["loaded"]) == len("2026-11-24T02:00:00.000Z")
    assert description.loaded.tzinfo is dt.UTC


@pytest.mark.parametrize(
    ("body", "identifier"),
    [
        (b"name,id\nx,1\ny,2\n", "id"),
        (b"x_id,stationId\n1,7\n1,8\n", "stationId"),
        (b"x_id,KEYID\n1,7\n,8\n", "KEYID"),
        (b"x_id,valid\n1,7\n1,8\n", "row"),
        (b"row,row_\n1,7\n1,8\n", "row__"),
    ],
)
def test_the_default_identifier(body: bytes, identifier: str) -> None:
    assert describe(body).id == identifier


@pytest.mark.parametrize(
    ("body", "index", "bounds"),
    [
        (b"n,t,d\n1,2018-01-01T00:00Z,2017-01-01\n2,2018-01-01T00:00Z,2017-01-02\n", "d", ("2017-01-01", "2017-01-02")),
        (b"id,t\n1,2018-01-01T00:00Z\n", "id", (1, 1)),
        (
            b"updated,created,d\n2019-01-01,2018-01-01,2017-01-01\n2019-01-02,2018-01-02,2017-01-02\n",
            "d",
            ("2017-01-01", "2017-01-02"),
        ),
        (b"updated,created\n2019-01-01,2018-01-01\n2019-01-02,2018-01-02\n", "updated", ("2019-01-01", "2019-01-02")),
        (
            b"realtime_start,Data As Of,created_at\n2019-01-01,2018-01-01,2017-01-01\n2020-01-01,2020-01-01,2020-01-01",
            "row",
            (1, 2),
        ),
        (b"id,x\n5,1.5\n3,2.5\n", "id", (3, 5)),
        (b"x,y\n5,1\n3,2\n", "row", (1, 2)),
        (b"id\ntrue\nfalse\n", "row", (1, 2)),
    ],
)
def test_the_default_index(body: bytes, index: str, bounds: tuple[object, object]) -> None:
    description = describe(body)

    assert (description.index, (description.first, description.last)) == (index, bounds)


def test_options_name_identifier_and_index() -> None:
    description = describe(b"id,code,x\n1,b,2.5\n1,a,\n", id="code", index="x")

    assert (description.id, description.index, description.first, description.last) == ("code", "x", 2.5, 2.5)


@pytest.mark.parametrize(
    ("body", "options", "parameter", "words"),
    [
        (b"id,x\n1,a\n2,b\n1,c\n2,d\n", {"id": "id"}, "id", "'1' more than once"),
        (b"id,x\n1,a\n,b\n", {"id": "id"}, "id", "no value in row 2"),
        (b"x,y\n0.5,a\n5e-1,b\n", {"id": "x"}, "id", "'0.5' more than once"),
        (b"x,y\n,a\n", {"id": "x"}, "id", "no value in row 1"),
        (b"x,y\n1,a\n", {"id": "z"}, "id", "The columns are: 'x', 'y'"),
        (b"x,y\n1,a\n", {"index": "z"}, "index", "The columns are: 'x', 'y'"),
        (b"x,y\n1,true\n", {"index": "y"}, "index", "boolean"),
        (b"x,y\n1,a\n", {"id": "\ud800"}, "id", "no column"),
    ],
)
def test_options_that_do_not_fit(body: bytes, options: dict[str, str], parameter: str | None, words: str) -> None:
    with pytest.raises(InvalidDataset, match=words) as excinfo:
        describe(body, **options)
    assert excinfo.value.parameter == parameter


@pytest.mark.parametrize(
    ("body", "identifier", "words", "rows"),
    [
        (b"id,x\n1,a\n2,b\n1,c\n2,d\n", "row", "holds '1' more than once.*the row number", 2),
        (b"id,x\n1,a\n,b\n", "row", "no value in row 2", 1),
        (b"id,x_id\n1,a\n1,b\n", "x_id", "the column 'x_id'", 1),
    ],
)
def test_an_id_that_repeats_is_noted_and_not_taken(body: bytes, identifier: str, words: str, rows: int) -> None:
    description = describe(body)

    (note,) = description.notes
    assert (description.id, note.column, note.rows) == (identifier, "id", rows)
    assert re.search(words, note.detail)


def test_a_version_is_a_hash_of_content_and_options() -> None:
    bodies = [WEATHER, WEATHER + b"2012-01-04,1,sun\n"]
    versions = [describe(body, **options).version for body in bodies for options in ({}, {"index": "rain"})]

    assert len(set(versions)) == 4
    assert versions[0] == describe(WEATHER).version
    assert all(len(version) == 32 and int(version, 16) >= 0 for version in versions)


@pytest.mark.parametrize(
    "media_type",
    [None, "", "application/octet-stream", "application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded;"],
)
def test_the_format_of_a_generic_type_is_detected(media_type: str | None) -> None:
    assert ingest(WEATHER, media_type).description.count == 3
    assert ingest(b'\xef\xbb\xbf \n[{"a": 1}]', media_type).description.types() == {"a": "integer"}


def test_the_media_type_is_believed() -> None:
    assert ingest(WEATHER, 'Text/CSV; charset="UTF-8"; header=present').description.count == 3
    with pytest.raises(Malformed):
        ingest(WEATHER, "application/json")


@pytest.mark.parametrize(
    "media_type", ["text/html", "image/png", "csv", "text/csv; charset=koi9", "\ud800", "text/csv; charset=\ud800"]
)
def test_other_media_types_are_rejected(media_type: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        ingest(WEATHER, media_type)
