"""Actions on all jobs that match, behind an API of several processes and a real Redis."""

from __future__ import annotations

import threading

import httpx
import pytest

import jobs
from benchmarks.many_jobs import fill
from ops.invariants import find_violations
from tests.conftest import eventually

COUNT = 5000


@pytest.fixture
def api(start_api):
    return start_api(GUNICORN_CMD_ARGS="--workers 2")


def _post(api: httpx.Client, count: int) -> None:
    body = [{"analysis": "sleep", "params": {"seconds": 0}}] * count
    assert api.post("/jobs", json=body).status_code == 202


def _follow(api: httpx.Client, place: str) -> list[dict]:
    """Return the states of an operation until it has ended."""
    states: list[dict] = []

    def has_ended() -> bool:
        states.append(api.get(place).json())
        return states[-1]["status"] != "in progress"

    eventually(has_ended, 60, 0.005)
    return states


def _total(api: httpx.Client, query: str) -> int:
    return int(api.get(f"/jobs?{query}&limit=1").json()["total"])


def test_an_action_on_many_jobs_is_followed_and_done_by_one_process(api, start):
    # Given jobs that wait
    _post(api, COUNT)

    # when all of them are cancelled, then the response comes before all are
    sent = {"headers": {"Idempotency-Key": "k"}}
    answer = api.post("/jobs/cancel?analysis=sleep", **sent)
    assert answer.status_code == 202
    assert (answer.json()["status"], answer.json()["matched"]) == ("in progress", 1000)
    # and the same request again is about the same operation
    again = api.post("/jobs/cancel?analysis=sleep", **sent)
    assert again.headers["Location"] == answer.headers["Location"]
    assert again.headers["Idempotency-Replayed"] == "true"
    states = _follow(api, answer.headers["Location"])

    # and the progress only grows until the counts are those of the jobs
    for name in ("progress", "matched", "done"):
        seen = [answer.json()[name], *(state[name] for state in states)]
        assert seen == sorted(seen)
    last = states[-1]
    assert (last["status"], last["matched"], last["done"], last["skipped"]) == ("complete", COUNT, COUNT, 0)
    assert last["progress"] == 1
    assert _total(api, "status=cancelled") == COUNT
    # and one of the processes has ended it
    log = start.started[-1].log.read_text()
    assert log.count("operation ended") == 1
    assert last["id"] in log

    # when all are deleted by two requests at once, then each job is deleted once
    answers: list[httpx.Response] = []
    threads = [threading.Thread(target=lambda: answers.append(api.delete("/jobs?analysis=sleep"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    ends = [each.json() if each.status_code == 200 else _follow(api, each.headers["Location"])[-1] for each in answers]
    assert len(ends) == len(threads)
    assert sum(end["done"] for end in ends) == COUNT
    assert all(end["done"] + end["skipped"] == end["matched"] for end in ends)
    assert _total(api, "analysis=sleep") == 0
    assert find_violations(jobs.rd, jobs.q._client) == []


def test_an_operation_is_cancelled_midway(api):
    # Given an operation that takes much longer than a request
    fill(jobs.rd, 40_000)
    waiting = _total(api, "status=submitted")
    place = api.post("/jobs/cancel?status=submitted").headers["Location"]

    answer = api.post(f"{place}/cancel")

    # then it ends where it is
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    done = answer.json()["done"]
    assert 1000 <= done < waiting
    assert api.get(place).json() == api.post(f"{place}/cancel").json() == answer.json()
    assert _total(api, "status=cancelled") == done
    assert _total(api, "status=submitted") == waiting - done
