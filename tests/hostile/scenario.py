"""Definition and execution of scenarios, with the measurements taken during each."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.conftest import ROOT
from tests.hostile.service import Service

__all__ = ["HEALTH_P99_SECONDS", "SCENARIOS", "Scenario", "Verdict", "play", "scenario"]

HEALTH_MAX_SECONDS = 1.0
HEALTH_P99_SECONDS = 0.25
"""On an idle machine with more cores it is 0.1; here the load, Redis and the API share two cores."""

_SAMPLE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Scenario:
    """An attack: its line in the list of attacks, and a function that raises AssertionError.

    If ``keeps`` is true, it starts with the data of the previous scenario.
    """

    line: int
    title: str
    run: Callable[[Service], None]
    keeps: bool


SCENARIOS: list[Scenario] = []


def scenario(line: int, title: str, *, keeps: bool = False) -> Callable[[Callable[[Service], None]], None]:
    """Register a function as a scenario; with ``keeps``, it starts with the data of the previous one."""

    def register(run: Callable[[Service], None]) -> None:
        SCENARIOS.append(Scenario(line, title, run, keeps))

    return register


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a scenario; memory in bytes, health in seconds."""

    line: int
    title: str
    seconds: float
    peak: int
    private: int
    kills: int
    same_process: bool
    statuses: dict[int, int]
    health: list[float]
    complaints: list[str]


def play(each: Scenario, service: Service) -> Verdict:
    """Play a scenario against an empty, idle service."""
    service.revive()
    if not each.keeps:
        service.empty()
    service.client.seen.clear()
    before, kills = service.api_pids(), service.limit.kills()
    complaints = []
    begun = time.monotonic()
    with _probed(service) as health, _sampled(service) as peaks:
        try:
            each.run(service)
        except (AssertionError, OSError) as error:
            complaints.append(str(error) or type(error).__name__)
    verdict = Verdict(
        line=each.line,
        title=each.title,
        seconds=time.monotonic() - begun,
        peak=peaks[0],
        private=peaks[1],
        kills=service.limit.kills() - kills,
        same_process=bool(before) and service.api_pids() == before,
        statuses=dict(sorted(service.client.seen.items())),
        health=sorted(health.seconds) or [0.0],
        complaints=complaints,
    )
    complaints += _check(verdict, health.failures)
    return verdict


def _check(verdict: Verdict, failures: list[str]) -> list[str]:
    found = []
    if verdict.kills:
        found.append(f"the kernel killed {verdict.kills} processes for memory")
    if not verdict.same_process:
        found.append("the API is another process than before")
    if unexpected := sorted(status for status in verdict.statuses if status >= 500 and status not in (501, 503, 507)):
        found.append(f"answered {unexpected}")
    if failures:
        found.append(f"/health failed {len(failures)} times: {failures[0]}")
    if verdict.health[-1] > HEALTH_MAX_SECONDS:
        found.append(f"/health took {verdict.health[-1]:.2f} s")
    if (p99 := verdict.health[int(len(verdict.health) * 0.99)]) > HEALTH_P99_SECONDS:
        found.append(f"/health took {p99:.2f} s in the 99th percentile")
    return found


class _Health:
    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.failures: list[str] = []


@contextmanager
def _probed(service: Service) -> Iterator[_Health]:
    """Request /health continuously; the results are available at the end."""
    health = _Health()
    words = [sys.executable, "-m", "tests.hostile.probe", str(service.client.port)]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        time.sleep(0.2)
        try:
            yield health
        finally:
            told = json.loads(process.communicate(timeout=60)[0])
            health.seconds, health.failures = told["seconds"], told["failures"]


@contextmanager
def _sampled(service: Service) -> Iterator[list[int]]:
    """Yield the peaks of memory in use and of memory without files, from samples and from the kernel."""
    limit, peaks, over = service.limit, [0, 0], threading.Event()

    def sample() -> None:
        used, private = limit.used(), limit.private()
        resident = service.resident() if used is None or private is None else 0
        peaks[0] = max(peaks[0], resident if used is None else used)
        peaks[1] = max(peaks[1], resident if private is None else private)

    def keep_sampling() -> None:
        while not over.wait(_SAMPLE_SECONDS):
            sample()

    limit.reset_peak()
    thread = threading.Thread(target=keep_sampling)
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()
        sample()
        peaks[0] = max(peaks[0], limit.peak())
