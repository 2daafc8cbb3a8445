"""The stage of one trial: an empty Redis, the processes under test, the history of each job, and the judgement."""

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
from tests.faults.final_status_watch import Ends
from tests.faults.trials.fault import ROOT, Blow, SharedCounter
from tests.faults.trials.fork import fork, fork_worker

__all__ = ["LEASE_SECONDS", "Stage", "Verdict"]

LEASE_SECONDS = 1.5
"""The lease in trials; what is promised of recovery is promised of any."""

_PR_SET_CHILD_SUBREAPER = 36
_ENDED = ("complete", "failed", "cancelled")
_PATIENCE_SECONDS = 40.0


@dataclass
class Verdict:
    """What came of one trial; each list of sentences is empty where all is well."""

    kind: str
    point: int
    seed: int
    hit: bool = False
    where: str = ""
    steps: int = 0
    lost: list[str] = field(default_factory=list)
    two_results: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    recovery: list[float] = field(default_factory=list)

    @property
    def complaints(self) -> list[str]:
        """All that is wrong."""
        return self.lost + self.two_results + self.broken + self.unexpected


class Stage:
    """One trial after the other, in one process that forks the processes under test and outlives them."""

    def __init__(self, folder: Path, *, real: bool = False) -> None:
        self.folder = folder
        self.real = real
        self.log = folder / "log"
        self.tally = SharedCounter(folder / "tally")
        jobs.connect(load())
        self.queue = redis.Redis(port=jobs.settings.redis_port, db=jobs.settings.queue_db)
        self._listener = jobs.open_pubsub()
        self._listener.psubscribe("job.*")
        # What a dead parent leaves behind becomes ours, so that nothing can survive a trial unseen.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)

    def begin(self, kind: str, seed: int, blow: Blow) -> None:
        """Empty the stage, and plan the blow."""
        jobs.rd.flushdb()
        self.queue.flushdb()
        self._read_history([])
        self.dice = random.Random(f"{kind} {seed}")
        self.ids: list[str] = []
        self.cancelled: list[str] = []
        self.uncharged = False
        self._ends = Ends()
        self.workers: list[int] = []
        self._started: list[subprocess.Popen[bytes]] = []
        self._environ = blow.environ
        self.tally.plan(blow)
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
                params={"ran": str(self.folder / f"{number + n}.ran"), **params},
                **options,
            )
            for n, params in enumerate(asked)
        ]
        added = [job["id"] for job in jobs.add_jobs(posted)[0]]
        self.ids += added
        return added

    def start_worker(self, workers: int = 1) -> int:
        """A parent and its children; the parent's process id."""
        environ = {
            "WORKERS": str(workers),
            "LEASE_SECONDS": str(LEASE_SECONDS),
            "DRAIN_SECONDS": "10",
            **self._environ,
        }
        pid = self._start_real(environ) if self.real else fork_worker(self.tally, environ)
        self.workers.append(pid)
        return pid

    def _start_real(self, environ: dict[str, str]) -> int:
        here = Path(__file__).parent
        environ |= {
            "PYTHONPATH": os.pathsep.join([str(here / "site"), str(ROOT)]),
            "TRIAL_TALLY": str(self.tally.path),
            "TRIAL_ANALYSES": str(here / "analyses"),
        }
        words = [sys.executable, str(ROOT / "worker.py")]
        process = subprocess.Popen(words, env={**os.environ, **environ}, cwd=ROOT, start_new_session=True)
        self._started.append(process)
        return process.pid

    def fork_api(self, play: Callable[[], None]) -> int:
        """A process that serves what ``play`` asks of the API; its id."""
        return fork("api", play, self.tally)

    # ------------------------------------------------------------------------------------------- while it plays

    def wait(self, condition: Callable[[], Any], seconds: float = _PATIENCE_SECONDS) -> bool:
        """Whether it came true in time."""
        give_up = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > give_up:
                return False
            time.sleep(0.003)
        return True

    def wait_for_blow(self, over: Callable[[], Any] | None = None) -> bool:
        """Whether the blow fell before all jobs were ended, or what else ends the wait, and a moment had passed."""
        over = over or self.all_ended
        self.wait(lambda: self.tally.struck or over())
        return self.wait(lambda: self.tally.struck, 0.1)

    def status(self, jid: str) -> str:
        """The job's status in its record, empty where there is none."""
        return str((jobs.rd.hget(f"job.{jid}", "status") or b"").decode())

    def is_running(self, jid: str) -> bool:
        """Whether a worker holds it."""
        return self.status(jid) == "in progress"

    def has_begun(self, number: int) -> bool:
        """Whether the analysis of the job of this number runs, or ran."""
        return (self.folder / f"{number}.ran").exists()

    def all_ended(self) -> bool:
        """Whether all jobs are; one that waits out its back-off is hurried."""
        statuses = [self.status(jid) for jid in self.ids]
        for jid, status in zip(self.ids, statuses, strict=True):
            if status == "scheduled":
                with suppress(jobs.JobError):
                    jobs.update_job_status(jid, "submitted")
        return all(status in _ENDED for status in statuses)

    def registered(self) -> list[int]:
        """The process ids of the children that live as far as Redis knows."""
        return [worker["pid"] for worker in jobs.get_workers()]

    def signal(self, pid: int, number: int) -> None:
        """Send it, to a process that may be gone."""
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    def is_alive(self, pid: int) -> bool:
        """Whether the process lives; what is dead is buried here."""
        self.reap()
        with suppress(FileNotFoundError):
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        return False

    def reap(self) -> None:
        """Bury our dead, and those that dead parents left to us."""
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass

    def descendants(self) -> list[int]:
        """The processes that live of this trial."""
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

    # ---------------------------------------------------------------------------------------------- the judgement

    def judge(self, verdict: Verdict, *, most_charged: int = 1) -> Verdict:
        """Wait for the end of all jobs, then look at everything; ``most_charged`` attempts may have cost one."""
        verdict.broken += [f"under load: {broken}" for broken in self.find_violations()]
        self.wait(self.all_ended)
        verdict.steps, verdict.where = self.tally.steps, self.tally.where
        verdict.hit = self.tally.struck is not None
        verdict.lost += [f"{jid} is {self.status(jid) or 'gone'}" for jid in self.ids if self.status(jid) not in _ENDED]
        verdict.broken += [str(broken) for broken in self.find_violations()]
        self._judge_history(verdict)
        charged = 0
        for number, jid in enumerate(self.ids):
            charged += self._judge_job(verdict, number, jid)
        if charged > most_charged:
            verdict.unexpected.append(f"{charged} attempts charged, {most_charged} at most were to be")
        return verdict

    def find_violations(self) -> Sequence[Any]:
        """What the invariants say of Redis now."""
        return [*find_violations(jobs.rd, self.queue, jobs.settings.queue_name), *self._ends.changed(jobs.rd)]

    def end(self) -> None:
        """End what still runs."""
        while left := self.descendants():
            for pid in left:
                self.signal(pid, signal.SIGKILL)
            time.sleep(0.002)
        for process in self._started:
            process.returncode = process.returncode or 0

    def _judge_job(self, verdict: Verdict, number: int, jid: str) -> int:
        record = {name.decode(): value.decode() for name, value in jobs.rd.hgetall(f"job.{jid}").items()}
        attempt, charged = int(record.get("attempt", 0)), int(record.get("charged", 0))
        results = jobs.get_results(jid)
        if record.get("status") == "complete":
            if results is None or results["attempt"] != attempt:
                verdict.two_results.append(f"{jid}: its results are {results and results['attempt']}, not of {attempt}")
            if not self.uncharged and charged != attempt - 1:
                verdict.unexpected.append(f"{jid}: {charged} charged, in its attempt {attempt}")
        elif results is not None:
            verdict.two_results.append(f"{jid} has results, and is {record.get('status')}")
        ran = self.folder / f"{number}.ran"
        runs = ran.read_text().count("b") if ran.exists() else 0
        if runs > attempt:
            verdict.two_results.append(f"{jid} ran {runs} times in {attempt} attempts")
        if self.tally.struck and attempt > 1 and float(record["started"]) / 1e6 > self.tally.struck:
            verdict.recovery.append(float(record["started"]) / 1e6 - self.tally.struck)
        return charged

    def _judge_history(self, verdict: Verdict) -> None:
        for jid, statuses in self._read_history(self.ids).items():
            ends = [status for status in statuses if status in _ENDED]
            if len(ends) > 1 or (ends and statuses[-1] not in _ENDED):
                verdict.two_results.append(f"{jid} was {', '.join(statuses)}")
            if jid in self.cancelled and ends != ["cancelled"]:
                verdict.unexpected.append(f"{jid} was cancelled, then {', '.join(statuses)}")

    def _read_history(self, ids: Sequence[str]) -> dict[str, list[str]]:
        """All statuses that each job was given, in order: each transition publishes them."""
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
            if jid in found and word != b"progress":
                found[jid].append(word.decode())
