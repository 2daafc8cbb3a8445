"""Measure how many accepted jobs are lost when a child and a worker are killed, here and in other queues.

    python -m benchmarks.crash [--seconds 120] [--rounds 1] [--at-once 4] [--only ours,celery] [--write]

Each queue has a fresh Redis, two workers in their default settings, and 200 jobs of 50 ms. At 50 ended jobs, the
process of the second worker that runs a job gets SIGKILL; at 120, the first worker gets it, with all its processes. The
first worker is not restarted, so the other one has to take over; if the second worker exits, it is restarted, as a
supervisor would do. Each job appends lines to a file, which are counted at the end.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.executions import Kill, Verdict, evaluate, in_hand
from benchmarks.harness import Harness, machine, markdown, processes_of
from benchmarks.peers.peers import PEERS, Peer
from config.settings import Settings

JOBS = 200
JOB_SECONDS = 0.05
KILL_CHILD_AT, KILL_WORKER_AT = 50, 120
START_SECONDS = 60.0
CHILD_SECONDS, WORKER_SECONDS = 3.0, 3.0
"""Promised maximum after the kill of a child, and after the kill of a whole worker in addition to the lease."""
AIM_SECONDS = 5.0
"""Maximum wait until a kill hits a running job; after that, the process is killed anyway."""
PAGE = Path(__file__).parent.parent / "docs/crash-recovery.md"


class Trial:
    """Runs one queue with two workers and kills them."""

    def __init__(self, harness: Harness, seconds: float) -> None:
        self.harness = harness
        self.seconds = seconds
        self.jobs = [str(n) for n in range(JOBS)]
        self.kills: list[Kill] = []
        self.doomed = self._start_worker(1)
        self.other = self._start_worker(2)

    def run(self) -> Verdict:
        """Warm up, add jobs, kill twice, wait, and evaluate."""
        self._warm_up()
        self.harness.add(self.jobs)
        self._wait_for(KILL_CHILD_AT)
        self._kill_child()
        self._wait_for(KILL_WORKER_AT)
        self._kill_worker()
        self.harness.added()
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            self._keep_other()
            time.sleep(0.05)
        return evaluate(self.jobs, self.harness.log.grow(), self.kills)

    def _start_worker(self, n: int) -> subprocess.Popen[bytes]:
        return self.harness.start_worker(self.harness.peer.start(self.harness.peer.worker, n))

    def _keep_other(self) -> None:
        if self.other.poll() is not None:
            self.other = self._start_worker(2)

    def _warm_up(self) -> None:
        """Wait until both workers have run jobs and none is left."""
        sent = 0
        for worker in (self.doomed, self.other):
            give_up = time.monotonic() + START_SECONDS
            while not self._has_run(worker):
                if time.monotonic() > give_up:
                    self.harness.until(lambda: False, 0)
                self.harness.add([f"warm-{n}" for n in range(sent, sent + 4)])
                self.harness.added()
                sent += 4
                time.sleep(0.2)
        self.harness.until(lambda: sum(line.what == "end" for line in self.harness.log.grow()) >= sent, START_SECONDS)

    def _has_run(self, worker: subprocess.Popen[bytes]) -> bool:
        processes = processes_of(worker.pid)
        return any(line.process in processes for line in self.harness.log.grow())

    def _wait_for(self, ended: int) -> None:
        """Wait until ``ended`` jobs have ended."""

        def enough() -> bool:
            self._keep_other()
            lines = self.harness.log.grow()
            return len({line.job for line in lines if line.what == "end" and line.job in self.jobs}) >= ended

        self.harness.until(enough, START_SECONDS)

    def _kill_child(self) -> None:
        """Kill the process of the other worker that is running a job."""
        give_up = time.monotonic() + AIM_SECONDS
        while time.monotonic() < give_up:
            self._keep_other()
            busy = self._busy(self.other)
            if busy and self._kill(busy[-1:]):
                return
        self._kill([self.other.pid], even_idle=True)

    def _kill_worker(self) -> None:
        """Kill the doomed worker with all its processes while it is running a job."""
        give_up = time.monotonic() + AIM_SECONDS
        while time.monotonic() < give_up:
            if self._busy(self.doomed) and self._kill(self._halt(self.doomed)):
                return
        self._kill(self._halt(self.doomed), even_idle=True)

    def _halt(self, worker: subprocess.Popen[bytes]) -> list[int]:
        """Stop a worker and return its processes; it cannot start more."""
        _send(signal.SIGSTOP, [worker.pid])
        return processes_of(worker.pid)

    def _busy(self, worker: subprocess.Popen[bytes]) -> list[int]:
        """Return the processes of this worker that are running a job, the most recently started last."""
        time.sleep(0.002)
        processes = processes_of(worker.pid)
        return [process for process in in_hand(self.harness.log.grow()) if process in processes]

    def _kill(self, processes: list[int], even_idle: bool = False) -> bool:
        """Stop the processes, root first; kill them if one is still running a job, otherwise continue them."""
        _send(signal.SIGSTOP, processes)
        hit = not set(processes).isdisjoint(in_hand(self.harness.log.grow()))
        if hit or even_idle:
            self.kills.append(Kill(time.time(), frozenset(processes)))
            _send(signal.SIGKILL, processes)
            return True
        _send(signal.SIGCONT, processes)
        return False


def _send(what: signal.Signals, processes: list[int]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, what)


@dataclass(frozen=True)
class _Tried:
    verdict: Verdict
    failed: int | None
    """Number of jobs that the queue itself lists as failed; None if it has no such list."""


def _try(peer: Peer, seconds: float) -> _Tried:
    with Harness.of(peer, JOB_SECONDS=JOB_SECONDS) as harness:
        verdict = Trial(harness, seconds).run()
        failed: Any = harness.redis.zcard(peer.failed) if peer.failed else None
        return _Tried(verdict, failed)


_HEAD = (
    "queue",
    "never finished",
    "entered as failed",
    "run twice to an end",
    "started twice",
    "killed child: jobs in hand, done after",
    "killed worker: jobs in hand, done after",
    "all done, from the last kill",
)


def _cells(tried: _Tried, allowed: float) -> list[str]:
    verdict = tried.verdict
    held = [
        f"{count}, {_seconds(done, allowed)}" if count else "0"
        for count, done in zip(verdict.held, verdict.held_done, strict=True)
    ]
    failed = "" if tried.failed is None else tried.failed
    counts = (verdict.never, failed, verdict.ended_twice, verdict.started_twice)
    return [*map(str, counts), *held, _seconds(verdict.all_done, allowed)]


def _row(peer: Peer, tried: Sequence[_Tried], allowed: float) -> tuple[str, ...]:
    """Format the rounds of one queue: different values side by side, equal ones once."""
    rounds = [_cells(each, allowed) for each in tried]
    cells = [" / ".join(cell if len(set(cell)) > 1 else cell[:1]) for cell in zip(*rounds, strict=True)]
    return (f"{peer.title} {peer.version()}".strip(), *cells)


def _seconds(seconds: float | None, allowed: float) -> str:
    return f"not in {allowed:g} s" if seconds is None else f"{seconds:.1f} s"


def _violated_promises(tried: Sequence[_Tried]) -> list[str]:
    """Return the promises that this project did not keep."""
    broken = []
    for verdict in (each.verdict for each in tried):
        (child, worker), lease = verdict.held_done, Settings().lease_seconds
        if verdict.never:
            broken.append(f"{verdict.never} of our jobs were lost")
        if child is None or child > CHILD_SECONDS:
            broken.append(f"the job of our killed child was not done in {CHILD_SECONDS:g} s")
        if worker is None or worker > lease + WORKER_SECONDS:
            broken.append(f"the jobs of our killed worker were not done in {lease + WORKER_SECONDS:g} s")
    return broken


def _settings_table(peers: Sequence[Peer]) -> str:
    rows = [("queue", "settings", "what the first kill hits")]
    return markdown([*rows, *((peer.title, peer.settings, peer.child) for peer in peers)])


def main() -> None:
    """Print the table, and write the page if requested."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120, help="allowed after the last kill (120)")
    parser.add_argument("--at-once", type=int, default=4, help="queues tried at the same time (4)")
    parser.add_argument("--rounds", type=int, default=1, help="of all queues (1)")
    parser.add_argument("--only", default="", help="names of queues, comma-separated")
    parser.add_argument("--write", action="store_true", help=f"write docs/{PAGE.name}")
    asked = parser.parse_args()
    peers = [p for p in PEERS if p.is_installed and (not asked.only or p.name in asked.only.split(","))]
    with ThreadPoolExecutor(asked.at_once) as pool:
        tried = list(pool.map(lambda peer: _try(peer, asked.seconds), peers * asked.rounds))
    by_peer = {peer: tried[n :: len(peers)] for n, peer in enumerate(peers)}
    table = markdown([_HEAD, *(_row(peer, mine, asked.seconds) for peer, mine in by_peer.items())])
    print(f"{machine()}\n\n{table}")
    if asked.write:
        PAGE.write_text(_page(table, peers, asked))
    sys.exit("; ".join(_violated_promises(by_peer.get(PEERS[0], []))) or None)


def _page(table: str, peers: Sequence[Peer], asked: argparse.Namespace) -> str:
    return _PAGE.format(
        table=table,
        machine=machine(),
        settings=_settings_table(peers),
        seconds=f"{asked.seconds:g}",
        rounds=asked.rounds,
    )


_PAGE = """# Crash recovery benchmark

What happens to accepted jobs when processes are killed, in this project and in other queues. Generated by

    make bench SUITE=crash ARGS="--rounds {rounds} --write"

on {machine}. Where rounds differ, each value is given.

{table}

Each queue has its own empty Redis (append-only), two workers with default settings, and 200 jobs of 50 ms. After 50
jobs have ended, the process of the second worker that is running a job gets SIGKILL. After 120, the first worker gets
SIGKILL with all its processes and is not restarted, so the other worker has to take over its jobs. If the second
worker exits, it is restarted, as a supervisor would do. The benchmark then waits for {seconds} s.

Except for *entered as failed*, the counts do not use the queues' own records: each job appends a line to a file when
it starts and when it ends, and the lines are counted.

- *never finished*: jobs without an end line. This includes jobs that a killed worker had only prefetched.
- *entered as failed*: jobs that the queue itself lists as failed, so that someone can see them and run them again;
  empty where the queue has no such list.
- *run twice to an end*: jobs with two end lines.
- *jobs in hand*: jobs that had started in the killed processes and had not ended there.
- *all done*: every job has ended at least once.

{settings}

A queue without child processes loses its whole worker to the first kill. Jobs that are not done within {seconds} s
may be done much later: Celery, for example, redelivers the jobs of a lost worker after its `visibility_timeout`,
which is one hour by default. Some queues have settings that lose less, such as `task_acks_late` in Celery; this page
measures the defaults.
"""


if __name__ == "__main__":
    main()
