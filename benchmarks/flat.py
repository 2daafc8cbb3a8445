"""Measure the calls of clients and workers beside a million jobs, as ratios to the same calls beside a thousand.

    python -m benchmarks.flat [--quick]

Two Redis servers hold the jobs (half of them wait, a quarter are complete); calls to both alternate.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import jobs
from benchmarks.figures import HERE, Figure, report
from benchmarks.many_jobs import fill, job_id
from benchmarks.processes import fresh_redis
from config.settings import Settings

__all__ = ["measure"]

FEW, MANY, QUICK_MANY = 1_000, 1_000_000, 100_000
TURNS, CALLS = 9, 40


def measure(quick: bool) -> Iterator[Figure]:
    """Yield the microseconds of each call at both sizes."""
    many = QUICK_MANY if quick else MANY
    with fresh_redis("--appendonly", "no") as small, fresh_redis("--appendonly", "no") as large:
        servers = {f"{FEW:,} jobs": (small, FEW), HERE: (large, many)}
        for port, count in servers.values():
            jobs.connect(Settings(redis_port=port))
            fill(jobs.rd, count)
            jobs.register_worker("w", "host", 1)
        for line, call in _CALLS.items():
            taken: dict[str, list[float]] = {side: [] for side in servers}
            for _ in range(TURNS):
                for side, (port, count) in servers.items():
                    taken[side].append(_microseconds(port, count, call))
            for side, found in taken.items():
                yield Figure(line, side, statistics.median(found), "µs")
        for side, (port, count) in servers.items():
            jobs.connect(Settings(redis_port=port))
            yield Figure("script-filters", side, _script_milliseconds(count, _CALLS["flat-filters"]), "ms")


def _microseconds(port: int, count: int, call: Callable[[int], object]) -> float:
    jobs.connect(Settings(redis_port=port))
    jobs.q.set_worker_id("w")
    call(count)
    taken = []
    for _ in range(CALLS):
        begun = time.perf_counter()
        call(count)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1e6


def _script_milliseconds(count: int, call: Callable[[int], object]) -> float:
    """Return the duration of the longest script of a call, the median of some calls."""
    jobs.rd.config_set("slowlog-log-slower-than", 0)
    found = []
    for _ in range(TURNS):
        jobs.rd.slowlog_reset()
        call(count)
        log: Any = jobs.rd.slowlog_get(100)
        found.append(max(entry["duration"] for entry in log if entry["command"].startswith(b"EVAL")))
    return float(statistics.median(found)) / 1e3


def _take(_: int) -> None:
    taken = jobs.q.get()
    assert taken is not None
    jobs.q.defer_complete(taken, b"{}", [], "")
    jobs.q.flush()


_CALLS: dict[str, Callable[[int], object]] = {
    "flat-submit": lambda _: jobs.add_job(None, None, "sleep", params={"seconds": 0}),
    "flat-take": _take,
    "flat-job": lambda count: jobs.get_job_by_id(job_id(count // 2)),
    "flat-page": lambda _: jobs.get_jobs(limit=25),
    "flat-filter": lambda _: jobs.get_jobs(limit=25, status="complete"),
    "flat-filters": lambda _: jobs.get_jobs(limit=25, status="complete", analysis="sleep"),
    "flat-stats": lambda _: jobs.get_stats(),
}


if __name__ == "__main__":
    report(measure)
