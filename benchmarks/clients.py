"""Measure queues from the side of a program that adds jobs: latency to the result, jobs added a second, memory.

    python -m benchmarks.clients [--quick]

Each queue has an append-only Redis of its own. Jobs do nothing. For the latency, one worker waits for work, and each
job is added when the result of the one before has arrived, with a pause in between.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import HERE, Figure, report
from benchmarks.harness import Harness
from benchmarks.peers.peers import PEERS

__all__ = ["measure"]

SINGLE = 2_000
BULK, BULKS = 1_000, 10
WAITS = 500
WARMING = 20
QUICK_SHARE = 0.25
START_SECONDS = 3.0
"""Time until workers wait for their first job."""
WAITING = {"ours", "huey", "bullmq"}
SHOWN = {"celery", "rq", "hotqueue"} | WAITING
"""Those of all queues that have one of the figures to compare with."""


def measure(quick: bool) -> Iterator[Figure]:
    """Yield the figures of the queues in random order."""
    share = QUICK_SHARE if quick else 1
    peers = [peer for peer in PEERS if peer.name in (WAITING if quick else SHOWN)]
    for peer in random.sample(peers, len(peers)):
        side = HERE if peer.name == "ours" else peer.title
        with Harness.of(peer, RESULTS=1) as harness:
            yield from _added(harness, side, share)
        with Harness.of(peer, RESULTS=1) as harness:
            yield from _waited(harness, side, share)


def _added(harness: Harness, side: str, share: float) -> Iterator[Figure]:
    count, bulks = int(SINGLE * share), int(BULKS * share)
    _seconds(harness, "add", WARMING)
    [taken] = _seconds(harness, "add", count)
    yield Figure("add-one", side, count / taken, "jobs/s")
    if harness.peer.has_bulk:
        _seconds(harness, "bulk", BULK)
        taken = statistics.median(_seconds(harness, "bulk", BULK)[0] for _ in range(bulks))
        yield Figure("bulk-client", side, BULK / taken, "jobs/s")


def _waited(harness: Harness, side: str, share: float) -> Iterator[Figure]:
    setup = harness.peer.setups[0]
    harness.start_workers(setup)
    time.sleep(START_SECONDS)
    yield Figure("memory-worker", side, sum(map(_resident_bytes, harness.worker_processes())) / 1e6, "MB")
    if harness.peer.name in WAITING:
        harness.warm_up(setup)
        _seconds(harness, "wait", WARMING)
        taken = sorted(_seconds(harness, "wait", int(WAITS * share)))
        median, high = (taken[int(part * (len(taken) - 1))] * 1e3 for part in (0.5, 0.99))
        yield Figure("idle-p50", side, median, "ms")
        yield Figure("idle-p99", side, high, "ms")
        yield Figure("idle-tail", side, high / median, "times")


def _seconds(harness: Harness, verb: str, count: int) -> list[float]:
    harness.add(["job"] * count, verb)
    return harness.added()


def _resident_bytes(process: int) -> int:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * 4096


if __name__ == "__main__":
    report(measure)
