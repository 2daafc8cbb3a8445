"""The API is killed while it acts on many jobs: another process completes that, and does nothing twice."""

from __future__ import annotations

import os
import signal
from collections import Counter

import pytest

import jobs
from benchmarks.many_jobs import fill
from ops.invariants import find_violations
from tests.conftest import LEASE_SECONDS, eventually

COUNT = 24_000
ACTIONS = (
    ("POST", "/jobs/cancel?status=submitted"),
    ("POST", "/jobs/retry?status=complete&analysis=sleep"),
    ("DELETE", "/jobs?status=complete&analysis=summary"),
)


def _statuses() -> Counter[str]:
    indexes = ("jobs.analysis.sleep", "jobs.analysis.summary")
    ids = [jid for index in indexes for jid, _ in jobs.rd.zscan_iter(index, count=1000)]
    pipeline = jobs.rd.pipeline(transaction=False)
    for jid in ids:
        pipeline.hget(b"job." + jid, "status")
    return Counter(status.decode() for status in pipeline.execute())


@pytest.mark.timeout(180)
@pytest.mark.long
def test_what_a_killed_api_was_doing_is_completed_by_the_next(start, start_api):
    # Given jobs, an API of two processes that acts on many of them in three ways
    fill(jobs.rd, COUNT)
    before = _statuses()
    assert before == {"submitted": COUNT // 2, "scheduled": COUNT // 4, "complete": COUNT // 4}
    api = start_api(GUNICORN_CMD_ARGS="--workers 2")
    places = []
    for method, path in ACTIONS:
        answer = api.request(method, path)
        assert answer.status_code == 202, answer.text
        places.append(answer.headers["Location"])

    # when all of it is killed before it has done so
    gunicorn = start.started[-1].process
    os.killpg(gunicorn.pid, signal.SIGKILL)
    gunicorn.wait(20)
    left = [jobs.operations().get(place.rpartition("/")[2]) for place in places]
    assert any(operation.status == "in progress" for operation in left)
    assert find_violations(jobs.rd, jobs.q._client) == []

    # then another completes the rest, once the lease is over
    api = start_api()
    eventually(
        lambda: all(api.get(place).json()["status"] == "complete" for place in places), 20 * LEASE_SECONDS, every=0.2
    )
    cancelled, retried, deleted = (api.get(place).json() for place in places)
    sleeps = COUNT // 12
    for shown, matched in ((cancelled, COUNT // 2), (retried, sleeps), (deleted, COUNT // 4 - sleeps)):
        assert (shown["matched"], shown["done"], shown["skipped"]) == (matched, matched, 0)
    # and each job was acted on once
    assert _statuses() == {
        "cancelled": COUNT // 2,
        "scheduled": COUNT // 4,
        "submitted": sleeps,
        "complete": sleeps,
    }
    made = [jid for jid, _ in jobs.rd.zscan_iter("jobs.submitted", count=1000)]
    pipeline = jobs.rd.pipeline(transaction=False)
    for jid in made:
        pipeline.hget(b"job." + jid, "retry_of")
    assert len(set(pipeline.execute())) == sleeps
    assert find_violations(jobs.rd, jobs.q._client) == []
