"""Only the queue's database is lost, or it is shared with another stack: it is rebuilt from the records."""

from __future__ import annotations

import dataclasses
import os
import signal
from pathlib import Path

import pytest
import redis

import jobs
from jobs import Submission
from jobstore import Transitions, by_name, open_client
from ops.invariants import find_violations
from tests.conftest import Process, eventually


def _add(count: int, seconds: float) -> list[str]:
    asked = [Submission(start=None, end=None, analysis="sleep", params={"seconds": seconds}) for _ in range(count)]
    return [job["id"] for job in jobs.add_jobs(asked)[0]]


def _all_complete(ids: list[str]) -> bool:
    return all(jobs.get_job_by_id(jid)["status"] == "complete" for jid in ids)


def test_a_lost_queue_is_repaired_from_the_records(live, start_worker):
    # Given a worker that is running two of some jobs
    start_worker(2)
    ids = [*_add(2, 1.5), *_add(500, 0)]
    eventually(lambda: jobs.get_stats()["jobs"]["in progress"] == 2)
    # when the queue's database is lost
    redis.Redis(port=live.port, db=1).flushdb()
    added = _add(1, 0)
    # then all jobs complete, none is charged, and no invariant is violated
    eventually(lambda: _all_complete([*ids, *added]), seconds=60)
    assert {jobs.rd.hget(f"job.{jid}", "failed_attempts") for jid in ids} == {None}
    assert jobs.get_stats()["queue"]["total"] == 0
    assert find_violations(jobs.rd, jobs.q._client) == []


def test_a_queue_that_was_lost_while_no_worker_lived_is_repaired_by_the_next_one(live, start_worker):
    first = start_worker(1)
    assert first.stop() == 0
    ids = _add(300, 0)
    jobs.cancel_job(ids[7])
    redis.Redis(port=live.port, db=1).flushdb()
    assert "submitted, and 0 times in the queues" in str(find_violations(jobs.rd, jobs.q._client))

    start_worker(1)

    eventually(lambda: _all_complete([*ids[:7], *ids[8:]]), seconds=60)
    assert find_violations(jobs.rd, jobs.q._client) == []


STACKS = {"one queue database": (2, 1), "databases of their own": (2, 3)}


@pytest.mark.parametrize("databases", STACKS.values(), ids=STACKS)
@pytest.mark.long
def test_two_stacks_on_one_redis_are_independent(live, start, start_worker, databases):
    records_db, queue_db = databases
    b = {"QUEUE_NAME": "b", "REDIS_DB": records_db, "QUEUE_DB": queue_db}
    records, queue = (open_client("127.0.0.1", live.port, db) for db in databases)
    of_b = Transitions(records, records_db=records_db, queue_db=queue_db, queue_name="b")

    def workers_of_b() -> dict[str, str]:
        return {w["id"].decode(): w["job"].decode() for w in map(by_name, of_b.run("workers")[1:])}

    def start_b() -> Process:
        before = len(workers_of_b())
        process = start("worker.py", WORKERS=1, **b)
        eventually(lambda: len(workers_of_b()) > before)
        return process

    # Given a stack, and another one with two workers, one of which is running a job
    start_worker(1)
    killed = start_b()
    ours_settings = jobs.settings
    jobs.connect(dataclasses.replace(ours_settings, queue_name="b", redis_db=records_db, queue_db=queue_db))
    [lost] = _add(1, 5)
    jobs.connect(ours_settings)
    eventually(lambda: lost in workers_of_b().values())
    start_b()
    assert len(jobs.get_workers()) == 1
    # when that worker is killed with its supervisor, then the other worker of its stack takes over
    _kill_group(killed)
    eventually(lambda: records.hget(f"job.{lost}", "status") == b"complete", seconds=40)
    assert int(records.hget(f"job.{lost}", "failed_attempts")) == 1
    # and the first stack is unchanged
    ours = _add(20, 0)
    eventually(lambda: _all_complete(ours))
    assert len(jobs.get_workers()) == len(workers_of_b()) == 1
    assert find_violations(jobs.rd, jobs.q._client) == []
    assert find_violations(records, queue, "b") == []


def _kill_group(worker: Process) -> None:
    """Kill a supervisor and its child, which has its own session."""
    pid = worker.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for one in [pid, *map(int, children)]:
        os.kill(one, signal.SIGKILL)
    worker.process.wait(20)
