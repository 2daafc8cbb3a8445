"""The API, a worker and clients on a Redis that fails."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import redis

from ops.invariants import find_violations
from tests.conftest import Process, eventually, free_port

__all__ = ["Figures", "Load", "find_figures", "running"]

_CLIENTS = 4
_REST_SECONDS = 60
_ANSWER_SECONDS = 0.1  # a response may still be read after its server has died


@dataclass
class Load:
    """Clients that submit jobs as fast as possible, and record the ids of accepted ones."""

    api: httpx.Client
    accepted: dict[str, float] = field(default_factory=dict)
    """Time of acceptance by job id, by the monotonic clock."""
    outages: list[float] = field(default_factory=list)
    """Times of the kills of the server."""
    refused: list[str] = field(default_factory=list)
    """Responses other than 202 and 503."""
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def going(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._submit) for _ in range(_CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _submit(self) -> None:
        asked = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0}}
        while not self._over.is_set():
            answer = self.api.post("/jobs", json=asked)
            if answer.status_code == 202:
                self.accepted[answer.json()["id"]] = time.monotonic()
            elif answer.status_code == 503:
                time.sleep(0.02)
            else:
                self.refused.append(answer.text)
                return

    def wait_for_more(self, count: int = 20) -> None:
        """Wait until ``count`` more jobs are accepted."""
        wanted = len(self.accepted) + count
        eventually(lambda: len(self.accepted) >= wanted or self.refused, seconds=_REST_SECONDS)

    def note_outage(self) -> None:
        """Record the time at which the server is killed."""
        self.outages.append(time.monotonic())


@dataclass
class Figures:
    """Counts of accepted jobs by outcome."""

    outages: int
    accepted: int
    lost: int = 0
    """Accepted jobs without a record."""
    oldest_lost: float = 0.0
    """Seconds between the acceptance of the oldest lost job and the outage."""
    unfinished: int = 0
    """Jobs that are not complete at the end."""
    charged: int = 0
    again: int = 0
    """Jobs that ran more than once; only one result is kept."""
    violations: list[str] = field(default_factory=list)
    """Violations of the invariants."""


@contextmanager
def running(port: int, folder: Path, workers: int = 2, **settings: Any) -> Iterator[httpx.Client]:
    """Start the API and a worker on the server at ``port``; yield a client once both are ready."""
    api_port = free_port()
    words = [
        sys.executable,
        "-m",
        "gunicorn",
        "--config",
        "python:web.server.gunicorn_conf",
        "api:create_app()",
    ]
    api = Process(words, port, folder / "api.log", API_PORT=api_port, **settings)
    worker = Process([sys.executable, "worker.py"], port, folder / "worker.log", WORKERS=workers, **settings)
    client = httpx.Client(base_url=f"http://127.0.0.1:{api_port}", timeout=60, trust_env=False)
    try:
        eventually(lambda: _has_workers(client, workers), seconds=60)
        yield client
        worker.stop()
        api.stop()
    finally:
        client.close()
        for process in (api, worker):
            if process.process.poll() is None:
                process.process.kill()
                process.process.wait(20)


def _has_workers(client: httpx.Client, count: int) -> bool:
    try:
        answer = client.get("/workers")
    except httpx.TransportError:
        return False
    return answer.status_code == 200 and len(answer.json()["workers"]) == count


def find_figures(load: Load, port: int) -> Figures:
    """Wait until all jobs have ended, and count."""
    records = redis.Redis(port=port)
    figures = Figures(len(load.outages), len(load.accepted), violations=load.refused)
    eventually(lambda: _is_at_rest(load.api), seconds=_REST_SECONDS, every=0.2)
    for jid, accepted in load.accepted.items():
        status, attempt, charged = records.hmget(f"job.{jid}", "status", "attempt", "failed_attempts")
        if status is None:
            figures.lost += 1
            killed = min((outage for outage in load.outages if outage > accepted - _ANSWER_SECONDS), default=accepted)
            figures.oldest_lost = max(figures.oldest_lost, killed - accepted)
        figures.unfinished += status not in (None, b"complete")
        figures.charged += int(charged or 0)
        figures.again += int(attempt or 0) > 1
    queue = redis.Redis(port=port, db=1)
    figures.violations += [str(violation) for violation in find_violations(records, queue)]
    records.close()
    queue.close()
    return figures


def _is_at_rest(api: httpx.Client) -> bool:
    answer = api.get("/stats")
    if answer.status_code != 200:
        return False
    counts = answer.json()["jobs"]
    return not any(counts[status] for status in ("scheduled", "submitted", "in progress"))
