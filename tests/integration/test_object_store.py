"""The API with the rows of datasets in S3, and when S3 does not answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import jobs
from ops.invariants import find_violations
from tests.conftest import eventually
from tests.object_store import s3_server

CSV = "id,side,x\n" + "".join(f"{n},{('north', 'south')[n % 2]},{n / 8}\n" for n in range(3000))


@pytest.mark.timeout(240)
def test_rows_are_in_s3_and_an_outage_of_it_is_a_503(
    start_api: Callable[..., httpx.Client], start_worker: Any, tmp_path: Path
) -> None:
    # Given an API and a worker, and rows in a bucket
    with s3_server("bucket") as environ:
        storage = {"DATASET_STORE": "s3://bucket/some/prefix", **environ}
        api = start_api(API_PROCESSES=1, TMPDIR=str(tmp_path), **storage)
        start_worker(**storage)
        assert api.post("/data", content=CSV, headers={"Content-Type": "text/csv"}).status_code == 201

        # When another process reads them, and a job does
        other = start_api(API_PROCESSES=1, DATASET_FILES_MB=0, **storage)
        found = other.get("/data/2999").json()
        job = api.post("/jobs", json={"analysis": "groups", "params": {"by": ["side"]}}).json()
        job = api.get(f"/jobs/{job['id']}?wait=30").json()

        # Then they are those that were loaded, and Redis has its description and a name only
        assert found == {"id": 2999, "side": "south", "x": 374.875}
        assert job["status"] == "complete", job
        assert {len(jobs.rd.get(key)) < 200 for key in jobs.rd.keys("data.*.0")} == {True}
        assert jobs.rd.type("data.folder") == b"string"
        assert find_violations(jobs.rd, jobs.q._client) == []

    # When the bucket is gone, and other rows are loaded
    begin = time.monotonic()
    refused = api.post("/data", content=CSV.replace("north", "east"), headers={"Content-Type": "text/csv"}, timeout=90)

    # Then that is refused in bounded time, and the dataset is as it was
    assert refused.status_code == 503
    assert "storage of datasets does not answer" in refused.json()["detail"]
    assert time.monotonic() - begin < 60
    assert api.get("/data/2999").json() == found
    eventually(lambda: api.get("/health").status_code == 200)
