"""Jobs select rows by an index of their own, by `where` and by `search`."""

from __future__ import annotations

import json
from typing import Any

import pytest

import jobs
from api import create_app
from dataset import Selection, Store

OPEN = {"start": None, "end": None}
QUAKES = """\
id,time,magnitude,place,country,felt,limit,a/b~c
1,2018-01-31T01:00:00Z,0.5,"12 km E of Valdez, Alaska",USA,true,7,1
2,2018-02-01T02:00:00Z,,Chile,CHL,false,8,2
3,2018-02-02T02:00:00Z,5.5,"ALASKA Peninsula",USA,false,9,3
4,2018-02-03T02:00:00Z,6.5,,USA,true,10,4
"""


@pytest.fixture
def client(rd):
    return create_app(redis_client=rd).test_client()


@pytest.fixture
def version(client):
    return client.post("/data", data=QUAKES, content_type="text/csv").json["version"]


def errors_of(answer) -> dict[str, str]:
    assert answer.status_code == 422, answer.data
    return {error["pointer"]: error["detail"] for error in json.loads(answer.data)["errors"]}


def ids_of(rd, version: str, asked: dict[str, Any]) -> list[int]:
    return Store(rd).table(version).select(Selection(**asked))["id"].to_list()


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ({"where": {"country": "USA", "magnitude": {"gte": 5}, "place": {"contains": "Alaska"}}}, [3]),
        ({"where": {"magnitude": {"gt": 0.5, "lte": 5.5}}}, [3]),
        ({"where": {"magnitude": None}}, [2]),
        ({"where": {"magnitude": {"ne": None}}}, [1, 3, 4]),
        ({"where": {"magnitude": {"ne": 5.5}}}, [1, 2, 4]),
        ({"where": {"place": {"in": ["Chile", None]}}}, [2, 4]),
        ({"where": {"id": {"in": []}}}, []),
        ({"where": {"id": {"in": "1,2"}}}, [1, 2]),
        ({"where": {"felt": True, "time": {"lte": "2018-02-01"}}}, [1]),
        ({"where": {"time": "2018-02-01"}}, [2]),
        ({"where": {"a/b~c": {"lt": 3}}}, [1, 2]),
        ({"where": {}, "search": "alaska"}, [1, 3]),
        ({"search": "2018-02-0", "where": {"felt": False}}, [2, 3]),
        ({"start": 2, "end": 3, "index": "id"}, [2, 3]),
        ({"start": "5", "index": "magnitude"}, [3, 4]),
        ({"start": "C", "end": "D", "index": "place"}, [2]),
        ({"index": "magnitude"}, [1, 2, 3, 4]),
        ({"start": "2018-02-01", "where": {"country": "USA"}, "search": "peninsula"}, [3]),
    ],
)
def test_a_job_selects_rows(client, rd, version, asked, ids):
    # When a job is posted, alone and in a list with one that selects nothing
    job = client.post("/jobs", json={**OPEN, **asked}).json
    plain, listed = client.post("/jobs", json=[OPEN, {**OPEN, **asked}]).json
    # then it shows what it selects, as posted
    given = {name: asked[name] for name in ("index", "where", "search") if asked.get(name)}
    for shown in (job, listed, client.get(f"/jobs/{job['id']}").json, client.get("/jobs").json["jobs"][0]):
        assert {name: shown[name] for name in jobs.SELECTION_FIELDS if name in shown} == given
    assert not {*plain} & {*jobs.SELECTION_FIELDS}
    # and selects those rows
    assert ids_of(rd, version, asked) == ids


@pytest.mark.parametrize(
    ("asked", "pointer", "words"),
    [
        ({"index": "depth"}, "/index", "There is no column 'depth'"),
        ({"index": "felt"}, "/index", "boolean"),
        ({"start": 5}, "/start", "the index 'time' is of type time"),
        ({"start": 5, "index": "place"}, "/start", "the index 'place' is of type text"),
        ({"start": 3, "end": 2, "index": "id"}, "/start", "after end"),
        ({"end": "2018"}, "/end", "a time such as"),
        ({"index": 5}, "/index", "string"),
        ({"search": 5}, "/search", "string"),
        ({"search": "x" * 1001}, "/search", "1000"),
        ({"where": []}, "/where", "an object"),
        ({"where": {"depth": 5}}, "/where/depth", "There is no column 'depth'"),
        ({"where": {"magnitude": "high"}}, "/where/magnitude", "number"),
        ({"where": {"magnitude": {"gte": "high"}}}, "/where/magnitude/gte", "number"),
        ({"where": {"magnitude": {"contains": "5"}}}, "/where/magnitude/contains", "no operator 'contains'"),
        ({"where": {"magnitude": {"eq": 5}}}, "/where/magnitude/eq", "it has: ne, lt, lte, gt, gte, in."),
        ({"where": {"felt": {"gt": False}}}, "/where/felt/gt", "it has: ne, in."),
        ({"where": {"felt": 1}}, "/where/felt", "boolean"),
        ({"where": {"place": 5}}, "/where/place", "text"),
        ({"where": {"magnitude": True}}, "/where/magnitude", "number"),
        ({"where": {"magnitude": {"lt": None}}}, "/where/magnitude/lt", "missing"),
        ({"where": {"id": [1, 2]}}, "/where/id", '{"in": […]}'),
        ({"where": {"id": {"in": 1}}}, "/where/id/in", "list"),
        ({"where": {"id": {"in": "1,x"}}}, "/where/id/in", "'x'"),
        ({"where": {"id": {"in": [1, "x"]}}}, "/where/id/in", "'x'"),
        ({"where": {"id": {"in": [[1]]}}}, "/where/id/in", "[1]"),
        ({"where": {"id": {}}}, "/where/id", "operators"),
        ({"where": {"place": {"contains": 5}}}, "/where/place/contains", "text"),
        ({"where": {"a/b~c": "x"}}, "/where/a~1b~0c", "integer"),
        ({"where": {"a/b~c": {"gt": "x"}}}, "/where/a~1b~0c/gt", "integer"),
        ({"where": {"x": "y" * 70_000}}, "/where", "65,536 bytes"),
    ],
)
def test_what_does_not_fit_the_dataset_is_told_before_it_is_queued(client, version, asked, pointer, words):
    found = errors_of(client.post("/jobs", json={**OPEN, **asked}))
    assert found.keys() == {pointer}
    assert words in found[pointer]
    assert errors_of(client.post("/jobs", json=[OPEN, {**OPEN, **asked}])).keys() == {f"/1{pointer}"}
    assert client.get("/jobs").json["total"] == 0


def test_faults_of_bounds_and_filters_are_told_at_once(client, version):
    found = errors_of(client.post("/jobs", json={"start": "x", "where": {"nope": 1}, "analysis": "histogram"}))
    assert found.keys() == {"/start", "/where/nope"}


def test_a_job_has_at_most_fifty_filters(client):
    where = {f"c{n}": {"ne": 5} for n in range(49)}
    client.post("/data", json=[dict.fromkeys(where, 1)])
    assert client.post("/jobs", json={"where": {**where, "c0": 1}}).status_code == 202
    found = errors_of(client.post("/jobs", json={"where": {**where, "c48": {"gt": 0, "lt": 2, "ne": 3}}}))
    assert "51 filters; send 50" in found["/where"]


def test_a_retry_selects_the_same_rows_and_is_checked_on_todays_dataset(client, version):
    # Given an ended job that selects rows
    asked = {"start": 1, "end": 3, "index": "id", "where": {"country": "USA"}, "search": "alaska"}
    job = client.post("/jobs", json=asked).json
    client.post(job["links"]["cancel"])
    # when it is tried again, then it selects the same
    again = client.post(job["links"]["retry"])
    assert again.status_code == 202
    assert {name: again.json[name] for name in asked} == asked
    # and on a dataset without its column it is refused
    client.post("/data", data="id,x\n1,2\n2,3\n", content_type="text/csv")
    assert errors_of(client.post(job["links"]["retry"])).keys() == {"/where/country"}


def test_an_analysis_that_reads_no_dataset_needs_none(client):
    job = client.post("/jobs", json={**OPEN, "analysis": "sleep", "where": {"x": 1}, "index": "y", "search": "z"})
    assert job.status_code == 202
    assert errors_of(client.post("/jobs", json={**OPEN, "analysis": "sleep", "where": 5})).keys() == {"/where"}


def test_what_an_analysis_needs_to_know_is_found_in_the_selected_rows(client):
    # Given a time series of a minute, whose last value comes ten years later
    rows = [f"{n},2010-01-01T00:00:{n:02}Z,{n}" for n in range(60)]
    client.post("/data", data="\n".join(["id,time,x", *rows, "60,2020-01-01T00:00:00Z,9"]), content_type="text/csv")
    series = {"analysis": "timeseries", "params": {"every": "1s"}}
    # when it has too many steps, then only jobs without that value are accepted
    assert errors_of(client.post("/jobs", json=series)).keys() == {"/params/every"}
    assert errors_of(client.post("/jobs", json={**series, "where": {"x": {"gte": 9}}})).keys() == {"/params/every"}
    for selected in ({"where": {"id": {"lt": 60}}}, {"search": "2010-"}, {"index": "id", "end": 59}):
        assert client.post("/jobs", json={**series, **selected}).status_code == 202


METEORITES = [
    {"id": str(10001 + n), "mass": str(720 + n), "year": f"{1951 + n % 3}-01-01T00:00:00.000"} for n in range(500)
]


@pytest.mark.parametrize(
    ("bounds", "count"),
    [({"start": 1, "end": 2}, 0), ({"start": 10001, "end": 10400}, 400), ({"start": "1952", "index": "id"}, 500)],
)
def test_two_integers_that_are_no_time_range_over_integer_identifiers(client, rd, bounds, count):
    # Given records with numbered identifiers and a time
    described = client.post("/data", json=METEORITES).json
    assert (described["id"], described["index"]) == ("id", "year")
    # when a job names two of the identifiers, then it ranges over them
    assert client.post("/jobs", json=bounds).status_code == 202
    assert len(ids_of(rd, described["version"], bounds)) == count


def test_a_time_that_never_changes_is_no_index(client, rd):
    described = client.post("/data", json=[{**row, "year": "1951-01-01T00:00:00.000"} for row in METEORITES]).json
    assert described["index"] == "id"
    assert ids_of(rd, described["version"], {"start": 10400}) == [*range(10400, 10501)]


@pytest.mark.parametrize(
    "bounds",
    [
        {"start": 1951, "end": 1952},
        {"start": 19510101, "end": 19520101},
        {"start": 1, "end": 1952},
        {"start": 1, "end": None},
        {"start": "1", "end": "2"},
        {"start": 1.0, "end": 2.0},
        {"start": True, "end": 2},
        {"start": 1, "end": 2, "index": "year"},
    ],
)
def test_bounds_that_may_be_meant_as_a_time_are_refused(client, bounds):
    client.post("/data", json=METEORITES)
    assert errors_of(client.post("/jobs", json=bounds)).keys() == {"/start"}
    assert errors_of(client.post("/jobs", json=[{"start": 1, "end": 2}, bounds])).keys() == {"/1/start"}
