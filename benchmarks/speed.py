"""How fast one worker process drains jobs that do nothing, and how fast jobs are accepted: ours and other queues.

    python -m benchmarks.speed [--rounds 1] [--only ours,rq] [--write]

Each queue has a fresh Redis. Jobs are added one by one by one program; then one worker process, or one child, is
started, and once it has run a fifth of them, the time is taken until the start of the last. PINGs of one redis-py
connection are counted before and after, and all rates are given as ratios to theirs, so that runs on different
machines compare.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import Stage, machine, markdown
from benchmarks.peers.peers import PEERS, Peer, Single

PINGS = 4_000
DRAIN_SECONDS = 120.0
WARMING = 0.2
"""Share of the jobs that are run before it counts."""
PAGE = Path(__file__).parent.parent / "docs/speed.md"


@dataclass(frozen=True)
class Rate:
    """Jobs and PINGs a second."""

    added: float
    drained: float
    pings: float


def _ping_rate(stage: Stage) -> float:
    begun = time.perf_counter()
    for _ in range(PINGS):
        stage.redis.ping()
    return PINGS / (time.perf_counter() - begun)


def _measure(peer: Peer, single: Single) -> Rate:
    with Stage.of(peer) as stage:
        stage.add(["unmeasured"] * 20)
        stage.added()
        stage.redis.flushall()
        before = _ping_rate(stage)
        skipped = int(single.jobs * WARMING)
        rest = single.jobs - skipped
        stage.add(["job"] * skipped + ["first"] + ["job"] * (rest - 1) + ["last"])
        added = (single.jobs + 1) / stage.added()
        stage.start_worker(peer.start(single.words))
        stage.until(lambda: len(stage.log.grow()) == 2, DRAIN_SECONDS, every=0.1)
        first, last = stage.log.lines
        stage.kill_workers()
        return Rate(added, rest / (last.at - first.at), statistics.mean([before, _ping_rate(stage)]))


def _row(peer: Peer, single: Single, rates: Sequence[Rate]) -> tuple[str, ...]:
    drained = statistics.median(rate.drained / rate.pings for rate in rates)
    added = statistics.median(rate.added / rate.pings for rate in rates)
    return (
        f"{peer.title} {peer.version()}".strip(),
        single.title,
        f"{drained:.3f}",
        f"{statistics.median(rate.drained for rate in rates):,.0f}",
        f"{added:.3f}",
        f"{statistics.median(rate.added for rate in rates):,.0f}",
        f"{statistics.median(rate.pings for rate in rates):,.0f}",
    )


_HEAD = ("queue", "one worker", "drained, to PINGs", "jobs/s", "added, to PINGs", "jobs/s", "PINGs/s")


def main() -> None:
    """Print a line for each worker as it is measured, then the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1, help="of all queues, in turn (1)")
    parser.add_argument("--only", default="", help="names of queues, comma-separated")
    parser.add_argument("--write", action="store_true", help=f"write docs/{PAGE.name}")
    asked = parser.parse_args()
    peers = [peer for peer in PEERS if peer.is_installed and (not asked.only or peer.name in asked.only.split(","))]
    rates: dict[tuple[Peer, Single], list[Rate]] = {(peer, single): [] for peer in peers for single in peer.singles}
    for _ in range(asked.rounds):
        for (peer, single), found in rates.items():
            found.append(_measure(peer, single))
            print(*_row(peer, single, found[-1:]), sep="  ", flush=True)
    fastest_first = sorted(rates.items(), key=lambda each: -statistics.median(r.drained / r.pings for r in each[1]))
    table = markdown([_HEAD, *(_row(*key, found) for key, found in fastest_first)])
    print(f"\n{machine()}\n\n{table}")
    if asked.write:
        PAGE.write_text(_PAGE.format(table=table, machine=machine(), rounds=asked.rounds))


_PAGE = """# Speed: side by side

How fast one worker process drains jobs that do nothing, and how fast jobs are accepted. Written by

    make bench-peers ARGS="--rounds {rounds} --write"

on {machine}. Medians of the rounds.

{table}

Each queue has a fresh Redis (append-only) to itself. Jobs are added one by one by one program. Then one worker
process, or one child, is started, with logging turned down, and once it has run a fifth of them, the time is taken
until the start of the last. *To PINGs*: as a ratio to the PINGs a second of one redis-py connection, counted before and
after on the same server; it is what compares between machines. Python clients all use hiredis.

What one job costs differs in what it buys. Ours is a job that is stored, charged, kept with its result, its log, its
times and its place in the listing, and given back when its process is killed ([side by side](crash-trial.md)).
HotQueue pops an id, Taskiq and Huey a message; what a killed worker held is gone. arq, SAQ and Taskiq run many jobs
at once in one process.
"""


if __name__ == "__main__":
    main()
