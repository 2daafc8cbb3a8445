"""Mixed load with a random fault every few seconds; the invariants hold throughout, and at the end no job is lost.

``SOAK_SECONDS`` sets the duration (120), ``SOAK_SEED`` the random seed: the same faults in the same order, though their
effect depends on the machine.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import redis

import jobs
from ops.invariants import find_violations
from tests.conftest import ROOT, Server, eventually
from tests.faults.final_status_watch import FinalStatusWatch
from tests.faults.soak.faults import Faults
from tests.faults.soak.load import Load

SECONDS = float(os.environ.get("SOAK_SECONDS", "120"))
SEED = int(os.environ.get("SOAK_SEED", "1"))
SETTLE_SECONDS = 180
ENDED = ("complete", "failed", "cancelled")

TRIALS = ROOT / "tests" / "faults" / "trials"
ENVIRON = {
    "PYTHONPATH": os.pathsep.join([str(TRIALS / "site"), str(ROOT)]),
    "TRIAL_ANALYSES": str(TRIALS / "analyses"),
    "LOG_LEVEL": "WARNING",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start a server that syncs every write."""
    running = Server(tmp_path_factory.mktemp("redis"), "--appendfsync", "always")
    yield running
    running.stop()


def _look(server: Server, ends: FinalStatusWatch) -> list[str]:
    """Return the violations now; none while Redis is unavailable."""
    queue = redis.Redis(port=server.port, db=jobs.settings.queue_db)
    try:
        return [*map(str, find_violations(jobs.rd, queue)), *ends.changed(jobs.rd)]
    except jobs.RedisUnavailable:
        return []
    finally:
        queue.close()


class _Watch:
    """Checks the invariants repeatedly, in a thread."""

    def __init__(self, look: Callable[[], list[str]]) -> None:
        self.violations: list[str] = []
        self.looks = 0
        self._look = look
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch")

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(120)

    def _watch(self) -> None:
        while not self._over.wait(2):
            self.violations += self._look()
            self.looks += 1


def _suffer(faults: Faults, load: Load, watch: _Watch, dice: random.Random) -> None:
    """Inject a fault every few seconds, for the duration of the soak or until something is wrong."""
    over = time.monotonic() + SECONDS
    while time.monotonic() < over and not watch.violations and not load.complaints:
        time.sleep(dice.uniform(1, 4))
        faults.deal()


def _statuses(ids: set[str]) -> dict[str, str]:
    pipeline = jobs.rd.pipeline(transaction=False)
    for jid in ids:
        pipeline.hget(f"job.{jid}", "status")
    return {jid: (status or b"gone").decode() for jid, status in zip(ids, pipeline.execute(), strict=True)}


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
@pytest.mark.long
@pytest.mark.timeout(SECONDS + SETTLE_SECONDS + 120)
def test_nothing_is_lost_under_mixed_load_and_random_faults(live: Server, start, start_api, tmp_path: Path):
    api: httpx.Client = start_api(**ENVIRON)
    gunicorn = start.started[-1]
    dice, ends = random.Random(SEED), FinalStatusWatch()
    faults = Faults(dice, live, gunicorn, lambda: start("worker.py", WORKERS=2, **ENVIRON))
    load = Load(api, tmp_path, SEED)

    with _Watch(lambda: _look(live, ends)) as watch:
        load.start()
        _suffer(faults, load, watch, dice)
        load.stop()

    print(f"\nseed {SEED}, {SECONDS:.0f} s; faults: {dict(faults.dealt)}; jobs accepted: {len(load.accepted)}")
    print(f"looks: {watch.looks}")
    print(f"answers: {dict(sorted(load.told.items()))}")
    assert watch.looks
    assert (watch.violations, load.complaints) == ([], [])
    unfinished = ("scheduled", "submitted", "in progress")
    eventually(lambda: not set(_statuses(load.accepted).values()) & set(unfinished), seconds=SETTLE_SECONDS, every=0.5)
    statuses = _statuses(load.accepted)
    print(f"ends: {dict(Counter(statuses.values()))}")
    assert {jid for jid, status in statuses.items() if status not in ENDED} <= load.deleted
    assert {statuses[jid] for jid in load.cancelled - load.deleted} <= {"cancelled"}
    for jid in load.accepted - load.deleted:
        results = jobs.get_results(jid)
        assert (results is not None) == (statuses[jid] == "complete")
    assert _look(live, ends) == []
