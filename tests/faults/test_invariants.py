"""Under heavy load, no violation of the invariants is reported."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import redis

import jobs
import ops.invariants.invariants
from jobs import Idempotency, Submission
from ops.invariants import Violation, find_violations
from tests.conftest import ROOT, Server, eventually

LOOK_SECONDS = 12


@contextmanager
def _clients(server: Server) -> Iterator[list[int]]:
    """Add, cancel and delete jobs in all ways, as fast as possible; return the added jobs so far."""
    dice, over, count = random.Random(7), threading.Event(), [0]

    def submit() -> None:
        while not over.is_set():
            asked = [
                Submission(
                    start=None,
                    end=None,
                    analysis=dice.choice(["sleep", "sleep", "sleep", "nobody knows it"]),
                    params={"seconds": 0},
                    priority=dice.choice(["high", "normal", "low"]),
                    delay=dice.choice([0, 0, 0.3]),
                    dataset="v1",
                )
                for _ in range(dice.randint(1, 40))
            ]
            key = Idempotency(str(count[0]), "body") if dice.random() < 0.3 else None
            added, _ = jobs.add_jobs(asked, key)
            count[0] += len(added)
            for job in dice.sample(added, len(added) // 4):
                with suppress(jobs.JobError):
                    jobs.cancel_job(job["id"])
                    if dice.random() < 0.5:
                        jobs.delete_job(job["id"])
            eventually(lambda: over.is_set() or jobs.get_stats()["queue"]["total"] < 500, seconds=60)

    thread = threading.Thread(target=submit)
    thread.start()
    try:
        yield count
    finally:
        over.set()
        thread.join()


@pytest.fixture
def dataset(live):
    """Publish a version that jobs pin; `sleep` does not read it."""
    jobs.rd.hset("data.v1", mapping={"description": "{}", "chunks": 1, "pins": 0})
    jobs.rd.mset({"data.v1.0": "rows", "data.current": "v1"})


def _look() -> list[Violation]:
    return find_violations(jobs.rd, jobs.q._client)


@pytest.mark.long
def test_nothing_is_reported_under_heavy_load(live, dataset, start_worker, monkeypatch):
    looked_again = []
    suspect = ops.invariants.invariants._Search._second_pass

    def counted(search):
        looked_again.append(len(search._candidates))
        return suspect(search)

    monkeypatch.setattr(ops.invariants.invariants._Search, "_second_pass", counted)
    start_worker(3)

    found: list = []
    until = time.monotonic() + LOOK_SECONDS
    with _clients(live) as added:
        while time.monotonic() < until or len(found) < 5:
            found.append(_look())

    assert found == [[]] * len(found)
    assert added[0] > 100
    assert sum(looked_again) > 0


def test_violations_are_found_under_heavy_load(live, dataset, start_worker):
    start_worker(2)
    lost = jobs.add_job(None, None, "sleep", delay=1000)["id"]
    jobs.rd.zrem("jobs.due", lost)

    with _clients(live):
        found = _look()

    assert found == [Violation(1, f"job.{lost}", "scheduled, and not among what is due some time")]


def test_make_check_prints_violations_and_exits_with_one(live):
    jobs.add_job(None, None, "sleep")
    run = [sys.executable, "-m", "ops.invariants"]
    environ = {**os.environ, "REDIS_IP": "127.0.0.1", "REDIS_PORT": str(live.port)}

    healthy = subprocess.run(run, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    redis.Redis(port=live.port, db=1).delete("hotqueue:queue")
    broken = subprocess.run(run, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)

    assert (healthy.returncode, broken.returncode) == (0, 1)
    assert "1 jobs in" in healthy.stdout
    assert healthy.stdout.endswith("all invariants hold.\n")
    assert "submitted, and 0 times in the queues\n" in broken.stdout
    assert broken.stdout.endswith("invariant 1: 1.\n")


def test_make_check_reports_that_redis_is_unavailable(live):
    environ = {**os.environ, "REDIS_IP": "127.0.0.1", "REDIS_PORT": "1"}

    away = subprocess.run(
        [sys.executable, "-m", "ops.invariants"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )

    assert away.returncode == 2
    assert "cannot be read" in away.stderr
