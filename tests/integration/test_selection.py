"""A job that selects rows, end to end: real Redis, gunicorn and workers; its results are computed again by hand."""

from __future__ import annotations

import csv
import io

import pytest

from tests.conftest import ROOT

EARTHQUAKES = (ROOT / "samples" / "earthquakes.csv").read_bytes()


@pytest.fixture
def api(start_api, start_worker):
    """Start the API and a worker, and load the earthquakes."""
    start_worker(1)
    client = start_api()
    loaded = client.post("/data", content=EARTHQUAKES, headers={"Content-Type": "text/csv"})
    assert loaded.status_code == 201
    return client


def results_of(api, asked):
    accepted = api.post("/jobs", json=asked)
    assert accepted.status_code == 202, accepted.text
    location = accepted.headers["Location"]
    assert api.get(location, params={"wait": 30}).json()["status"] == "complete"
    return api.get(f"{location}/results").json()


def test_the_results_of_selected_rows_can_be_computed_again(api):
    # Given a job with an index of its own, filters and a text
    asked = {
        "start": 2.5,
        "end": 4,
        "index": "magnitude",
        "where": {"network": {"in": ["ak", "us"]}, "time": {"gte": "2018-02-02"}, "depth_km": {"ne": None}},
        "search": "KM",
        "analysis": "histogram",
        "params": {"column": "depth_km", "bins": 5},
    }
    # when it has run, then its results tell what it selected
    results = results_of(api, asked)
    members = ("start", "end", "index", "where", "search")
    assert {name: results[name] for name in members} == {name: asked[name] for name in members}
    # and its count is that of a loop over the file, and of a query
    rows = [
        row
        for row in csv.DictReader(io.StringIO(EARTHQUAKES.decode()))
        if row["magnitude"]
        and 2.5 <= float(row["magnitude"]) <= 4
        and row["network"] in ("ak", "us")
        and row["time"] >= "2018-02-02"
        and row["depth_km"]
        and "km" in " ".join(row.values()).lower()
    ]
    assert results["count"] == len(rows) == sum(results["result"]["counts"]) > 0
    query = "magnitude.gte=2.5&magnitude.lte=4&network.in=ak,us&time.gte=2018-02-02&depth_km.ne=&search=KM"
    listed = api.get(f"/data?{query}", headers={"Accept": "text/csv"})
    assert len(list(csv.DictReader(io.StringIO(listed.text)))) == len(rows)
    # and a job made of its results has the same result
    again = {name: results[name] for name in ("analysis", "params", *members)}
    assert results_of(api, again)["result"] == results["result"]


def test_a_job_without_a_selection_names_the_index_of_the_dataset(api):
    results = results_of(api, {"start": "2018-02-01", "end": "2018-02-02"})
    assert (results["index"], results["where"], results["search"]) == ("time", None, None)


def test_numbers_in_quotes_are_analysed_by_their_identifiers(api):
    # Given meteorites as a portal publishes them, whose first 400 have an earlier year
    rows = [
        {
            "id": str(10001 + n),
            "mass": str(700 + n),
            "year": f"{1951 + n // 100}-01-01T00:00:00.000",
            "reclat": f"{n / 10:.5f}",
            "reclong": f"{-n / 10:.5f}",
        }
        for n in range(500)
    ]
    assert api.post("/data", json=rows).json()["index"] == "year"
    # when jobs range over identifiers, then each has these rows
    bounds, place = {"start": 10001, "end": 10400}, {"longitude": "reclong", "latitude": "reclat"}
    for analysis, params in (
        ("histogram", {"column": "mass"}),
        ("map", place),
        ("trend", {"x": "mass", "y": "reclat"}),
    ):
        results = results_of(api, {**bounds, "analysis": analysis, "params": params})
        assert (results["index"], results["count"]) == ("id", 400)
    assert results_of(api, {"start": 1, "end": 2})["count"] == 0


def test_all_records_are_streamed_as_files(api):
    for accept in ("text/csv", "application/x-ndjson", "application/vnd.apache.parquet"):
        with api.stream("GET", "/data", headers={"Accept": accept}) as answer:
            body = b"".join(answer.iter_bytes())
        assert answer.status_code == 200
        if accept == "text/csv":
            assert len(body.splitlines()) == len(EARTHQUAKES.splitlines())
        loaded = api.post("/data", params={"dry_run": "yes"}, content=body, headers={"Content-Type": accept})
        assert loaded.json()["count"] == len(EARTHQUAKES.splitlines()) - 1
        assert api.head("/data", headers={"Accept": accept}).headers["ETag"] == answer.headers["ETag"]
