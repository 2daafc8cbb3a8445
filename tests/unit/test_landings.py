"""A list of meteorite landings as clients post it, its numbers as text, and the jobs on it."""

from __future__ import annotations

import pytest

from analyses import get_analysis
from api import create_app
from dataset import Selection, Store

ROWS = [
    {
        "id": str(10_001 + number),
        "mass": str(720 + number),
        "year": f"{1951 + number % 60}-01-01T00:00:00.000",
        "reclat": f"{50.775 - number / 10:.3f}",
        "reclong": f"{6.08333 + number / 5:.5f}",
    }
    for number in range(400)
]


@pytest.fixture
def client(rd):
    client = create_app(redis_client=rd).test_client()
    assert client.post("/data", json=ROWS).json["notes"] == []
    return client


@pytest.mark.parametrize(("start", "end", "count"), [(1, 2, 0), (10_001, 10_400, 400), (None, None, 400)])
@pytest.mark.parametrize(
    ("analysis", "params", "found"),
    [
        ("map", {}, {"longitude": "reclong", "latitude": "reclat"}),
        ("map", {"longitude": "reclong", "latitude": "reclat", "color": "mass"}, {"color": "mass"}),
        ("histogram", {}, {"column": "mass"}),
        ("histogram", {"column": "reclat"}, {"column": "reclat"}),
        ("trend", {}, {"x": "year", "y": "mass"}),
        ("trend", {"x": "reclong", "y": "reclat"}, {"x": "reclong"}),
    ],
)
def test_jobs_on_ranges_of_identifiers_with_default_and_named_columns(
    client, rd, start, end, count, analysis, params, found
):
    # Given a job on a range of identifiers, which the API accepts
    asked = {"start": start, "end": end, "analysis": analysis, "params": params}
    assert client.post("/jobs", json=asked).status_code == 202
    # when its analysis runs on the rows
    description = client.get("/data?limit=1").json["dataset"]
    rows = Store(rd).table(description["version"]).select(Selection(start=start, end=end))
    types = {column["name"]: column["type"] for column in description["columns"]}
    checked = get_analysis(analysis).check(params, types, description["index"])
    outcome = get_analysis(analysis).run(rows, checked, lambda fraction, message=None: None)
    # then it has the columns that are meant, and those rows
    assert len(rows) == count
    assert found.items() <= checked.items()
    assert outcome.result["count"] == count
