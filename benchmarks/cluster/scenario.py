"""What happens while jobs are submitted: worker hosts come and go, hosts are cut off or die, Redis fails over."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from benchmarks.cluster.history import History, Outage
from benchmarks.cluster.hosts import Host
from benchmarks.cluster.load import JOB_SECONDS, Load
from benchmarks.cluster.services import CHILDREN, Cluster, eventually
from client import ENDED, Client, Job
from config.events import Event

__all__ = ["FULL", "QUICK", "Pace", "Scenario"]

_CAPACITY = CHILDREN / JOB_SECONDS
_SETTLE_SECONDS = 1.0
_DRAIN_SECONDS = 60.0
_API_SECONDS = 4.0


@dataclass(frozen=True)
class Pace:
    """The lease of the workers, and the seconds of the steps."""

    lease: float
    scaled: float
    outage: float
    """How long the master is away: longer than a fail-over may take."""
    calm: float
    """How long the cluster runs between two steps."""


FULL = Pace(lease=15, scaled=15, outage=20, calm=5)
QUICK = Pace(lease=3, scaled=4, outage=12, calm=1)


class Scenario:
    """Plays all steps on a cluster that has started, and keeps their history."""

    def __init__(self, cluster: Cluster, pace: Pace) -> None:
        self._cluster, self._pace = cluster, pace
        self._load = Load(cluster, 1.1 * _CAPACITY)  # a little more than one worker host can run
        self._history = History(pace.lease)

    def play(self) -> History:
        """Play all steps, wait until all jobs have ended, and return the history."""
        one, *others = self._cluster.workers
        self._history.began = time.time()
        with self._load.going():
            self._cluster.start_workers(one)
            self._measure("1 worker host")
            self._cluster.start_workers(*others)
            self._load.rate = 1.1 * _CAPACITY * 4
            self._measure("4 worker hosts")
            self._load.rate = _CAPACITY * 3  # one of the hosts may be away
            self._lose(others[0], dies=False)
            self._lose(others[1], dies=True)
            self._lose_api(self._cluster.apis[0])
            self._fail_over()
            self._load.rate = 1.1 * _CAPACITY
            for host in others:
                host.stop()
            self._measure("1 worker host again")
        self._read_jobs()
        master = self._cluster.master(self._cluster.redis[-1])
        eventually("the old master is a replica", lambda: self._cluster.count_replicas(master) == 2)
        self._history.accepted = self._load.accepted
        self._history.repeated, self._history.failures = self._load.repeated, self._load.failures
        self._history.holds, self._history.check = self._cluster.check()
        return self._history

    def _measure(self, workers: str) -> None:
        """Note the span in which these workers have a little more jobs than they can run."""
        self._note(workers)
        time.sleep(_SETTLE_SECONDS)
        begun = time.time()
        time.sleep(self._pace.scaled)
        self._history.spans.append((begun, time.time()))

    def _lose(self, host: Host, *, dies: bool) -> None:
        """Cut off a worker host, or kill it, until its jobs have ended elsewhere."""
        host.cut_off()
        if dies:
            host.kill()
        title = f"{host.name} {'dies' if dies else 'is cut off'}"
        begin = self._note(title)
        with self._client() as client:
            held = tuple(each["job"] for each in client.workers() if each["host"] == host.name and each["job"])
            seconds = 3 * self._pace.lease
            eventually(f"the jobs of {host.name} end", lambda: all(_has_ended(client, job) for job in held), seconds)
        self._bring_back(host, self._cluster.start_worker if dies else None)
        rejected = host.log.read_text().count(str(Event.STALE_RESULT))
        self._history.lost_workers.append((Outage(title, begin, time.time()), held, rejected))

    def _lose_api(self, host: Host) -> None:
        host.cut_off()
        host.kill()
        begin = self._note(title := f"{host.name} dies")
        time.sleep(_API_SECONDS)
        self._history.lost_api = Outage(title, begin, time.time())
        self._bring_back(host, self._cluster.start_api)

    def _fail_over(self) -> None:
        """Cut off the master until another one has worked for some seconds."""
        witness = self._cluster.redis[-1]
        old = self._cluster.master(witness)
        host = next(host for host in self._cluster.redis if host.address == old)
        host.cut_off()
        begin = self._note(title := f"{host.name}, the master, is cut off")
        eventually("another master", lambda: self._cluster.master(witness) != old)
        self._history.other_master = self._note("another master")
        time.sleep(max(0.0, begin + self._pace.outage - time.time()))
        self._history.lost_master = Outage(title, begin, time.time())
        self._bring_back(host)

    def _bring_back(self, host: Host, start: Callable[[Host], None] | None = None) -> None:
        host.reconnect()
        if start:
            start(host)
        self._note(f"{host.name} is back")
        time.sleep(self._pace.calm)

    def _read_jobs(self) -> None:
        """Wait until all jobs have ended; read them, and the attempt of which each has results."""
        with self._client() as client:
            eventually("all jobs have ended", lambda: not _unfinished(client), _DRAIN_SECONDS)
            self._note("all jobs have ended")
            self._history.jobs = jobs = list(client.list())
            with ThreadPoolExecutor(4) as threads:
                self._history.results = dict(threads.map(lambda job: (job["id"], _attempt(client, job)), jobs))

    def _client(self) -> Client:
        return self._cluster.client(self._cluster.apis[-1], timeout=30)

    def _note(self, text: str) -> float:
        """Note and print what happens now, and return when that is."""
        at = time.time()
        self._history.events.append((at, text))
        print(f"{at - self._history.began:6.1f} s  {text}", flush=True)
        return at


def _has_ended(client: Client, job: str) -> bool:
    return client.job(job)["status"] in ENDED


def _unfinished(client: Client) -> int:
    return sum(count for status, count in client.stats()["jobs"].items() if status not in ENDED)


def _attempt(client: Client, job: Job) -> int:
    """Return the attempt of the job's results, 0 if it has none."""
    return client.results(job["id"])["attempt"] if job["status"] == "complete" else 0
