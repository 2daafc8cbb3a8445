"""What becomes of accepted jobs when a child and a whole worker are killed: us and other queues, side by side.

    python -m benchmarks.crash [--seconds 120] [--at-once 2] [--only ours,celery] [--write]

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
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.executions import Kill, Verdict, judge
from benchmarks.peers.roster import PEERS, Peer
from benchmarks.stage import Stage, kill_all, machine, markdown, processes_of

JOBS = 200
JOB_SECONDS = 0.05
KILL_CHILD_AT, KILL_WORKER_AT = 50, 120
START_SECONDS = 60.0
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
        self._wait_for(KILL_CHILD_AT, self.other)
        self._kill_child()
        self._wait_for(KILL_WORKER_AT, self.doomed)
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

    def _wait_for(self, ended: int, worker: subprocess.Popen[bytes]) -> None:
        """Until so many jobs have ended and this worker has just started one; 5 s at most: no kill is left out."""
        give_up = time.monotonic() + 5
        while time.monotonic() < give_up:
            self._keep_other()
            lines = self.stage.log.grow()
            done = {line.job for line in lines if line.what == "end" and not line.job.startswith("warm")}
            if len(done) >= ended and self._in_hand(worker):
                return
            time.sleep(0.002)

    def _in_hand(self, worker: subprocess.Popen[bytes]) -> int | None:
        """The process of this worker that has just started a job."""
        lines = self.stage.log.lines
        begun = time.time() - JOB_SECONDS / 2
        fresh = [line.process for line in lines if line.what == "start" and line.at > begun]
        of_worker = processes_of(worker.pid) if fresh else []
        return next((process for process in reversed(fresh) if process in of_worker), None)

    def _kill_child(self) -> None:
        process = self._in_hand(self.other) or self.other.pid
        at = time.time()
        os.kill(process, signal.SIGKILL)
        self.kills.append(Kill(at, frozenset({process})))

    def _kill_worker(self) -> None:
        at = time.time()
        self.kills.append(Kill(at, frozenset(kill_all(self.doomed))))


def _try(peer: Peer, seconds: float) -> Verdict:
    with Stage.of(peer, JOB_SECONDS=JOB_SECONDS) as stage:
        return Trial(stage, seconds).run()


def _rows(verdicts: Sequence[tuple[Peer, Verdict]], seconds: float) -> list[tuple[str, ...]]:
    head = (
        "queue",
        "never finished",
        "run twice to an end",
        "started twice",
        "killed child: jobs in hand, done after",
        "killed worker: jobs in hand, done after",
        "all done, from the last kill",
    )
    rows: list[tuple[str, ...]] = [head]
    for peer, verdict in verdicts:
        held = [
            f"{count}, {_seconds(done, seconds)}" if count else "0"
            for count, done in zip(verdict.held, verdict.held_done, strict=True)
        ]
        counts = (str(n) for n in (verdict.never, verdict.ended_twice, verdict.started_twice))
        title = f"{peer.title} {peer.version()}".strip()
        rows.append((title, *counts, *held, _seconds(verdict.all_done, seconds)))
    return rows


def _seconds(seconds: float | None, allowed: float) -> str:
    return f"not in {allowed:g} s" if seconds is None else f"{seconds:.1f} s"


def _settings(peers: Sequence[Peer]) -> str:
    rows = [("queue", "settings", "what the first kill hits")]
    return markdown([*rows, *((peer.title, peer.settings, peer.child) for peer in peers)])


def main() -> None:
    """Print the table, and write the page where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120, help="allowed after the last kill (120)")
    parser.add_argument("--at-once", type=int, default=2, help="queues tried at the same time (2)")
    parser.add_argument("--only", default="", help="names of queues, comma-separated")
    parser.add_argument("--write", action="store_true", help=f"write docs/{PAGE.name}")
    asked = parser.parse_args()
    peers = [p for p in PEERS if p.is_installed and (not asked.only or p.name in asked.only.split(","))]
    with ThreadPoolExecutor(asked.at_once) as pool:
        verdicts = list(pool.map(lambda peer: _try(peer, asked.seconds), peers))
    table = markdown(_rows(list(zip(peers, verdicts, strict=True)), asked.seconds))
    print(f"{machine()}\n\n{table}")
    if asked.write:
        PAGE.write_text(
            _PAGE.format(table=table, machine=machine(), settings=_settings(peers), seconds=f"{asked.seconds:g}")
        )


_PAGE = """# Killed in mid-work: side by side

What becomes of jobs that a queue has accepted, when processes are killed. Written by

    make bench-crash ARGS=--write

on {machine}.

{table}

Each queue has a fresh Redis (append-only) to itself, two workers in their default settings, and 200 jobs of 50 ms. At
50 ended jobs, the process of the second worker that runs a job gets SIGKILL. At 120, the first worker gets it, with
all its processes, and is not started again: the other one would have to take over. A second worker that ends of
itself is started again, as any supervisor would. Then {seconds} s are allowed.

Nothing is taken from the queues' own books: each job appends a line to a file when it starts and one when it ends,
and the lines are counted. *In hand* is what had started in the killed processes and not ended there; what a worker
had only fetched is not in it, but in *never finished* where it was lost. *Run twice to an end*: two lines say that
the job ended. *All done*: every job ended at least once.

{settings}

A queue without child processes loses its whole worker to the first kill. What is not done in {seconds} s may be done
much later: Celery, for instance, gives back what a lost worker had fetched after its `visibility_timeout`, an hour by
default.
"""


if __name__ == "__main__":
    main()
