"""What autoscalers read, while no worker runs: it brings a worker for every job that needs one, and none for others."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import jobs
from jobs import Submission
from tests.conftest import LEASE_SECONDS, eventually


def _runnable() -> int:
    count: int = jobs.get_stats()["runnable"]
    return count


def _add(seconds: float = 0.0, **options: float) -> str:
    submission = Submission(start=None, end=None, analysis="sleep", params={"seconds": seconds}, **options)  # type: ignore[arg-type]
    return jobs.add_jobs([submission])[0][0]["id"]


def test_a_delayed_job_brings_a_worker_once_it_is_due(live, start_worker):
    # Given a job that ended, a delayed one, and no worker since
    done, delayed = _add(), _add(delay=600)
    worker = start_worker()
    eventually(lambda: jobs.get_job_by_id(done)["status"] == "complete")
    worker.stop()
    assert _runnable() == 0

    # when the delayed one is due, it is counted, though no worker has queued it
    jobs.rd.zadd("jobs.due", {delayed: 1})
    assert _runnable() == 1
    assert jobs.get_job_by_id(delayed)["status"] == "scheduled"

    # and the worker that this brings runs it, and is not needed any more
    start_worker()
    eventually(lambda: jobs.get_job_by_id(delayed)["status"] == "complete")
    assert _runnable() == 0


def test_the_job_of_a_killed_worker_brings_another_one(live, start_worker):
    # Given a job whose worker was killed with all its processes, and no other worker
    job = _add(seconds=1.0)
    worker = start_worker()
    eventually(lambda: jobs.get_job_by_id(job)["status"] == "in progress")
    children = [about["pid"] for about in jobs.get_workers()]
    worker.process.kill()
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    # then it is counted, also after the lease
    eventually(lambda: jobs.get_workers() == [], seconds=3 * LEASE_SECONDS)
    assert _runnable() == 1

    # and the worker that this brings ends it
    start_worker()
    eventually(lambda: jobs.get_job_by_id(job)["status"] == "complete", seconds=10 * LEASE_SECONDS)
    assert _runnable() == 0
