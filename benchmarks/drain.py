"""Measure how fast one child drains jobs, as a ratio to the PING rate of one redis-py connection.

    python -m benchmarks.drain [rounds]

Starts its own Redis. Each round queues 10,000 jobs that do nothing (``sleep`` of 0 s), starts one worker child,
measures the time from the first start to the last end by the clock of Redis, and counts PINGs before and after.
"""

from __future__ import annotations

import statistics
import sys
import time

import jobs
from benchmarks.processes import own_redis, running

JOBS = 10_000
PINGS = 4_000


def _ping_rate() -> float:
    """Return the PINGs per second of one redis-py connection."""
    jobs.ping()
    begun = time.perf_counter()
    for _ in range(PINGS):
        jobs.ping()
    return PINGS / (time.perf_counter() - begun)


def _drain_rate() -> float:
    """Return the jobs per second from the first start to the last end."""
    before = jobs.get_stats()["jobs"]["complete"]
    asked = jobs.Submission(start=None, end=None, analysis="sleep", params={"seconds": 0})
    ids = [job["id"] for job in jobs.add_jobs([asked] * JOBS)[0]]
    with running(sys.executable, "worker.py", WORKERS=1):
        while jobs.get_stats()["jobs"]["complete"] < before + JOBS:
            time.sleep(0.2)
    started, ended = [], []
    for jid in ids:
        times = jobs.rd.hmget(f"job.{jid}", "started", "ended", "attempt")
        started.append(int(times[0] or 0))
        ended.append(int(times[1] or 0))
    return JOBS / ((max(ended) - min(started)) / 1e6)


def main() -> None:
    """Print a line per round, then the median ratio."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with own_redis("--appendonly", "yes"):
        _measure(rounds)


def _measure(rounds: int) -> None:
    ratios = []
    for _ in range(rounds):
        before = _ping_rate()
        drained = _drain_rate()
        pings = statistics.mean([before, _ping_rate()])
        ratios.append(drained / pings)
        print(f"{drained:7.0f} jobs/s   {pings:7.0f} PING/s   ratio {ratios[-1]:.2f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
