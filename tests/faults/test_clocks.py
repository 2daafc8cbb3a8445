"""Clocks of hosts differ by hours, and the clock of Redis jumps: no lease, time-out or retention is affected."""

from __future__ import annotations

import importlib.util
import os
import platform
import signal
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

import jobs
from ops.invariants import find_violations
from tests.conftest import LEASE_SECONDS, Server, eventually

HOUR = 3600
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        sys.platform != "linux" or platform.machine() != "x86_64", reason="libfaketime supports only Linux on x86-64"
    ),
]


def _clock(**setting: str) -> dict[str, str]:
    """Return the environment of a process with its own clock; monotonic time is unchanged."""
    package = Path(importlib.util.find_spec("libfaketime").origin).parent
    library = package / "vendor/libfaketime/src/libfaketime.so.1"
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_NO_CACHE": "1",
        **setting,
    }


class ClockedServer(Server):
    """A server whose clock can be set."""

    def __init__(self, folder: Path) -> None:
        self._offset = folder / "offset"
        self.environ = {**os.environ, **_clock(FAKETIME_TIMESTAMP_FILE=str(self._offset))}
        self.set_ahead(0)
        super().__init__(folder)

    def set_ahead(self, seconds: int) -> None:
        """Set the server's clock so many seconds ahead of this host's."""
        written = self._offset.with_suffix(".new")
        written.write_text(f"{seconds:+d}")
        written.rename(self._offset)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClockedServer]:
    running = ClockedServer(tmp_path_factory.mktemp("redis"))
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def sound(live: ClockedServer) -> Iterator[None]:
    """Check all invariants at the end of each test."""
    live.set_ahead(0)
    yield
    assert find_violations(jobs.rd, jobs.q._client) == []


def _ahead_by_now() -> float:
    seconds, microseconds = jobs.rd.time()
    return seconds + microseconds / 1e6 - time.time()


def _sleep(seconds: float, **options) -> str:
    return jobs.add_job(None, None, "sleep", params={"seconds": seconds}, **options)["id"]


def _has_status(jid: str, status: str):
    return lambda: jobs.get_job_by_id(jid)["status"] == status


def _charged(jid: str) -> int:
    return int(jobs.rd.hget(f"job.{jid}", "failed_attempts") or 0)


def test_hosts_whose_clocks_are_hours_apart(start_worker, start_api):
    hosts = [start_worker(1, RETENTION_SECONDS=4, **_clock(FAKETIME=f"{ahead:+d}")) for ahead in (HOUR, -HOUR)]
    api = start_api(**_clock(FAKETIME=f"{24 * HOUR:+d}"))
    asked = {"start": None, "end": None, "analysis": "sleep"}

    late = api.post("/jobs", json={**asked, "params": {"seconds": 60}, "timeout": 1, "max_attempts": 1}).json()["id"]
    long = api.post("/jobs", json={**asked, "params": {"seconds": LEASE_SECONDS + 2}}).json()["id"]
    delayed = api.post("/jobs", json={**asked, "params": {"seconds": 0}, "delay": 2}).json()

    # Times are those of Redis: a job with a delay of 2 s runs neither at once nor in hours.
    assert delayed["status"] == "scheduled"
    eventually(_has_status(late, "failed"), seconds=5)
    eventually(_has_status(delayed["id"], "complete"), seconds=8)
    due = jobs.get_job_by_id(delayed["id"])
    assert _seconds(due["ended"]) - _seconds(due["created"]) >= 2
    assert abs(_seconds(due["created"]) - time.time()) < 60
    eventually(_has_status(long, "complete"), seconds=LEASE_SECONDS + 6)
    assert (jobs.get_job_by_id(long)["attempt"], _charged(long)) == (1, 0)
    # A job that has just ended is kept for its retention.
    assert api.get(f"/jobs/{long}/results").status_code == 200
    eventually(lambda: api.get(f"/jobs/{long}").status_code == 404, seconds=10)

    lost = _sleep(LEASE_SECONDS)
    eventually(_has_status(lost, "in progress"))
    held_by = next(worker["pid"] for worker in jobs.get_workers() if worker["job"] == lost)
    next(host for host in hosts if host.process.pid == _parent_of(held_by)).stop(signal.SIGKILL)
    eventually(lambda: jobs.get_job_by_id(lost)["attempt"] == 2, seconds=LEASE_SECONDS + 5)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_jump_of_the_clock_of_redis_expires_no_lease_and_no_timeout(start_worker, live: ClockedServer):
    for _ in range(2):
        start_worker(2)
    long = [_sleep(3 * LEASE_SECONDS + 2, max_attempts=1, timeout=HOUR / 2) for _ in range(2)]
    eventually(lambda: all(jobs.get_job_by_id(jid)["status"] == "in progress" for jid in long))
    time.sleep(LEASE_SECONDS + 1)  # until supervisors may release the jobs of others

    for ahead in (HOUR, 0):
        short = _sleep(60, max_attempts=1, timeout=2)
        eventually(_has_status(short, "in progress"))
        time.sleep(0.6)  # until its supervisor has noticed
        live.set_ahead(ahead)
        eventually(lambda ahead=ahead: abs(_ahead_by_now() - ahead) < 60)
        assert _has_status(short, "in progress")()
        eventually(_has_status(short, "failed"), seconds=6)
        assert jobs.get_job_by_id(short)["error"]["reason"] == "timeout"

    for jid in long:
        eventually(_has_status(jid, "complete"))
        assert (jobs.get_job_by_id(jid)["attempt"], _charged(jid)) == (1, 0)


def test_after_a_failover_to_a_clock_an_hour_behind_the_dead_are_released_all_the_same(
    start_worker, live: ClockedServer
):
    doomed = start_worker(1)
    jid = _sleep(LEASE_SECONDS)
    eventually(_has_status(jid, "in progress"))
    start_worker(1)

    doomed.stop(signal.SIGKILL)
    live.stop()
    live.set_ahead(-HOUR)
    live.start()

    eventually(lambda: jobs.get_job_by_id(jid)["attempt"] == 2, seconds=2 * LEASE_SECONDS + 5)
    eventually(_has_status(jid, "complete"))
    assert _charged(jid) == 1
