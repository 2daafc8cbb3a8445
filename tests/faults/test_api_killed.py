"""gunicorn's worker is killed during requests: accepted jobs exist, and a repeated request adds no second job."""

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

CLIENTS = 8
KILLS = 5


def _post(api: httpx.Client, over: threading.Event, made: dict[str, str], unanswered: list[str], number: int) -> None:
    """Post job after job; repeat each one under its key until it gets a response."""
    body = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0}}
    turn = 0
    while not over.is_set():
        turn += 1
        key = f"{number}-{turn}"
        while key not in made:
            try:
                answer = api.post("/jobs", json={**body, "tags": [key]}, headers={"Idempotency-Key": key})
            except httpx.TransportError:
                unanswered.append(key)
                time.sleep(0.05)
                continue
            assert answer.status_code == 202, answer.text
            made[key] = answer.json()["id"]


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
def test_requests_that_died_with_the_api_make_one_job_each_when_asked_again(start, start_api):
    api = start_api()
    gunicorn = start.started[-1].process.pid
    over = threading.Event()
    made: dict[str, str] = {}
    unanswered: list[str] = []
    clients = [
        threading.Thread(target=_post, args=(api, over, made, unanswered, number), daemon=True)
        for number in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    dice = random.Random(1)

    for _ in range(KILLS):
        answered = len(made)
        eventually(lambda answered=answered: len(made) > answered + CLIENTS)
        time.sleep(dice.uniform(0, 0.1))
        for pid in Path(f"/proc/{gunicorn}/task/{gunicorn}/children").read_text().split():
            os.kill(int(pid), signal.SIGKILL)
    over.set()
    for client in clients:
        client.join(60)

    assert unanswered
    assert not any(client.is_alive() for client in clients)
    records = [jobs.get_job_by_id(jid) for jid in made.values()]
    assert [job["tags"] for job in records] == [[key] for key in made]
    assert jobs.get_stats()["jobs"]["submitted"] == len(set(made.values())) == len(made)


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
@pytest.mark.long
def test_a_bulk_that_died_with_the_api_is_there_as_a_whole_or_not_at_all(start, start_api):
    # Given an API that is killed at random moments while it accepts bulks of many slices
    api = start_api()
    gunicorn = start.started[-1].process.pid
    dice, bulk = random.Random(2), [{"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0}}] * 1500
    unanswered = 0
    for number in range(12):
        children = Path(f"/proc/{gunicorn}/task/{gunicorn}/children")
        eventually(lambda children=children: children.read_text().split())
        killer = threading.Timer(dice.uniform(0.02, 0.6), lambda c=children: os.kill(int(c.read_text().split()[0]), 9))
        eventually(lambda: _is_up(api))
        killer.start()
        try:
            assert api.post("/jobs", json=bulk, headers={"Idempotency-Key": str(number)}).status_code == 202
        except httpx.TransportError:
            unanswered += 1
        killer.join()
    # when housekeeping runs, then exactly the accepted jobs exist
    while jobs.heartbeat([]).more:
        pass
    assert unanswered
    total = jobs.get_jobs(limit=1).total
    assert total is not None
    assert total % len(bulk) == 0
    assert total >= (12 - unanswered) * len(bulk)
    assert jobs.get_stats()["queue"]["total"] == len(jobs.q) == total
    assert find_violations(jobs.rd, jobs.q._client) == []
    # and a repeated request returns those jobs or adds them
    eventually(lambda: _is_up(api))
    for number in range(12):
        answer = api.post("/jobs", json=bulk, headers={"Idempotency-Key": str(number)})
        assert (answer.status_code, len(answer.json())) == (202, len(bulk))
    assert jobs.get_jobs(limit=1).total == 12 * len(bulk)


def _is_up(api: httpx.Client) -> bool:
    try:
        return api.get("/health").status_code == 200
    except httpx.TransportError:
        return False
