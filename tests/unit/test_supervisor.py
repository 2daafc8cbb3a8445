"""What the supervisor does to its children, with a clock of the test and children that run nothing."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

import jobs
import jobstore
from config.events import Event
from config.settings import Settings
from jobs import ReleaseReason, Run
from jobstore import HeldUp
from runtime import Supervisor, supervisor, tick_seconds
from runtime.analysis_files import AnalysisFiles
from runtime.child_process import ChildProcess
from runtime.memory_files import shared_bytes
from runtime.meters import Meters
from runtime.shared_results import SHARED_BYTES, SharedResults
from runtime.shared_status import NO_RUN

TICK = tick_seconds(Settings())


class Child:
    """A child process that runs nothing; the rules that are those of ``ChildProcess`` are taken from it."""

    numbers = count(1)

    def __init__(self, script: str, memory: int, environ: dict[str, str], on_hold_up: Callable[[], object]) -> None:
        self.number = next(self.numbers)
        self.worker = f"worker-{self.number}"
        self.process = SimpleNamespace(pid=2**22 + self.number, returncode=None)
        self.registered = False
        self.reason, self.error = ReleaseReason.KILLED, None
        self.only_run: Run | None = None
        self.last_output: tuple[Run, str] | None = None
        self.unmatched_run: Run | None = None
        self.unmatched_since = 0.0
        self.kill_at, self.stopping = 0.0, None
        self.running, self.run = False, NO_RUN
        self.holds_up = False
        self.lost: list[Run] = []
        self.status = SimpleNamespace(
            read=lambda: (self.running, self.run), mark_lost=lambda: self.lost.append(self.run)
        )
        self.corrupted = False
        self.sent: list[tuple[str, ...]] = []
        self.kills: list[ReleaseReason] = []
        self._timed, self._deadline = None, 0.0
        with shared_bytes(SHARED_BYTES) as shared:
            self.meters, self.results = Meters(shared.fileno()), SharedResults(shared.fileno())

    is_timed_out = ChildProcess.is_timed_out
    outcome = ChildProcess.outcome
    stop = ChildProcess.stop

    def holds_up_reserved(self) -> bool:
        return self.holds_up

    def send(self, *words: str) -> None:
        self.sent.append(words)

    def kill(self, reason: ReleaseReason, error: Any = None, only_run: Run | None = None) -> None:
        self.kills.append(reason)
        self.reason, self.error, self.only_run = reason, error, only_run
        self.exit(-signal.SIGKILL)

    def exit(self, status: int) -> None:
        self.process.returncode = status

    def has_exited(self) -> bool:
        return self.process.returncode is not None

    def failed_to_start(self) -> bool:
        return self.process.returncode == 1

    def has_corrupted_status(self) -> bool:
        return self.corrupted


class World:
    """A supervisor of two children on fakeredis, and its clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        self.now = 100.0
        monkeypatch.setattr(supervisor, "ChildProcess", Child)
        monkeypatch.setattr(supervisor, "end_orphans", lambda own: False)
        settings = {"workers": 2, "standby_children": 0, **settings}
        self.supervisor = Supervisor(replace(Settings(), **settings), "worker.py", clock=lambda: self.now)

    @property
    def children(self) -> list[Any]:
        return list(self.supervisor.children)

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.supervisor.tick(self.now)
            self.now += TICK

    def claim(self, child: Any, running: bool = True, **options: Any) -> Run:
        """Let a child claim a job, and publish that it runs it."""
        job = jobs.add_job(None, None, "sleep", **options)
        jobs.q.set_worker_id(child.worker)
        claimed = jobs.q.get()
        assert claimed is not None
        run = Run(claimed.id, claimed.attempt)
        assert run.job_id == job["id"]
        if running:
            child.running, child.run = True, run
        return run


@pytest.fixture
def world(monkeypatch, rd):
    """A world after its first tick."""
    jobs.q.draining = False
    world = World(monkeypatch)
    world.tick()
    return world


def status(run: Run) -> str:
    return jobs.get_job_by_id(run.job_id)["status"]


def test_children_are_started_registered_and_then_let_go(world):
    assert [child.sent for child in world.children] == [[("go",)], [("go",)]]
    assert {each["id"] for each in jobs.get_workers()} == {child.worker for child in world.children}


@pytest.fixture
def heartbeats(monkeypatch) -> list[list[str]]:
    """The workers of each heartbeat that is sent."""
    sent: list[list[str]] = []
    send = jobs.heartbeat

    def note(workers: list[str], held_up: list[HeldUp]) -> jobstore.Heartbeat:
        sent.append(workers)
        return send(workers, held_up)

    monkeypatch.setattr(jobs, "heartbeat", note)
    return sent


def test_idle_children_cost_a_heartbeat_every_other_tick(world, heartbeats):
    world.tick(10)

    assert len(heartbeats) == 5


@pytest.fixture
def other_housekeeper(world) -> Callable[[], object]:
    """The heartbeat of another supervisor, which keeps house, among many that only hold their leases."""
    for worker in ["other", *(f"more-{n}" for n in range(40))]:
        jobs.register_worker(worker, "host", 1)
    jobs.q._client.delete("hotqueue:queue.housekeeper")
    send = jobs.heartbeat

    def beat() -> None:
        send(["other"])
        jobs.q._client.persist("hotqueue:queue.housekeeper")  # however long this test takes

    beat()
    return beat


def test_idle_children_cost_three_heartbeats_a_lease_while_another_supervisor_keeps_house(
    world, other_housekeeper, heartbeats
):
    lease = Settings().lease_seconds
    world.tick(2)
    heartbeats.clear()

    for _ in range(round(lease / TICK)):
        world.tick()

    assert len(heartbeats) == 3


def test_a_supervisor_that_does_not_keep_house_sends_a_heartbeat_as_soon_as_a_job_runs(
    world, other_housekeeper, heartbeats
):
    world.tick(4)
    heartbeats.clear()

    world.claim(world.children[0])
    world.tick(10)

    assert len(heartbeats) == 10


def test_among_thousands_of_workers_a_running_job_costs_as_few_heartbeats(world, other_housekeeper, heartbeats):
    # Given so many that their heartbeats at each tick would be too much for Redis
    other_housekeeper()
    later = (time.time() + 1000) * 1e6
    jobs.q._client.zadd("workers", {f"yet-more-{n}": later for n in range(10_000)})
    world.claim(world.children[0])
    world.tick(2)
    heartbeats.clear()

    for _ in range(round(Settings().lease_seconds / TICK)):
        world.tick()

    # then a lease has three heartbeats
    assert len(heartbeats) == 3


def test_among_thousands_of_workers_a_cancelled_job_is_stopped_within_two_seconds(world, other_housekeeper):
    # Given a supervisor whose next heartbeat is seconds away
    other_housekeeper()
    later = (time.time() + 1000) * 1e6
    jobs.q._client.zadd("workers", {f"yet-more-{n}": later for n in range(10_000)})
    run = world.claim(world.children[0])
    world.tick(4)

    # When the job is cancelled
    jobs.cancel_job(run.job_id)
    world.tick(round(2 / TICK))

    # Then its child has the order
    assert ("stop", *run, "cancelled") in world.children[0].sent


def test_every_tick_is_a_heartbeat_while_a_job_runs(world, heartbeats):
    # Given a job that was claimed after a heartbeat, as its child publishes
    world.tick()
    heartbeats.clear()
    world.claim(world.children[0])

    world.tick(10)

    assert len(heartbeats) == 10


def test_every_tick_is_a_heartbeat_until_a_scheduled_job_is_due(world, heartbeats):
    jobs.add_job(None, None, "sleep", delay=0.9)
    world.tick(2)
    heartbeats.clear()

    world.tick(10)

    assert len(heartbeats) == 10


def test_a_short_lease_is_renewed_at_each_tick(monkeypatch, rd, heartbeats):
    jobs.q.draining = False
    world = World(monkeypatch, lease_seconds=5.0)

    world.tick(10)

    assert len(heartbeats) == 10


def test_a_changed_analysis_replaces_the_children_after_their_jobs(monkeypatch, rd, caplog):
    # Given children, of which one runs a job, and one that stands by
    caplog.set_level(logging.INFO)
    changed = False
    monkeypatch.setattr(AnalysisFiles, "have_changed", lambda files: changed)
    world = World(monkeypatch, reload=True, standby_children=1)
    world.tick()
    world.now += supervisor.STANDBY_AFTER_SECONDS
    world.tick()
    running, idle = world.children
    standby: Any = world.supervisor.standby[0]
    run = world.claim(running)

    # When a file has changed
    changed = True
    world.tick()
    changed = False

    # Then each drains, and the one that stands by is replaced
    assert running.sent == idle.sent == [("go",), ("drain",)]
    assert standby.kills == [ReleaseReason.DRAIN]
    assert Event.ANALYSES_RELOADED in [record.message for record in caplog.records]

    # And the running job is not disturbed
    idle.exit(0)
    world.tick(2)
    assert status(run) == "in progress"
    assert running in world.children
    assert idle not in world.children
    assert len(world.children) == 2
    assert world.children[1].sent == [("go",)]


@pytest.mark.parametrize("reload", [True, False])
def test_a_changed_analysis_replaces_none_in_a_drain_or_without_reload(monkeypatch, rd, reload):
    monkeypatch.setattr(AnalysisFiles, "have_changed", lambda files: pytest.fail("it looked at the files"))
    world = World(monkeypatch, reload=reload)
    if reload:
        world.supervisor.request_stop(signal.SIGTERM)
    world.tick(2)


def test_a_dead_child_is_replaced_and_its_job_released_at_the_next_tick(world, caplog):
    caplog.set_level(logging.INFO)
    dead, other = world.children
    run = world.claim(dead)
    dead.exit(-11)
    world.tick()

    assert status(run) == "submitted"
    assert other in world.children
    assert len(world.children) == 2
    assert {each["id"] for each in jobs.get_workers()} == {child.worker for child in world.children}
    lines = [(record.message, record.reason) for record in caplog.records if hasattr(record, "reason")]
    assert lines == [("child exited (signal 11)", "killed"), (Event.JOB_RELEASED, "killed")]


def test_a_child_that_fails_to_start_is_started_again_later_each_time(world):
    pauses = []
    for _ in range(9):
        for child in world.children:
            child.exit(1)
        world.supervisor.tick(world.now)
        begin = world.now
        while not world.children:
            world.now += 0.05
            world.supervisor.tick(world.now)
        pauses.append(round(world.now - begin, 1))
    assert pauses == sorted(pauses)
    assert pauses[0] < 1
    assert pauses[-1] == pytest.approx(10, abs=0.1)


def test_a_system_that_refuses_processes_is_asked_again(monkeypatch, rd, caplog):
    def refuse(*_: Any) -> None:
        raise BlockingIOError("too many")

    world = World(monkeypatch)
    monkeypatch.setattr(supervisor, "ChildProcess", refuse)
    world.tick()
    assert world.children == []
    assert [record.message for record in caplog.records] == [Event.CANNOT_SPAWN]

    monkeypatch.setattr(supervisor, "ChildProcess", Child)
    world.tick()
    assert len(world.children) == 2


def test_a_standby_child_takes_the_place_of_a_dead_one_at_once(monkeypatch, rd):
    world = World(monkeypatch, standby_children=1)
    world.tick()
    assert world.supervisor.standby == []  # until the needed ones have started
    world.now += supervisor.STANDBY_AFTER_SECONDS
    world.tick()
    standby: Any
    (standby,) = world.supervisor.standby

    world.children[0].exit(-9)
    world.tick()
    assert standby in world.children
    assert standby.sent == [("go",)]


def test_a_cancelled_run_is_stopped_and_killed_a_second_later(world):
    child, _ = world.children
    run = world.claim(child)
    jobs.cancel_job(run.job_id)
    world.tick()
    assert child.sent[-1] == ("stop", *run, "cancelled")
    assert child.kills == []

    world.tick(3)
    assert child.kills == [ReleaseReason.DRAIN]
    assert child not in world.children
    assert status(run) == "cancelled"


def test_a_run_past_its_timeout_is_stopped_and_then_killed_and_charged(world):
    child, _ = world.children
    run = world.claim(child, timeout=2, max_attempts=1)
    world.tick()  # from here on the clock of the supervisor counts
    world.now += 2.5
    world.tick()
    assert child.sent[-1] == ("stop", *run, "timeout")
    world.tick(4)
    assert child.kills == [ReleaseReason.TIMEOUT]
    assert status(run) == "failed"
    assert jobs.get_job_by_id(run.job_id)["error"]["reason"] == "timeout"


def test_a_child_whose_lease_is_gone_is_killed(world):
    child, _ = world.children
    jobs.deregister_worker(child.worker, ReleaseReason.LOST)
    world.tick()
    assert child.kills == [ReleaseReason.DRAIN]


def test_a_job_that_a_child_holds_but_does_not_run_is_released_uncharged(world):
    child, _ = world.children
    run = world.claim(child, running=False, max_attempts=1)
    world.tick()
    assert status(run) == "in progress"
    world.tick()
    assert status(run) == "submitted"
    assert child.kills == []


def test_a_child_whose_status_is_corrupted_is_killed_and_charged(world):
    child, _ = world.children
    run = world.claim(child, running=False, max_attempts=1)
    child.corrupted = True
    world.tick(3)
    assert child.kills == [ReleaseReason.KILLED]
    assert status(run) == "failed"


def test_an_outage_of_redis_ends_no_child(world, monkeypatch, caplog):
    child, other = world.children
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "heartbeat", lambda *_: (_ for _ in ()).throw(jobs.RedisUnavailable[0]("down")))
        child.exit(-9)
        world.tick(3)
    assert other in world.children
    assert f"Redis unavailable, retrying in {TICK} s" in [record.message for record in caplog.records]


def test_what_a_dead_child_held_is_released_when_redis_is_back(world, monkeypatch):
    child, _ = world.children
    run = world.claim(child)
    child.exit(-9)
    with monkeypatch.context() as patch:
        patch.setattr(
            jobs, "deregister_worker", lambda *_, **__: (_ for _ in ()).throw(jobs.RedisUnavailable[0]("down"))
        )
        world.tick(3)
    assert status(run) == "in progress"
    world.tick()
    assert status(run) == "submitted"


def test_a_drain_lets_runs_end_for_a_while_and_then_releases_them_uncharged(world):
    child, idle = world.children
    run = world.claim(child, max_attempts=1)
    world.supervisor.request_stop(signal.SIGTERM)
    world.tick()
    assert child.sent[-1] == idle.sent[-1] == ("drain",)
    idle.exit(0)
    world.tick()
    assert world.children == [child]  # which is not replaced
    assert status(run) == "in progress"

    world.now += Settings().drain_seconds
    world.tick(2)
    assert world.children == []
    assert status(run) == "submitted"
    assert world.supervisor._is_done(world.now)


def test_a_second_signal_ends_runs_at_once_but_a_hangup_after_the_first_does_not(world):
    child, _ = world.children
    run = world.claim(child)
    world.supervisor.request_stop(signal.SIGTERM)
    world.supervisor.request_stop(signal.SIGHUP)
    world.tick()
    assert status(run) == "in progress"
    world.supervisor.request_stop(signal.SIGTERM)
    world.tick(2)
    assert status(run) == "submitted"


def test_a_run_that_holds_up_reserved_jobs_loses_them_and_its_child_learns_it_first(world, monkeypatch):
    child, _ = world.children
    run = world.claim(child)
    child.holds_up = True
    seen: list[list[Run]] = []
    unreserved: list[HeldUp] = []
    heartbeat = jobs.heartbeat

    def note(workers: list[str], held_up: list[HeldUp]) -> jobstore.Heartbeat:
        seen.append(list(child.lost))
        unreserved.extend(held_up)
        return heartbeat(workers, held_up)

    monkeypatch.setattr(jobs, "heartbeat", note)
    world.tick()

    assert (seen, unreserved) == ([[run]], [HeldUp(child.worker, run)])
    assert status(run) == "in progress"
