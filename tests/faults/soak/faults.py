"""The random faults of a soak."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import redis

import jobs
from tests.conftest import LEASE_SECONDS, Process, Server

__all__ = ["Faults"]


class Faults:
    """Injects faults; ``dealt`` counts them by name."""

    def __init__(
        self, dice: random.Random, server: Server, gunicorn: Process, start_worker: Callable[[], Process]
    ) -> None:
        self.dealt: Counter[str] = Counter()
        self._dice = dice
        self._server = server
        self._gunicorn = gunicorn
        self._start_worker = start_worker
        self._workers = [start_worker(), start_worker()]

    def deal(self) -> None:
        """Inject one fault, and restart what it ended."""
        fault = self._dice.choice(
            [
                self._kill_child,
                self._kill_child,
                self._kill_worker,
                self._stop_worker,
                self._restart_redis,
                self._kill_api,
                self._cut_connections,
                self._drain_worker,
            ]
        )
        self.dealt[fault.__name__.strip("_").replace("_", " ")] += 1
        fault()

    def _kill_child(self) -> None:
        children = [pid for worker in self._workers for pid in _children(worker.process.pid)]
        if children:
            _signal(self._dice.choice(children), signal.SIGKILL)

    def _kill_worker(self) -> None:
        worker = self._dice.choice(self._workers)
        _signal(worker.process.pid, signal.SIGKILL)
        worker.process.wait(20)
        self._replace(worker)

    def _drain_worker(self) -> None:
        worker = self._dice.choice(self._workers)
        _signal(worker.process.pid, signal.SIGTERM)
        self._replace(worker)

    def _stop_worker(self) -> None:
        parent = self._dice.choice(self._workers).process.pid
        whole = [parent, *_children(parent)]
        for pid in whole:
            _signal(pid, signal.SIGSTOP)
        time.sleep(LEASE_SECONDS * self._dice.uniform(0.5, 2.5))
        for pid in whole:
            _signal(pid, signal.SIGCONT)

    def _restart_redis(self) -> None:
        self._server.stop(self._dice.choice([signal.SIGTERM, signal.SIGKILL]))
        time.sleep(self._dice.uniform(0, LEASE_SECONDS + 2))
        self._server.start()

    def _kill_api(self) -> None:
        for pid in _children(self._gunicorn.process.pid):
            _signal(pid, signal.SIGKILL)

    def _cut_connections(self) -> None:
        with suppress(jobs.RedisError):
            redis.Redis(port=self._server.port).execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def _replace(self, worker: Process) -> None:
        self._workers[self._workers.index(worker)] = self._start_worker()


def _children(pid: int) -> list[int]:
    with suppress(FileNotFoundError, ProcessLookupError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
