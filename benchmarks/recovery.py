"""Measure the seconds from SIGKILL until the job runs again: child with and without standby, whole worker.

    python -m benchmarks.recovery [rounds]

Starts its own Redis and workers with one child each and default leases.
"""

from __future__ import annotations

import os
import signal
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import jobs
from benchmarks.processes import own_redis, running

SETTLE_SECONDS = 12.0
"""Time for a standby child to start and finish its imports."""


def _worker(**settings: object) -> Any:
    return running(sys.executable, "worker.py", WORKERS=1, **settings)


def _until(condition: Callable[[], Any]) -> Any:
    while not (value := condition()):
        time.sleep(0.005)
    return value


def _running_job(seconds: float) -> tuple[str, int]:
    """Start a job and return its id and the process that runs it."""
    jid = jobs.add_job(None, None, "sleep", params={"seconds": seconds})["id"]
    pid = _until(lambda: next((worker["pid"] for worker in jobs.get_workers() if worker["job"] == jid), None))
    return jid, pid


def _seconds_until_it_runs_again(jid: str) -> float:
    begun = time.perf_counter()
    _until(lambda: jobs.get_job_by_id(jid)["attempt"] == 2)
    again = time.perf_counter() - begun
    _until(lambda: jobs.get_job_by_id(jid)["status"] == "complete")
    return again


def _kill_child() -> float:
    jid, pid = _running_job(0.5)
    os.kill(pid, signal.SIGKILL)
    return _seconds_until_it_runs_again(jid)


def _kill_worker() -> float:
    with _worker() as doomed:
        jid, _ = _running_job(8.0)
        with _worker():
            time.sleep(2)
            doomed.kill()
            return _seconds_until_it_runs_again(jid)


def _measure_children(rounds: int, standby: int) -> list[float]:
    found = []
    with _worker(STANDBY_CHILDREN=standby):
        for _ in range(rounds):
            time.sleep(SETTLE_SECONDS)
            found.append(_kill_child())
    return found


def _print(what: str, seconds: list[float]) -> None:
    print(f"{what:<35}  median {statistics.median(seconds):6.2f} s   max {max(seconds):6.2f} s", flush=True)


def main() -> None:
    """Print a line for each kind of kill."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with own_redis():
        _print("a child, a standby child takes over", _measure_children(rounds, 1))
        _print("a child, a new one is started", _measure_children(rounds, 0))
        lease = jobs.settings.lease_seconds
        _print(f"a whole worker, lease {lease:g} s", [_kill_worker() for _ in range(rounds)])


if __name__ == "__main__":
    main()
