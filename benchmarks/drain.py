"""Measure how fast workers drain jobs that do nothing, what that costs Redis, and what remains of each job there.

    python -m benchmarks.drain [--quick]

Each queue has an append-only Redis of its own, and workers that have run jobs before. They are stopped while the jobs
are added, so that the queue is full when they go on. Measurement starts when they have run a tenth of the jobs.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.figures import HERE, Figure, report
from benchmarks.harness import Harness, cpu_seconds
from benchmarks.peers.peers import PEERS, Peer, Setup

__all__ = ["measure"]

PINGS = 4_000
DRAIN_SECONDS = 120.0
WARMING = 0.1
"""Share of the jobs that are run before the measurement starts."""
BULK = 1_000
AFTER_SECONDS = 1.0
"""Time for the end of the last jobs, and for their replies."""
QUICK = {"ours", "bullmq", "huey", "hotqueue"}
QUICK_SHARE = 0.25


def measure(quick: bool) -> Iterator[Figure]:
    """Yield the figures of all queues in random order."""
    turns = [(peer, setup) for peer in PEERS if not quick or peer.name in QUICK for setup in peer.setups]
    for peer, setup in random.sample(turns, len(turns)):
        yield from _drain(peer, setup, int(setup.jobs * (QUICK_SHARE if quick else 1)))


def _drain(peer: Peer, setup: Setup, count: int) -> Iterator[Figure]:
    side = HERE if peer.name == "ours" else f"{peer.title}, {setup.title}"
    with Harness.of(peer, **({"RESULTS": 1} if setup.results else {})) as harness:
        harness.start_workers(setup)
        harness.warm_up(setup)
        if side == HERE and setup.processes == 1:
            yield Figure("ping", HERE, _ping_rate(harness), "PINGs/s")
        skipped = int(count * WARMING)
        with harness.stopped_workers():
            before = _usage(harness)
            _add(harness, ["job"] * skipped + ["first"] + ["job"] * (count - skipped - 2) + ["last"])
            added = _usage(harness)
        harness.until(lambda: len(harness.log.grow()) >= 2, DRAIN_SECONDS, every=0.05)
        time.sleep(AFTER_SECONDS)
        after = _usage(harness)
        first, last = sorted(harness.log.lines, key=lambda line: line.at)[:2]
    rate = (count - skipped) / (last.at - first.at)
    if setup.processes < 2:
        yield Figure("drain-1", side, rate, "jobs/s")
    if setup.processes < 2 or side != HERE:
        yield Figure("worker-cpu", side, (after["worker"] - added["worker"]) / count * 1e6, "µs")
        yield Figure("redis-cpu", side, (after["cpu"] - added["cpu"]) / count * 1e6, "µs")
        yield Figure("redis-script", side, (after["script"] - added["script"]) / count, "µs")
        yield Figure("redis-memory", side, (after["memory"] - before["memory"]) / count, "B")
    if setup.processes == 2 or (peer.name, setup.title) == ("bullmq", "concurrency 100"):
        yield Figure("drain-2", side, rate, "jobs/s")


def _add(harness: Harness, jobs: list[str]) -> None:
    """Add jobs in bulk where the queue offers that."""
    verb = "bulk" if harness.peer.has_bulk else "add"
    for at in range(0, len(jobs), BULK):
        harness.add(jobs[at : at + BULK], verb)
        harness.added()


def _ping_rate(harness: Harness) -> float:
    begun = time.perf_counter()
    for _ in range(PINGS):
        harness.redis.ping()
    return PINGS / (time.perf_counter() - begun)


def _usage(harness: Harness) -> dict[str, float]:
    """Return the bytes and CPU seconds of Redis, the microseconds of its scripts, the CPU seconds of the workers."""
    info: Any = harness.redis.info("all")
    scripts = (info.get(f"cmdstat_{name}", {}).get("usec", 0) for name in ("eval", "evalsha", "fcall"))
    cpu = info["used_cpu_user"] + info["used_cpu_sys"]
    worker = cpu_seconds(harness.worker_processes())
    return {"memory": info["used_memory"], "cpu": cpu, "script": sum(scripts), "worker": worker}


if __name__ == "__main__":
    report(measure)
