"""Records that two API processes change at the same time, while a worker keeps the version of its job."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

import jobs
from ops.backup import restore, save
from ops.invariants import find_violations
from tests.conftest import Server, eventually

ROWS = 2000


def load(api: httpx.Client) -> None:
    body = json.dumps([{"id": n, "v": 0, "text": f"text {n}"} for n in range(ROWS)])
    assert api.post("/data", content=body).status_code == 201


def records(api: httpx.Client) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    address = "/data?limit=1000"
    while address:
        page = api.get(address).json()
        found |= {record["id"]: record for record in page["records"]}
        address = page["next"]
    return found


def dataset_keys() -> set[str]:
    return {key.decode() for key in jobs.rd.keys("data.*")}


def test_two_processes_change_records_and_no_change_is_lost(start_api, start_worker):
    # Given two API processes
    apis = [start_api(), start_api()]
    load(apis[0])

    # when both change records at the same time: the same record, others, and new ones
    def change(number: int) -> list[int]:
        api = apis[number % 2]
        seen = []
        for turn in range(40):
            tag = None
            while tag is None:
                got = api.get("/data/0")
                patched = api.patch(
                    "/data/0", json={"v": got.json()["v"] + 1}, headers={"If-Match": got.headers["ETag"]}
                )
                assert patched.status_code in (200, 412), patched.text
                tag = patched.headers["ETag"] if patched.status_code == 200 else None
            own = 100 + 50 * number + turn
            assert api.patch(f"/data/{own}", json={"v": own}).status_code == 200
            assert api.post("/data/records", json={"id": 10_000 + own, "v": 1}).status_code == 201
            assert api.delete(f"/data/{1000 + own}").status_code == 204
            seen.append(own)
        return seen

    with ThreadPoolExecutor(4) as threads:
        changed = [own for seen in threads.map(change, range(4)) for own in seen]

    # then each change is there, for both
    for api in apis:
        found = records(api)
        assert found[0]["v"] == 160
        assert all(found[own]["v"] == own for own in changed)
        assert all(10_000 + own in found and 1000 + own not in found for own in changed)
        assert len(found) == ROWS
        assert api.get("/data").json()["dataset"]["count"] == ROWS
    # and Redis keeps the current version, its base and the changes between them
    assert len(dataset_keys()) <= 5
    assert find_violations(jobs.rd, jobs.q._client) == []


def test_a_job_keeps_its_version_while_records_change(start_api, start_worker):
    # Given a job that waits for a worker, and a later one
    api, other = start_api(), start_api()
    load(api)
    first = api.post("/jobs", json={"start": None, "end": None}).json()
    for number in range(100):
        assert other.delete(f"/data/{number}").status_code == 204
    second = api.post("/jobs", json={"start": None, "end": None}).json()
    for number in range(100, 150):
        assert api.delete(f"/data/{number}").status_code == 204
    assert find_violations(jobs.rd, jobs.q._client) == []
    # when they run
    start_worker()
    # then each has the rows of the version that it was submitted with
    for job, count in ((first, ROWS), (second, ROWS - 100)):
        assert api.get(f"/jobs/{job['id']}?wait=30").json()["status"] == "complete"
        assert api.get(f"/jobs/{job['id']}/results").json()["count"] == count
    # and nothing of these versions is left
    current = api.get("/data").json()["dataset"]
    assert current["count"] == ROWS - 150
    eventually(lambda: f"data.{second['dataset']}" not in dataset_keys())
    assert find_violations(jobs.rd, jobs.q._client) == []
    api.delete("/data")
    assert dataset_keys() == set()


@pytest.fixture
def other_server(tmp_path: Path):
    folder = tmp_path / "other"
    folder.mkdir()
    server = Server(folder)
    yield server
    server.stop()


def test_a_changed_version_is_in_the_back_up(start_api, other_server, tmp_path):
    # Given a changed version, saved
    api = start_api()
    load(api)
    api.patch("/data/7", json={"text": "changed"})
    api.delete("/data/8")
    snapshot = save(jobs.rd, tmp_path / "backups")
    # when it is restored into another server
    client = jobs.rd.__class__(port=other_server.port)
    restore(client, snapshot)
    # then an API there has it, and changes it
    restored = start_api(port=other_server.port)
    found = records(restored)
    assert (found[7]["text"], 8 in found, len(found)) == ("changed", False, ROWS - 1)
    assert restored.patch("/data/9", json={"v": 1}).json()["v"] == 1
    client.close()


def test_an_accepted_change_survives_the_death_of_its_process(start_api, start):
    # Given a process that is killed while clients append records
    api = start_api()
    load(api)
    process = start.started[-1].process
    accepted: list[int] = []

    def append(number: int) -> None:
        for turn in range(10_000):
            own = 1_000_000 * (number + 1) + turn
            try:
                answer = api.post("/data/records", json={"id": own, "v": 1})
            except httpx.TransportError:
                return
            assert answer.status_code == 201
            accepted.append(own)

    with ThreadPoolExecutor(3) as threads:
        running = [threads.submit(append, number) for number in range(3)]
        eventually(lambda: len(accepted) > 100)
        os.killpg(process.pid, signal.SIGKILL)
        for each in running:
            each.result()
    # when another process reads the dataset, then each accepted record is there, and at most those in flight besides
    found = set(records(start_api())) - set(range(ROWS))
    assert set(accepted) <= found
    assert len(found) <= len(accepted) + 3
    assert find_violations(jobs.rd, jobs.q._client) == []


def test_a_change_is_refused_while_redis_is_full(start_api):
    api = start_api()
    load(api)
    api.patch("/data/1", json={"v": 1})
    before = api.get("/data").json()
    jobs.rd.config_set("maxmemory", "1mb")
    try:
        answers = [
            api.patch("/data/1", json={"v": 2}),
            api.post("/data/records", json={"id": 99_999}),
            api.delete("/data/1"),
        ]
        assert {(answer.status_code, answer.json()["type"]) for answer in answers} == {(507, "/problems/storage-full")}
        assert api.get("/data").json() == before
    finally:
        jobs.rd.config_set("maxmemory", "0")
    assert api.patch("/data/1", json={"v": 3}).json()["v"] == 3
    assert find_violations(jobs.rd, jobs.q._client) == []
