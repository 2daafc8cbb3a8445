"""Which clock the supervisor uses: for workers that are lost, and for timeouts."""

from __future__ import annotations

import pytest

import jobs
from config.settings import Settings
from jobstore import Heartbeat, Run
from runtime import Supervisor, tick_seconds
from runtime.child_process import ChildProcess

SETTINGS = Settings()
LEASE = SETTINGS.lease_seconds
TICK_SECONDS = tick_seconds(SETTINGS)


class World:
    """A supervisor without children, its clock and that of Redis, and another worker whose lease seems to be over."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.clock = 100.0, 1_800_000_000.0
        self.stall = 0.0
        self.expired: list[str] = []
        self.dismissed: list[str] = []
        monkeypatch.setattr(jobs, "heartbeat", self._heartbeat)
        monkeypatch.setattr(jobs, "deregister_worker", lambda other, *_, **__: self.dismissed.append(other))
        self.supervisor = Supervisor(SETTINGS, "worker.py", clock=lambda: self.now)
        self.supervisor.draining = True  # it starts no children

    def _heartbeat(self, workers: list[str], held_up: list[str]) -> Heartbeat:
        self.pass_time(self.stall)
        return Heartbeat(self.clock, self.expired, [], False)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.clock += seconds

    def tick_for(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK_SECONDS)):
            self.supervisor.tick(self.now)
            self.pass_time(TICK_SECONDS)


@pytest.fixture
def world(monkeypatch):
    """A world in which the supervisor has been well for two leases."""
    world = World(monkeypatch)
    world.tick_for(2 * LEASE)
    return world


def test_a_worker_whose_lease_is_over_is_released_at_the_next_tick(world):
    world.expired = ["other"]

    world.tick_for(TICK_SECONDS)

    assert world.dismissed == ["other"]


@pytest.mark.parametrize("jump", [3600, -3600, LEASE])
def test_when_the_clock_of_redis_jumps_nobody_is_lost_before_a_whole_lease(world, jump):
    world.clock += jump
    world.expired = ["other"]

    world.tick_for(LEASE)
    assert world.dismissed == []

    world.tick_for(2 * TICK_SECONDS)
    assert set(world.dismissed) == {"other"}


def test_a_stall_within_a_tick_is_a_gap_too(world):
    world.stall, world.expired = LEASE, ["other"]
    world.tick_for(TICK_SECONDS)
    world.stall = 0.0

    world.tick_for(LEASE - TICK_SECONDS)

    assert world.dismissed == []


def test_a_run_is_over_its_time_by_the_clock_of_this_host():
    child = ChildProcess.__new__(ChildProcess)
    child._timed = None

    # What Redis says first counts, whatever its clock does later.
    assert not child.is_timed_out(Run("job", "1"), 10.0, now=100.0)
    assert not child.is_timed_out(Run("job", "1"), -3590.0, now=101.0)
    assert child.is_timed_out(Run("job", "1"), 3590.0, now=111.0)
    assert not child.is_timed_out(Run("job", "2"), 10.0, now=111.0)
