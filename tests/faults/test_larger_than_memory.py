"""A dataset that is larger than the memory of a child, and of the API: in a shared folder, and in object storage."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import numpy as np
import pytest

import jobs
from runtime.memory import MemoryMeter
from tests.conftest import Process
from tests.object_store import s3_server

DATASET_MB = int(os.environ.get("DATASET_MB", "200"))
CHILD_MB = int(os.environ.get("CHILD_MB", "96"))
API_MB = 1024
READER_MB = API_MB * 7 // 16
REDIS_MB = 8
NUMBERS = 20
LINE_BYTES = 226

pytestmark = [pytest.mark.long, pytest.mark.timeout(60 + 10 * DATASET_MB)]


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of numbers, in the order of time, at 50 stations."""
    path = tmp_path_factory.mktemp("body") / "measurements.csv"
    rng = np.random.default_rng(5)
    rows, part = DATASET_MB * 10**6 // LINE_BYTES, 50_000
    begin = np.datetime64("2020-01-01T00:00:00")
    with path.open("w") as file:
        file.write(f"id,time,station,{','.join(f'x{number}' for number in range(NUMBERS))}\n")
        for first in range(0, rows, part):
            ids = np.arange(first, min(rows, first + part))
            times = np.datetime_as_string(begin + ids * np.timedelta64(10, "s"))
            values = rng.normal(10, 3, (len(ids), NUMBERS)).round(6).tolist()
            file.writelines(
                f"{one},{at}Z,station {one % 50},{','.join(map(repr, line))}\n"
                for one, at, line in zip(ids, times, values, strict=True)
            )
    return path


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Return the settings of a storage."""
    if request.param == "folder":
        yield {"DATASET_STORE": str(tmp_path / "datasets")}
    else:
        with s3_server("bucket") as environ:
            yield {"DATASET_STORE": "s3://bucket/jobs", **environ}


class Memory:
    """The most memory, not backed by files, that a process and its descendants were seen to use."""

    def __init__(self, process: Process) -> None:
        self.peak = 0
        self._meter = MemoryMeter(process.process.pid)
        self._ended = Event()
        Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while not self._ended.wait(0.02):
            self.peak = max(self.peak, self._meter.read(0) // 2**20)

    def end(self) -> int:
        self._ended.set()
        return self.peak


def test_it_is_loaded_and_analysed(
    body: Path, store: dict[str, str], start: Any, start_api: Callable[..., httpx.Client], start_worker: Any
) -> None:
    limits = {"MAX_BODY_BYTES": 4 * 2**30, "LOAD_MEMORY_MB": READER_MB, "MAX_LOAD_SECONDS": 3000}
    files = {"TMPDIR": str(body.parent), "DATASET_FILES_MB": 2 * DATASET_MB + 1024}
    api = start_api(API_PROCESSES=1, **limits, **files, **store)
    start_worker(1, MEMORY_LIMIT_MB=CHILD_MB, **files, **store)
    memory = Memory(start.started[-2])

    with body.open("rb") as file:
        loaded = api.post("/data", content=file, headers={"Content-Type": "text/csv"}, timeout=3000)
    assert loaded.status_code in (200, 201), loaded.text
    rows = DATASET_MB * 10**6 // LINE_BYTES
    assert loaded.json()["count"] == rows
    assert int(jobs.rd.info("memory")["used_memory"]) < REDIS_MB * 2**20

    wanted: dict[str, dict[str, Any]] = {
        "summary": {"columns": ["x0", "station", "time"]},
        "histogram": {"column": "x1"},
        "groups": {"by": ["station"], "column": "x2", "aggregates": ["count", "mean", "std"], "top": 50},
        "timeseries": {"index": "time", "column": "x3", "every": "1w"},
    }
    results = {name: run(api, {"analysis": name, "params": params}) for name, params in wanted.items()}

    assert memory.end() < API_MB
    summary = results["summary"]["columns"]
    assert summary["x0"]["count"] == rows
    assert summary["x0"]["mean"] == pytest.approx(10, abs=0.1)
    assert summary["x0"]["std"] == pytest.approx(3, abs=0.1)
    assert summary["x0"]["quantiles"]["0.5"] == pytest.approx(10, abs=0.1)
    assert summary["station"]["distinct"] == 50
    assert summary["time"]["distinct"] == rows
    assert sum(results["histogram"]["counts"]) == rows
    assert [line["count"] for line in results["groups"]["groups"]] == [
        len(range(station, rows, 50)) for station in sorted(range(50), key=lambda s: (-len(range(s, rows, 50)), str(s)))
    ]
    assert results["timeseries"]["count"] == rows
    part = run(
        api,
        {"analysis": "correlation", "params": {"columns": ["x0", "x1"]}, "start": "2020-01-02", "end": "2020-01-02"},
    )
    assert part["n"][0][1] == 8640


def run(api: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a job, which was attempted once."""
    created = api.post("/jobs", json=job)
    assert created.status_code == 202, created.text
    ended = created.json()
    deadline = time.monotonic() + 5 * DATASET_MB
    while ended["status"] not in ("complete", "failed") and time.monotonic() < deadline:
        ended = api.get(f"/jobs/{ended['id']}?wait=30").json()
    assert ended["status"] == "complete", (job["analysis"], ended["error"])
    assert ended["attempt"] == 1, (job["analysis"], ended["attempts"])
    result: dict[str, Any] = api.get(f"/jobs/{ended['id']}/results").json()["result"]
    return result
