"""What becomes of accepted jobs when a child and a whole worker are killed: us and other queues, side by side.

    python -m benchmarks.crash [--seconds 120] [--rounds 1] [--at-once 4] [--only ours,celery] [--write]

Each queue has a fresh Redis, two workers in their default settings, and 200 jobs of 50 ms. At 50 ended jobs, the
process of the second worker that runs a job gets SIGKILL; at 120, the first worker does, with all its processes. The
first is not started again, so the other one has to take over; a second worker that ends of itself is, as any
supervisor would. For the rest of the seconds allowed, all that runs is noted: by the jobs, in a file.
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

from benchmarks.executions import Kill, Verdict, in_hand, judge
from benchmarks.harness import Stage, machine, markdown, processes_of
from benchmarks.peers.peers import PEERS, Peer
from config.settings import Settings

JOBS = 200
JOB_SECONDS = 0.05
KILL_CHILD_AT, KILL_WORKER_AT = 50, 120
START_SECONDS = 60.0
CHILD_SECONDS, WORKER_SECONDS = 3.0, 3.0
"""What we promise: from the kill of a child, and, beyond the lease, from the kill of a whole worker."""
AIM_SECONDS = 5.0
"""How long a kill waits for the moment in which it hits a job; after that it is done all the same."""
PAGE = Path(__file__).parent.parent / "docs/crash-trial.md"


class Trial:
    """One queue, its two workers, and the two kills."""

    def __init__(self, stage: Stage, seconds: float) -> None:
        self.stage = stage
        self.seconds = seconds
        self.jobs = [str(n) for n in range(JOBS)]
        self.kills: list[Kill] = []
        self.doomed = self._start_worker(1)
        self.other = self._start_worker(2)

    def run(self) -> Verdict:
        """Warm up, add, kill, kill, wait, judge."""
        self._warm_up()
        self.stage.add(self.jobs)
        self._wait_for(KILL_CHILD_AT)
        self._kill_child()
        self._wait_for(KILL_WORKER_AT)
        self._kill_worker()
        self.stage.added()
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            self._keep_other()
            time.sleep(0.05)
        return judge(self.jobs, self.stage.log.grow(), self.kills)

    def _start_worker(self, n: int) -> subprocess.Popen[bytes]:
        return self.stage.start_worker(self.stage.peer.start(self.stage.peer.worker, n))

    def _keep_other(self) -> None:
        if self.other.poll() is not None:
            self.other = self._start_worker(2)

    def _warm_up(self) -> None:
        """Until both workers have run jobs, and none is left."""
        sent = 0
        for worker in (self.doomed, self.other):
            give_up = time.monotonic() + START_SECONDS
            while not self._has_run(worker):
                if time.monotonic() > give_up:
                    self.stage.until(lambda: False, 0)
                self.stage.add([f"warm-{n}" for n in range(sent, sent + 4)])
                self.stage.added()
                sent += 4
                time.sleep(0.2)
        self.stage.until(lambda: sum(line.what == "end" for line in self.stage.log.grow()) >= sent, START_SECONDS)

    def _has_run(self, worker: subprocess.Popen[bytes]) -> bool:
        processes = processes_of(worker.pid)
        return any(line.process in processes for line in self.stage.log.grow())

    def _wait_for(self, ended: int) -> None:
        """Until so many jobs have ended."""

        def enough() -> bool:
            self._keep_other()
            lines = self.stage.log.grow()
            return len({line.job for line in lines if line.what == "end" and line.job in self.jobs}) >= ended

        self.stage.until(enough, START_SECONDS)

    def _kill_child(self) -> None:
        """The process of the other worker that runs a job."""
        give_up = time.monotonic() + AIM_SECONDS
        while time.monotonic() < give_up:
            self._keep_other()
            busy = self._busy(self.other)
            if busy and self._kill(busy[-1:]):
                return
        self._kill([self.other.pid], even_idle=True)

    def _kill_worker(self) -> None:
        """The doomed one, with all its processes, while it runs a job."""
        give_up = time.monotonic() + AIM_SECONDS
        while time.monotonic() < give_up:
            if self._busy(self.doomed) and self._kill(self._halt(self.doomed)):
                return
        self._kill(self._halt(self.doomed), even_idle=True)

    def _halt(self, worker: subprocess.Popen[bytes]) -> list[int]:
        """Its processes, none of which can be followed by another."""
        _send(signal.SIGSTOP, [worker.pid])
        return processes_of(worker.pid)

    def _busy(self, worker: subprocess.Popen[bytes]) -> list[int]:
        """The processes of this worker that run a job, the one that started one last at the end."""
        time.sleep(0.002)
        processes = processes_of(worker.pid)
        return [process for process in in_hand(self.stage.log.grow()) if process in processes]

    def _kill(self, processes: list[int], even_idle: bool = False) -> bool:
        """Halt them, root first; kill them if then one of them still runs a job, else let them go on."""
        _send(signal.SIGSTOP, processes)
        hit = not set(processes).isdisjoint(in_hand(self.stage.log.grow()))
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
    """Jobs that the queue itself has entered as failed; None where it keeps no such list."""


def _try(peer: Peer, seconds: float) -> _Tried:
    with Stage.of(peer, JOB_SECONDS=JOB_SECONDS) as stage:
        verdict = Trial(stage, seconds).run()
        failed: Any = stage.redis.zcard(peer.failed) if peer.failed else None
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
    """Its rounds side by side in each cell, once where they agree."""
    rounds = [_cells(each, allowed) for each in tried]
    cells = [" / ".join(cell if len(set(cell)) > 1 else cell[:1]) for cell in zip(*rounds, strict=True)]
    return (f"{peer.title} {peer.version()}".strip(), *cells)


def _seconds(seconds: float | None, allowed: float) -> str:
    return f"not in {allowed:g} s" if seconds is None else f"{seconds:.1f} s"


def _broken_promises(tried: Sequence[_Tried]) -> list[str]:
    """What we promise and did not keep here."""
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
    """Print the table, and write the page where that is asked for."""
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
    sys.exit("; ".join(_broken_promises(by_peer.get(PEERS[0], []))) or None)


def _page(table: str, peers: Sequence[Peer], asked: argparse.Namespace) -> str:
    return _PAGE.format(
        table=table,
        machine=machine(),
        settings=_settings_table(peers),
        seconds=f"{asked.seconds:g}",
        rounds=asked.rounds,
    )


_PAGE = """# Killed in mid-work: side by side

What becomes of jobs that a queue has accepted, when processes are killed. Written by

    make bench-crash ARGS="--rounds {rounds} --write"

on {machine}. Where rounds differ, each is given.

{table}

Each queue has a fresh Redis (append-only) to itself, two workers in their default settings, and 200 jobs of 50 ms. At
50 ended jobs, the process of the second worker that runs a job gets SIGKILL. At 120, the first worker gets it, with
all its processes, and is not started again: the other one would have to take over. A second worker that ends of
itself is started again, as any supervisor would. Then {seconds} s are allowed.

But for *entered as failed*, nothing is taken from the queues' own books: each job appends a line to a file when it
starts and one when it ends, and the lines are counted. *In hand* is what had started in the killed processes and not
ended there; what a worker had only fetched is not in it, but in *never finished* where it was lost. *Run twice to an
end*: two lines say that the job ended. *All done*: every job ended at least once. *Entered as failed*: what the queue
itself lists as failed, so that somebody may see it and run it again; empty where it has no such list.

{settings}

A queue without child processes loses its whole worker to the first kill. What is not done in {seconds} s may be done
much later: Celery, for instance, gives back what a lost worker had fetched after its `visibility_timeout`, an hour by
default. Some can be set to lose less, as Celery by `task_acks_late`; this page is about what is there if nothing is
set.
"""


if __name__ == "__main__":
    main()
