"""Runners that run trials in parallel, and the selection of trials."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from tests.conftest import ROOT, Server
from tests.faults.trials.harness import LEASE_SECONDS
from tests.faults.trials.kinds import KINDS
from tests.faults.trials.runner import REAL

__all__ = ["Runners", "Trial", "number_of", "open_runners", "schedule"]

_REAL_KINDS = (
    "child-works",
    "child-raises",
    "parent-works",
    "parent-reaps",
    "worker-dies",
    "child-stalls",
    "worker-stalls",
)
_REAL_SHARE = 80
"""One in so many trials uses fresh processes, which start slowly."""

Trial = tuple[str, int, int]
"""Kind, point and seed."""


class Runners:
    """Several processes that run trials in parallel, each on two databases of one server."""

    def __init__(self, folder: Path, port: int, runners: int) -> None:
        self._idle: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
        self._all: list[subprocess.Popen[str]] = []
        for n in range(runners):
            here = folder / f"runner{n}"
            here.mkdir()
            environ = {
                "REDIS_IP": "127.0.0.1",
                "REDIS_PORT": str(port),
                "REDIS_DB": str(2 * n),
                "QUEUE_DB": str(2 * n + 1),
            }
            environ |= {"LEASE_SECONDS": str(LEASE_SECONDS)}
            runner = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.trials.runner", str(here)],
                cwd=ROOT,
                env={**os.environ, **environ},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            self._all.append(runner)
            self._idle.put(runner)

    def play(self, trial: Trial) -> dict[str, Any]:
        """Run one trial in an idle runner and return the verdict."""
        runner = self._idle.get()
        try:
            runner.stdin.write(" ".join(map(str, trial)) + "\n")
            runner.stdin.flush()
            line = runner.stdout.readline()
        finally:
            self._idle.put(runner)
        if not line:
            raise RuntimeError(f"The runner that played {number_of(trial)} ended with {runner.wait()}.")
        return dict(json.loads(line))

    def play_all(self, trials: Sequence[Trial]) -> Iterator[dict[str, Any]]:
        """Yield the verdicts in the order of the trials."""
        with ThreadPoolExecutor(len(self._all)) as pool:
            yield from pool.map(self.play, trials)

    def close(self) -> None:
        """Stop the runners."""
        for runner in self._all:
            runner.stdin.close()
            runner.wait(60)
            runner.stdout.close()


@contextmanager
def open_runners(runners: int) -> Iterator[Runners]:
    """Start runners with their own server."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), "--databases", str(2 * runners))
        opened = Runners(Path(folder), server.port, runners)
        try:
            yield opened
        finally:
            opened.close()
            server.stop()


def schedule(runners: Runners, trials: int, seed: int, only: str | None = None) -> list[Trial]:
    """Return ``trials`` trials of all kinds or of one, the points of each kind spread evenly over its steps."""
    counts = {only: trials} if only else _count_kinds(trials)
    rehearsed = runners.play_all([(name, 0, seed) for name in counts])
    dice, found = random.Random(seed), []
    for verdict, (name, count) in zip(rehearsed, counts.items(), strict=True):
        if verdict["complaints"]:
            raise SystemExit(f"{number_of((name, 0, seed))} goes wrong without a fault: {verdict['complaints']}")
        steps, first = verdict["steps"] or 1, dice.random()
        found += [(name, 1 + int((n + first) * steps / count) % steps, seed + n) for n in range(count)]
    dice.shuffle(found)
    return found


def _count_kinds(trials: int) -> dict[str, int]:
    real = max(1, trials // _REAL_SHARE // len(_REAL_KINDS))
    forked = trials - real * len(_REAL_KINDS)
    whole = sum(kind.share for kind in KINDS.values())
    counts = {name: max(1, round(kind.share / whole * forked)) for name, kind in KINDS.items()}
    counts |= {REAL + name: real for name in _REAL_KINDS}
    counts["child-works"] = max(1, counts["child-works"] + trials - sum(counts.values()))
    return counts


def number_of(trial: Trial) -> str:
    """Return the trial's number, as ``--only`` takes it."""
    return ":".join(map(str, trial))
