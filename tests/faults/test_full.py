"""Redis accepts no writes (disk or memory full, or a read-only replica): existing jobs are kept."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

import jobs
from jobs import Submission
from ops.invariants import find_violations
from tests.conftest import LEASE_SECONDS, Server, eventually, free_port
from tests.keys import bearer, line_of, write_keys

JOB = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0.0}}
CSV = {"content": b"id,n\n1,2\n", "headers": {"Content-Type": "text/csv"}}


@contextmanager
def full_disk(server: Server) -> Iterator[None]:
    """Make the server's writes fail in the body, as on a full disk."""
    client = jobs.rd
    client.config_set("appendfsync", "everysec")
    used = client.info("persistence")["aof_current_size"]
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (max(1, used), resource.RLIM_INFINITY))
    # With this policy, the server notices at its next background write.
    eventually(lambda: _refuses(client), seconds=5, every=0.1)
    try:
        yield
    finally:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        eventually(lambda: not _refuses(client), seconds=5, every=0.1)


@contextmanager
def full_memory(server: Server) -> Iterator[None]:
    jobs.rd.config_set("maxmemory", 1)
    try:
        yield
    finally:
        jobs.rd.config_set("maxmemory", 0)


@contextmanager
def replica(server: Server) -> Iterator[None]:
    jobs.rd.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
    try:
        yield
    finally:
        jobs.rd.execute_command("REPLICAOF", "NO", "ONE")


@pytest.fixture(autouse=True)
def invariants(live: Server) -> Iterator[None]:
    """Check the invariants after each test."""
    yield
    assert find_violations(jobs.rd, jobs.q._client) == []


FAULTS = {"disk": (full_disk, 503, "unavailable"), "memory": (full_memory, 507, "storage-full")}
FAULTS["replica"] = (replica, 503, "unavailable")


def _refuses(client) -> bool:
    try:
        client.set("probe", "x")
        client.delete("probe")
    except jobs.RedisError:
        return True
    return False


def _sleep(seconds: float, count: int = 1) -> list[str]:
    asked = [Submission(start=None, end=None, analysis="sleep", params={"seconds": seconds}) for _ in range(count)]
    return [job["id"] for job in jobs.add_jobs(asked)[0]]


def _status(jid: str) -> str:
    return jobs.get_job_by_id(jid)["status"]


@pytest.mark.parametrize("fault", FAULTS)
def test_submissions_are_rejected_with_a_reason_and_accepted_again_afterwards(start_api, live: Server, fault):
    enter, status, slug = FAULTS[fault]
    api = start_api()
    ended, _ = _sleep(0, count=2)
    jobs.cancel_job(ended)
    requests = {
        "a job": lambda: api.post("/jobs", json=JOB),
        "a bulk": lambda: api.post("/jobs", json=[JOB] * 250),
        "a retry": lambda: api.post(f"/jobs/{ended}/retry"),
        "a dataset": lambda: api.post("/data", **CSV),
    }

    with enter(live):
        for what, send in requests.items():
            answer = send()
            assert (what, answer.status_code, answer.json()["type"]) == (what, status, f"/problems/{slug}")
            assert ("Retry-After" in answer.headers) == (status == 503)
        assert api.get(f"/jobs/{ended}").json()["status"] == "cancelled"
        assert api.get("/health").status_code == 200
        assert api.get("/jobs").json()["total"] == 2

    assert [eventually(lambda send=send: _taken(send())) for send in requests.values()] == [202, 202, 202, 201]


def _taken(answer: httpx.Response) -> int:
    return answer.status_code if answer.is_success else 0


@pytest.mark.parametrize("fault", ["disk", pytest.param("replica", marks=pytest.mark.long)])
def test_work_in_hand_waits_until_redis_writes_again(start_worker, live: Server, fault):
    # Given a running job, a waiting one and one that becomes due
    enter, _, _ = FAULTS[fault]
    start_worker(1)
    running, waiting = _sleep(1.0, count=2)
    delayed = jobs.add_job(None, None, "sleep", params={"seconds": 0}, delay=1)["id"]
    eventually(lambda: _status(running) == "in progress")

    # When Redis accepts no writes for longer than a lease
    with enter(live):
        time.sleep(LEASE_SECONDS + 2)
        assert _status(running) == "in progress"

    # Then each runs once, and no attempt is charged
    for jid in (running, waiting, delayed):
        eventually(lambda jid=jid: _status(jid) == "complete")
        assert jobs.get_job_by_id(jid)["attempt"] == 1
        assert jobs.rd.hget(f"job.{jid}", "failed_attempts") is None


def test_work_in_hand_goes_on_while_the_memory_is_full(start_worker, live: Server):
    worker = start_worker(2)
    first, stopped, waiting, cancelled = _sleep(2.0, count=4)
    eventually(lambda: {_status(first), _status(stopped)} == {"in progress"})
    before = {one["id"] for one in jobs.get_workers()}

    with full_memory(live):
        # Waiting and running jobs can be cancelled, waiting ones are claimed and end, ...
        assert jobs.cancel_job(cancelled)["status"] == "cancelled"
        assert jobs.cancel_job(stopped)["status"] == "cancelled"
        for each in (first, waiting):
            eventually(lambda each=each: _status(each) == "complete")
        # ... and leases are renewed.
        time.sleep(LEASE_SECONDS)
        assert {one["id"] for one in jobs.get_workers()} == before
        with pytest.raises(jobs.RedisFull):
            _sleep(0)
        assert worker.stop() == 0
        assert jobs.get_workers() == []
    assert {jobs.get_job_by_id(each)["attempt"] for each in (first, waiting)} == {1}


def test_a_child_that_dies_while_the_memory_is_full_is_replaced(start_worker, live: Server):
    start_worker(1)
    (jid,) = _sleep(1.0)
    eventually(lambda: _status(jid) == "in progress")

    with full_memory(live):
        os.kill(jobs.get_workers()[0]["pid"], signal.SIGKILL)
        eventually(lambda: _status(jid) == "complete", seconds=10)

    assert jobs.get_job_by_id(jid)["attempt"] == 2


def test_the_requests_of_a_key_are_counted_while_memory_is_full(live, start_api, tmp_path):
    # Given a key that may send three requests a minute, and one job of it
    keys = write_keys(tmp_path / "keys", line_of("ann", "submit"))
    api = start_api(API_KEYS_FILE=keys, RATE_LIMIT="3/minute")
    api.headers.update(bearer("ann"))
    job = api.post("/jobs", json=JOB).json()["id"]

    # when memory is full, then the key can still cancel its job, and its limit still holds
    with full_memory(live):
        assert api.post(f"/jobs/{job}/cancel").json()["status"] == "cancelled"
        assert [api.get("/jobs").status_code for _ in range(2)] == [200, 429]
