"""Some trials of ``make test-long SUITE=trials``; a failure prints the command that repeats the trial."""

from __future__ import annotations

import os
import signal
import statistics
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import jobs
from jobs import Submission
from tests.conftest import eventually
from tests.faults.trials.harness import LEASE_SECONDS
from tests.faults.trials.kinds import KINDS
from tests.faults.trials.runners import number_of, open_runners, schedule

TRIALS = 130
SEED = int(os.environ.get("TRIALS_SEED", "1"))

# The first test waits for all trials.
pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(400),
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"),
]


@pytest.fixture(scope="module")
def verdicts() -> Iterator[list[dict[str, Any]]]:
    with open_runners(6) as runners:
        yield list(runners.play_all(schedule(runners, TRIALS, SEED)))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_nor_ends_twice_when(kind, verdicts):
    mine = [verdict for verdict in verdicts if verdict["kind"].removeprefix("real-") == kind]

    assert mine
    assert {
        f"make test-long SUITE=trials ONLY={number_of((verdict['kind'], verdict['point'], verdict['seed']))}": verdict[
            "complaints"
        ]
        for verdict in mine
        if verdict["complaints"]
    } == {}


def test_most_faults_hit(verdicts):
    assert sum(verdict["hit"] for verdict in verdicts) > 0.8 * len(verdicts)


def test_a_job_whose_child_was_killed_starts_again_in_less_than_a_second_and_a_half(verdicts):
    again = [seconds for v in verdicts if v["kind"].startswith("child-works") for seconds in v["recovery"]]

    assert statistics.median(again) < 1.5


def test_a_job_whose_worker_was_killed_whole_starts_again_within_its_lease_and_three_seconds(verdicts):
    again = [seconds for v in verdicts if v["kind"] == "worker-dies" for seconds in v["recovery"]]

    assert max(again) < LEASE_SECONDS + 3


def test_a_worker_with_the_shortest_lease_takes_over_from_one_that_was_killed(start_worker, start):
    doomed = start_worker(1, LEASE_SECONDS=1)
    asked = Submission(start=None, end=None, analysis="sleep", params={"seconds": 1})
    jid = jobs.add_jobs([asked])[0][0]["id"]
    eventually(lambda: jobs.get_job_by_id(jid)["status"] == "in progress")

    doomed.stop(signal.SIGKILL)
    start("worker.py", WORKERS=1, LEASE_SECONDS=1)

    eventually(lambda: jobs.get_job_by_id(jid)["status"] == "complete", seconds=20)
    assert jobs.get_job_by_id(jid)["attempt"] == 2
