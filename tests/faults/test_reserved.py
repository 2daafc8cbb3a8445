"""Worker processes that reserve short jobs are killed, cut off and held up: real processes on a real Redis."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

import jobs
from jobs import Submission
from ops.invariants import find_violations
from tests.conftest import eventually

SHORT = 3000


def _submit(*seconds: float, **options: object) -> list[str]:
    asked = [
        Submission(start=None, end=None, analysis="sleep", params={"seconds": each}, **options) for each in seconds
    ]
    return [job["id"] for job in jobs.add_jobs(asked)[0]]


def _is_reserving() -> bool:
    reserved = jobs.q._client.keys("hotqueue:queue:*.reserved")
    return bool(reserved)


def _ended(jid: str) -> int:
    return int(jobs.rd.hget(f"job.{jid}", "ended") or 0)


def _complete(count: int) -> Callable[[], bool]:
    return lambda: jobs.get_stats()["jobs"]["complete"] == count


def test_jobs_behind_one_that_turns_out_long_run_elsewhere_at_once(live, start_worker):
    before, long, behind = _submit(*[0.0] * 200), _submit(2.0)[0], _submit(*[0.0] * 20)

    start_worker(2)
    eventually(_complete(221), seconds=20)

    started, ended = (int(jobs.rd.hget(f"job.{long}", name) or 0) for name in ("started", "ended"))
    assert max(map(_ended, before)) < ended
    # A generous bound for a busy machine; the last of them would end after the long one otherwise.
    assert max(map(_ended, behind)) - started < 1_000_000
    assert {jobs.get_job_by_id(jid)["attempt"] for jid in [*before, long, *behind]} == {1}
    assert find_violations(jobs.rd, jobs.q._client) == []


def test_the_only_process_queues_what_it_reserved_behind_a_long_job(live, start_worker):
    _submit(*[0.0] * 200)
    long, behind = _submit(3.0)[0], _submit(*[0.0] * 5)
    start_worker(1)

    eventually(lambda: jobs.get_job_by_id(long)["status"] == "in progress")
    eventually(lambda: not _is_reserving(), seconds=2)

    assert [jid.decode() for jid in jobs.q._client.lrange("hotqueue:queue", 0, -1)] == behind
    assert find_violations(jobs.rd, jobs.q._client) == []
    eventually(_complete(206))


def test_kills_while_jobs_are_reserved_charge_only_what_ran(live, start_worker):
    ids = _submit(*[0.0] * SHORT, max_attempts=20)
    start_worker(2)
    dice, kills = random.Random(7), 0

    while jobs.get_stats()["jobs"]["complete"] < SHORT:
        time.sleep(dice.uniform(0.01, 0.1))
        pids = [worker["pid"] for worker in jobs.get_workers()]
        if pids and kills < 12:
            with suppress(ProcessLookupError):  # it is the one that was killed just before
                os.kill(dice.choice(pids), signal.SIGKILL)
                kills += 1

    records = [jobs.rd.hmget(f"job.{jid}", "attempt", "failed_attempts") for jid in ids]
    assert sum(int(charged or 0) for _, charged in records) <= kills
    assert sum(int(attempt or 0) - 1 for attempt, _ in records) <= kills
    assert all(jobs.get_results(jid)["attempt"] == jobs.get_job_by_id(jid)["attempt"] for jid in ids[::50])
    assert find_violations(jobs.rd, jobs.q._client) == []


def test_cut_connections_while_jobs_are_reserved_run_nothing_twice(live, start_worker):
    ids = _submit(*[0.0] * SHORT)
    start_worker(2)

    while jobs.get_stats()["jobs"]["complete"] < SHORT:
        jobs.rd.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        time.sleep(0.05)

    assert {jobs.rd.hget(f"job.{jid}", "failed_attempts") for jid in ids} == {None}
    assert {jobs.rd.hget(f"job.{jid}", "attempt") for jid in ids} == {b"1"}
    assert find_violations(jobs.rd, jobs.q._client) == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_that_ends_while_jobs_are_reserved_leaves_them_to_another(live, start, start_worker, how):
    ids = _submit(*[0.0] * SHORT)
    first = start_worker(1)
    eventually(_is_reserving)
    first.process.send_signal(how)

    start("worker.py", WORKERS=1)
    eventually(_complete(SHORT), seconds=40)

    assert sum(int(jobs.rd.hget(f"job.{jid}", "failed_attempts") or 0) for jid in ids) <= (how == signal.SIGKILL)
    assert find_violations(jobs.rd, jobs.q._client) == []


def test_jobs_that_are_cancelled_while_they_are_reserved_stay_cancelled(live, start_worker):
    # Jobs short enough to be reserved, and long enough that some of those read are not yet over when cancelled.
    _submit(*[0.001] * SHORT)
    start_worker(2)
    eventually(_is_reserving)

    cancelled = set()
    # The oldest submitted jobs are those that are reserved, while they are read, or soon.
    while oldest := jobs.get_jobs(status="submitted", ascending=True, limit=100).jobs:
        for job in oldest[::5]:
            with suppress(jobs.InvalidTransition):
                jobs.cancel_job(job["id"])
                cancelled.add(job["id"])
    eventually(_complete(SHORT - len(cancelled)), seconds=20)

    assert cancelled
    assert {jobs.get_job_by_id(jid)["status"] for jid in cancelled} == {"cancelled"}
    assert find_violations(jobs.rd, jobs.q._client) == []
