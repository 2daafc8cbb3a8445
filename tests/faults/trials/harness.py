"""Environment of one trial: an empty Redis, the processes under test, the history of each job, and the checks."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

import jobs
from config.settings import load
from jobs import Submission
from ops.invariants import find_violations
from tests.faults.final_status_watch import FinalStatusWatch
from tests.faults.trials.fault import ROOT, Fault, SharedCounter
from tests.faults.trials.fork import fork, fork_worker

__all__ = ["LEASE_SECONDS", "Harness", "Verdict"]

LEASE_SECONDS = 1.5
"""The lease in trials; the promises of recovery hold for any lease."""

_PR_SET_CHILD_SUBREAPER = 36
_DEFAULTS = {"seconds": 0.0, "seconds_first": 0.0, "megabytes": 0, "raises": 0}
"""As the API stores them; results are then small enough to be sent together."""
_ENDED = ("complete", "failed", "cancelled")
_TIMEOUT_SECONDS = 40.0


@dataclass
class Verdict:
    """The result of one trial; all lists are empty if it passed."""

    kind: str
    point: int
    seed: int
    hit: bool = False
    where: str = ""
    steps: int = 0
    lost: list[str] = field(default_factory=list)
    two_results: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    recovery: list[float] = field(default_factory=list)

    @property
    def complaints(self) -> list[str]:
        """Return all errors."""
        return self.lost + self.two_results + self.violations + self.unexpected


class Harness:
    """Runs trials one after the other, in a process that forks the processes under test and outlives them."""

    def __init__(self, folder: Path, *, real: bool = False) -> None:
        self.folder = folder
        self.real = real
        self.log = folder / "log"
        self.counter = SharedCounter(folder / "counter")
        jobs.connect(load())
        self.queue = redis.Redis(port=jobs.settings.redis_port, db=jobs.settings.queue_db)
        self._listener = jobs.open_pubsub()
        self._listener.psubscribe("job.*")
        # Orphans become our children, so that no process survives a trial unnoticed.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)

    def begin(self, kind: str, seed: int, fault: Fault) -> None:
        """Reset everything, and plan the fault."""
        jobs.rd.flushdb()
        self.queue.flushdb()
        self._read_history([])
        self.dice = random.Random(f"{kind} {seed}")
        self.ids: list[str] = []
        self.cancelled: list[str] = []
        self.uncharged = False
        self._final_statuses = FinalStatusWatch()
        self.workers: list[int] = []
        self._started: list[subprocess.Popen[bytes]] = []
        self._environ = fault.environ
        self.counter.plan(fault)
        for ran in self.folder.glob("*.ran"):
            ran.unlink()

    def add(self, *asked: dict[str, Any], **options: Any) -> list[str]:
        """Queue a job of the analysis ``trial`` for each set of parameters, in one request."""
        number = len(self.ids)
        posted = [
            Submission(
                start=None,
                end=None,
                analysis="trial",
                params={"ran": str(self.folder / f"{number + n}.ran"), **_DEFAULTS, **params},
                **options,
            )
            for n, params in enumerate(asked)
        ]
        added = [job["id"] for job in jobs.add_jobs(posted)[0]]
        self.ids += added
        return added

    def start_worker(self, workers: int = 1) -> int:
        """Start a supervisor with its children, and return its process id."""
        environ = {
            "WORKERS": str(workers),
            "LEASE_SECONDS": str(LEASE_SECONDS),
            "DRAIN_SECONDS": "10",
            **self._environ,
        }
        pid = self._start_real(environ) if self.real else fork_worker(self.counter, environ)
        self.workers.append(pid)
        return pid

    def _start_real(self, environ: dict[str, str]) -> int:
        here = Path(__file__).parent
        environ |= {
            "PYTHONPATH": os.pathsep.join([str(here / "site"), str(ROOT)]),
            "TRIAL_COUNTER": str(self.counter.path),
            "TRIAL_ANALYSES": str(here / "analyses"),
        }
        words = [sys.executable, str(ROOT / "worker.py")]
        process = subprocess.Popen(words, env={**os.environ, **environ}, cwd=ROOT, start_new_session=True)
        self._started.append(process)
        return process.pid

    def fork_api(self, play: Callable[[], None]) -> int:
        """Start a process that runs ``play`` against the API, and return its id."""
        return fork("api", play, self.counter)

    # ------------------------------------------------------------------------------------------- while it plays

    def wait(self, condition: Callable[[], Any], seconds: float = _TIMEOUT_SECONDS) -> bool:
        """Return whether the condition became true in time."""
        give_up = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > give_up:
                return False
            time.sleep(0.003)
        return True

    def wait_for_fault(self, over: Callable[[], Any] | None = None) -> bool:
        """Return whether the fault hit before all jobs had ended or ``over`` was true, plus 0.1 s."""
        over = over or self.all_ended
        self.wait(lambda: self.counter.hit_at or over())
        return self.wait(lambda: self.counter.hit_at, 0.1)

    def status(self, jid: str) -> str:
        """Return the job's status in its record, empty if there is no record."""
        return str((jobs.rd.hget(f"job.{jid}", "status") or b"").decode())

    def is_running(self, jid: str) -> bool:
        """Return whether a worker holds the job."""
        return self.status(jid) == "in progress"

    def has_begun(self, number: int) -> bool:
        """Return whether the analysis of this job has started."""
        return (self.folder / f"{number}.ran").exists()

    def all_ended(self) -> bool:
        """Return whether all jobs have ended; end the back-off of waiting ones."""
        statuses = [self.status(jid) for jid in self.ids]
        for jid, status in zip(self.ids, statuses, strict=True):
            if status == "scheduled":
                with suppress(jobs.JobError):
                    jobs.update_job_status(jid, "submitted")
        return all(status in _ENDED for status in statuses)

    def registered(self) -> list[int]:
        """Return the process ids of the registered children."""
        return [worker["pid"] for worker in jobs.get_workers()]

    def signal(self, pid: int, number: int) -> None:
        """Send a signal to a process, which may have ended."""
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    def is_alive(self, pid: int) -> bool:
        """Return whether the process is alive; reap it otherwise."""
        self.reap()
        with suppress(FileNotFoundError):
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        return False

    def reap(self) -> None:
        """Reap our children, and orphans that became our children."""
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass

    def descendants(self) -> list[int]:
        """Return the living processes of this trial."""
        self.reap()
        found, todo = [], [os.getpid()]
        while todo:
            pid = todo.pop()
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                with suppress(FileNotFoundError, ProcessLookupError):
                    children = [int(word) for word in task.read_text().split()]
                    found += children
                    todo += children
        return found

    # --------------------------------------------------------------------------------------------------- checks

    def check(self, verdict: Verdict, *, max_charged: int = 1) -> Verdict:
        """Wait until all jobs have ended, then check everything; at most ``max_charged`` attempts may be charged."""
        verdict.violations += [f"under load: {violation}" for violation in self.find_violations()]
        self.wait(self.all_ended)
        verdict.steps, verdict.where = self.counter.steps, self.counter.where
        verdict.hit = self.counter.hit_at is not None
        verdict.lost += [f"{jid} is {self.status(jid) or 'gone'}" for jid in self.ids if self.status(jid) not in _ENDED]
        verdict.violations += [str(violation) for violation in self.find_violations()]
        self._check_history(verdict)
        charged = 0
        for number, jid in enumerate(self.ids):
            charged += self._check_job(verdict, number, jid)
        if charged > max_charged:
            verdict.unexpected.append(f"{charged} attempts charged, at most {max_charged} expected")
        return verdict

    def find_violations(self) -> Sequence[Any]:
        """Return the violations of the invariants now."""
        return [*find_violations(jobs.rd, self.queue, jobs.settings.queue_name), *self._final_statuses.changed(jobs.rd)]

    def end(self) -> None:
        """Kill all remaining processes."""
        while left := self.descendants():
            for pid in left:
                self.signal(pid, signal.SIGKILL)
            time.sleep(0.002)
        for process in self._started:
            process.returncode = process.returncode or 0

    def _check_job(self, verdict: Verdict, number: int, jid: str) -> int:
        record = {name.decode(): value.decode() for name, value in jobs.rd.hgetall(f"job.{jid}").items()}
        attempt, charged = int(record.get("attempt", 0)), int(record.get("failed_attempts", 0))
        results = jobs.get_results(jid)
        ran = self.folder / f"{number}.ran"
        marks = ran.read_text() if ran.exists() else ""
        runs, cut_short = marks.count("b"), marks.count("b") - marks.count("e")
        if record.get("status") == "complete":
            if results is None or results["attempt"] != attempt:
                verdict.two_results.append(f"{jid}: its results are {results and results['attempt']}, not of {attempt}")
            # What a process had reserved, or ended without Redis having learnt it, is released uncharged when it dies.
            if not (0 if self.uncharged else cut_short) <= charged <= attempt - 1:
                verdict.unexpected.append(f"{jid}: {charged} charged, in its attempt {attempt}, {cut_short} cut short")
        elif results is not None:
            verdict.two_results.append(f"{jid} has results, and is {record.get('status')}")
        if runs > attempt:
            verdict.two_results.append(f"{jid} ran {runs} times in {attempt} attempts")
        if self.counter.hit_at and attempt > 1 and float(record["started"]) / 1e6 > self.counter.hit_at:
            verdict.recovery.append(float(record["started"]) / 1e6 - self.counter.hit_at)
        return charged

    def _check_history(self, verdict: Verdict) -> None:
        for jid, statuses in self._read_history(self.ids).items():
            ends = [status for status in statuses if status in _ENDED]
            if len(ends) > 1 or (ends and statuses[-1] not in _ENDED):
                verdict.two_results.append(f"{jid} was {', '.join(statuses)}")
            if jid in self.cancelled and ends != ["cancelled"]:
                verdict.unexpected.append(f"{jid} was cancelled, then {', '.join(statuses)}")

    def _read_history(self, ids: Sequence[str]) -> dict[str, list[str]]:
        """Return the statuses of each job in order, as the transitions published them."""
        found: dict[str, list[str]] = {jid: [] for jid in ids}
        last = f"job.{os.getpid()}.{time.monotonic_ns()}"
        jobs.rd.publish(last, "")
        while True:
            message = self._listener.get_message(timeout=5)
            if message is None:
                raise RuntimeError("Redis has published nothing for 5 s.")
            if message["channel"] == last.encode():
                return found
            jid, word = message["channel"].decode().removeprefix("job."), message["data"]
            if jid in found and word not in (b"progress", b"deleted"):
                found[jid].append(word.decode())
