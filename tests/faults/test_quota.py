"""API and workers are killed while keys use up their quotas: the count of each key's unfinished jobs stays right."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

import jobs
from ops.invariants import find_violations
from tests.conftest import eventually
from tests.keys import bearer, line_of, write_keys

QUOTA = 12
KILLS = 4
NAMES = ("ann", "bob")


def _unfinished(name: str) -> list[str]:
    listed = jobs.get_jobs(limit=1000, owner=name).jobs
    return [job["id"] for job in listed if not jobs.Status(job["status"]).ended]


def _use_up(api: httpx.Client, over: threading.Event, name: str, seen: list[int]) -> None:
    """Post single jobs and lists of them without pause, and cancel one now and then."""
    dice = random.Random(name)
    while not over.is_set():
        job = {"analysis": "sleep", "params": {"seconds": dice.uniform(0, 0.05)}, "max_attempts": 100}
        body = job if dice.random() < 0.5 else [job] * dice.randint(1, QUOTA)
        try:
            answer = api.post("/jobs", json=body, headers=bearer(name))
            if answer.status_code == 202 and dice.random() < 0.2:
                made = answer.json()[-1] if isinstance(answer.json(), list) else answer.json()
                api.post(f"/jobs/{made['id']}/cancel", headers=bearer(name))
        except httpx.TransportError:
            time.sleep(0.05)
            continue
        seen.append(answer.status_code)


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
def test_after_kills_of_api_and_workers_each_key_has_its_whole_quota_again(start, start_worker, start_api, tmp_path):
    # Given an API with keys, and workers
    keys = write_keys(tmp_path / "keys", *(line_of(name, "submit") for name in NAMES))
    start_worker(2)
    api = start_api(API_KEYS_FILE=keys, MAX_UNFINISHED_JOBS=QUOTA)
    gunicorn = start.started[-1].process.pid
    over = threading.Event()
    seen: dict[str, list[int]] = {name: [] for name in NAMES}
    clients = [threading.Thread(target=_use_up, args=(api, over, name, seen[name]), daemon=True) for name in NAMES * 2]
    for client in clients:
        client.start()

    # when the process of the API and children of the worker are killed while both keys use up their quotas
    dice = random.Random(2)
    for _ in range(KILLS):
        answered = {name: len(seen[name]) for name in NAMES}
        eventually(lambda: all(len(seen[name]) > answered[name] + 20 for name in NAMES))  # noqa: B023
        assert all(jobs.rd.zcard(f"jobs.unfinished.{name}") <= QUOTA for name in NAMES)
        time.sleep(dice.uniform(0, 0.1))
        os.kill(dice.choice([worker["pid"] for worker in jobs.get_workers()]), signal.SIGKILL)
        os.kill(int(Path(f"/proc/{gunicorn}/task/{gunicorn}/children").read_text().split()[0]), signal.SIGKILL)
    over.set()
    for client in clients:
        client.join(30)
        assert not client.is_alive()

    # then all jobs end, both quotas were reached, and nothing is counted that has ended
    eventually(lambda: not any(_unfinished(name) for name in NAMES), 60)
    for name in NAMES:
        assert {202, 429} <= set(seen[name]) <= {202, 429, 503}
        assert jobs.rd.zcard(f"jobs.unfinished.{name}") == 0
    assert find_violations(jobs.rd, jobs.q._client) == []
    # and each key may have as many jobs as its quota, and no more
    eventually(lambda: api.get("/ready").status_code == 200)
    naps = [{"analysis": "sleep", "params": {"seconds": 60}}] * QUOTA
    for name in NAMES:
        assert api.post("/jobs", json=[*naps, naps[0]], headers=bearer(name)).status_code == 429
        assert api.post("/jobs", json=naps, headers=bearer(name)).status_code == 202
        assert api.post("/jobs", json=naps[0], headers=bearer(name)).status_code == 429
