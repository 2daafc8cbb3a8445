"""Each way in which an attempt can end: what becomes of the job, and what the log says."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

import jobs
import worker
from analyses import InvalidParams
from analyses.framework import registry
from config.events import Event
from config.settings import Settings
from dataset import Busy, VersionNotFound
from jobs import ReleaseReason, Run
from runtime import Stopped
from runtime.executor import Executor
from runtime.output import Output


class Control:
    """The supervisor, which stops the run with this reason as soon as it begins."""

    def __init__(self) -> None:
        self.stop_with = ""
        self.runs: list[Run] = []
        self.running = False

    def begin(self, run: Run) -> None:
        self.runs.append(run)
        self.running = True
        if self.stop_with:
            raise Stopped(self.stop_with)

    def end(self) -> None:
        self.running = False


class Status:
    """The shared status."""

    run: Run | None = None
    ended = 0

    def mark_running(self, run: Run, *, has_reserved: bool) -> None:
        self.run = run

    def mark_idle(self) -> None:
        self.ended += 1


class FakeMeters:
    """The shared meters."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, float]] = []
        self.ended: list[str] = []
        self.redis_errors = 0

    def begin(self, analysis: str, waited: float) -> None:
        self.begun.append((analysis, waited))

    def end(self, outcome: str) -> None:
        self.ended.append(outcome)

    def count_redis_error(self) -> None:
        self.redis_errors += 1


class Tables:
    """The datasets, of which none is there; Redis may be away at first."""

    outages = 0
    leak = False

    def make_room(self, version: str) -> None:
        pass

    def get(self, version: str) -> Any:
        if self.outages:
            self.outages -= 1
            raise jobs.RedisUnavailable[0]("down")
        raise VersionNotFound(version)

    def has_leak(self) -> bool:
        return self.leak


class State:
    """The process, which may be reused and restored."""

    reusable = restored = True

    def can_reuse_process(self) -> bool:
        return self.reusable

    def restore(self) -> bool:
        return self.restored


class World:
    """An executor on fakeredis whose analysis ``fake`` is ``run``, and whose clock ticks a second a look."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run: Callable[[], Any] = lambda: {"answer": 42}
        self.control, self.status, self.tables, self.state = Control(), Status(), Tables(), State()
        self.meters = FakeMeters()
        self.now = 0.0
        self.slept: list[float] = []
        module = SimpleNamespace(run=lambda: self.run(), __doc__="A fake.")
        self.analysis = registry._analysis("fake", module)  # type: ignore[arg-type]
        monkeypatch.setattr("runtime.executor.get_analysis", self._get)
        output = SimpleNamespace(text=lambda: "printed\n", reset=lambda: None)
        reporter = SimpleNamespace(begin=lambda send: None, end=lambda: None, progress=lambda *_: None)
        self.executor = Executor(
            jobs.q,
            Settings(max_result_bytes=1000),
            self.status,  # type: ignore[arg-type]
            self.meters,  # type: ignore[arg-type]
            output,  # type: ignore[arg-type]
            self.control,  # type: ignore[arg-type]
            reporter,  # type: ignore[arg-type]
            self.tables,  # type: ignore[arg-type]
            self.state,  # type: ignore[arg-type]
            self._tick,
            self.slept.append,
        )

    def _get(self, name: str) -> Any:
        return self.analysis if name == "fake" else registry.get_analysis(name)

    def _tick(self) -> float:
        self.now += 1
        return self.now

    def execute(self, analysis: str = "fake", **options: Any) -> jobs.Job:
        """Add a job, execute one attempt, and return the job once its outcome is sent."""
        job = jobs.add_job(None, None, analysis, **options)
        self.attempt(jobs.q.get())
        jobs.q.flush()
        return jobs.get_job_by_id(job["id"])

    def attempt(self, claimed: jobs.ClaimedJob | None) -> None:
        worker.execute_job.__wrapped__(self.executor, claimed)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, worker: str) -> World:
    """An executor of a registered worker."""
    jobs.q.draining = False
    return World(monkeypatch)


@pytest.fixture
def events(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The events that were logged."""
    caplog.set_level(logging.INFO)
    return lambda: [record.message for record in caplog.records]


def raises(error: BaseException) -> Callable[[], Any]:
    def run() -> Any:
        raise error

    return run


def test_an_attempt_that_completes_has_results_and_its_output(world, events, caplog):
    job = world.execute()

    assert (job["status"], job["attempt"]) == ("complete", 1)
    assert jobs.get_results(job["id"])["result"] == {"answer": 42}
    assert jobs.get_log(job["id"]) == "--- attempt 1 ---\nprinted\n"
    assert world.status.run == (job["id"], "1")
    assert world.status.ended == 1
    assert not jobs.q.draining
    # and it is counted, after its time in the queue
    assert [analysis for analysis, _ in world.meters.begun] == ["fake"]
    assert 0 < world.meters.begun[0][1] < 60
    assert world.meters.ended == ["complete"]
    # and its life is logged
    assert events() == [Event.JOB_STARTED, Event.JOB_COMPLETED]
    last = caplog.records[-1]
    assert (last.job, last.analysis, last.attempt, last.worker) == (job["id"], "fake", "1", jobs.q.worker_id)
    assert last.seconds == 1


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt("no")])
def test_an_attempt_that_raises_is_retried_while_attempts_are_left(world, events, error):
    world.run = raises(error)

    job = world.execute(max_attempts=2)
    assert (job["status"], job["error"]["reason"]) == ("scheduled", "error")
    assert job["error"]["type"] == type(error).__name__
    assert events() == [Event.JOB_STARTED, Event.ANALYSIS_RAISED, Event.JOB_FAILED]
    assert not world.control.running

    assert world.execute(max_attempts=1)["status"] == "failed"


def test_parameters_that_the_analysis_rejects_fail_at_once(world, events):
    world.run = raises(InvalidParams([]))

    job = world.execute(max_attempts=3)

    assert (job["status"], job["error"]["reason"]) == ("failed", "invalid")
    assert events() == [Event.JOB_STARTED, Event.JOB_FAILED]


def test_a_job_goes_back_uncharged_to_a_process_that_has_loaded_changed_files(world, events, caplog, monkeypatch):
    world.executor.settings = replace(world.executor.settings, reload=True)
    monkeypatch.setattr("runtime.executor.has_changed", lambda: True)

    job = world.execute(max_attempts=1)

    assert job["status"] == "submitted"
    assert world.control.runs == []
    assert jobs.q.draining
    assert events() == [Event.JOB_STARTED, Event.JOB_RELEASED]
    assert caplog.records[-1].reason == "drain"


def test_a_broken_analysis_waits_for_a_worker_that_can_load_it(world, drop_in, caplog):
    drop_in("broken", "def run(:\n")

    job = world.execute("broken", max_attempts=1)

    assert (job["status"], job["error"]["type"]) == ("scheduled", "BrokenAnalysis")


def test_an_unknown_analysis_waits_for_a_worker_that_has_it(world, events, caplog):
    job = world.execute("of-tomorrow", max_attempts=1)

    assert (job["status"], job["error"]["type"]) == ("scheduled", "UnknownAnalysis")
    assert events()[-1] == Event.JOB_FAILED
    assert caplog.records[-1].reason == "unknown"
    assert world.control.runs == []


def test_unknown_parameters_wait_for_a_worker_that_knows_them(world):
    job = world.execute(params={"of": "tomorrow"}, max_attempts=1)

    assert (job["status"], job["error"]["type"]) == ("scheduled", "InvalidParams")


def test_a_dataset_that_is_gone_fails_the_job_at_once(world):
    job = jobs.add_job(None, None, "fake")
    claimed = jobs.q.get()
    world.attempt(claimed._replace(dataset="gone"))
    jobs.q.flush()

    job = jobs.get_job_by_id(job["id"])
    assert (job["status"], job["error"]["type"], job["error"]["reason"]) == ("failed", "VersionNotFound", "invalid")


@pytest.mark.parametrize("when", ["before", "while"])
def test_a_storage_that_does_not_answer_charges_no_attempt(world, when):
    away = raises(Busy("The storage of datasets does not answer."))
    if when == "before":
        world.tables.get = lambda version: away()
    else:
        world.run = away
    job = jobs.add_job(None, None, "fake", max_attempts=1)
    claimed = jobs.q.get()
    world.attempt(claimed._replace(dataset="stored") if when == "before" else claimed)
    jobs.q.flush()

    job = jobs.get_job_by_id(job["id"])
    assert (job["status"], job["error"]["type"]) == ("scheduled", "Busy")


def test_a_dataset_is_read_again_until_redis_is_back(world, events):
    world.tables.outages = 2
    jobs.add_job(None, None, "fake")

    world.attempt(jobs.q.get()._replace(dataset="gone"))

    assert world.slept == [0.5, 0.5]
    assert events()[:3] == [Event.JOB_STARTED, *["Redis unavailable, retrying in 0.5 s"] * 2]


def test_an_attempt_that_is_cancelled_leaves_the_job_as_it_is(world, events):
    job = jobs.add_job(None, None, "fake")
    claimed = jobs.q.get()
    jobs.cancel_job(job["id"])
    world.control.stop_with = "cancelled"

    world.attempt(claimed)

    assert jobs.q.flush() is None  # nothing is to be sent
    assert jobs.get_job_by_id(job["id"])["status"] == "cancelled"
    assert jobs.get_results(job["id"]) is None
    assert events() == [Event.JOB_STARTED, Event.JOB_CANCELLED]


def test_an_attempt_of_a_job_that_was_queued_again_leaves_it_to_others(world, events):
    job = jobs.add_job(None, None, "fake")
    claimed = jobs.q.get()
    jobs.release_job(Run(claimed.id, claimed.attempt), jobs.q.worker_id, ReleaseReason.DRAIN)
    world.control.stop_with = "released"

    world.attempt(claimed)

    assert jobs.q.flush() is None
    assert jobs.get_job_by_id(job["id"])["status"] == "submitted"
    assert events() == [Event.JOB_STARTED, Event.JOB_RELEASED]


def test_an_attempt_that_times_out_is_charged(world, events):
    world.control.stop_with = "timeout"

    job = world.execute(max_attempts=1)

    assert (job["status"], job["error"]["reason"], job["error"]["type"]) == ("failed", "timeout", "TimeoutError")
    assert events() == [Event.JOB_STARTED, Event.JOB_FAILED]


def test_an_attempt_without_memory_is_told_the_setting(world):
    world.run = raises(MemoryError())

    job = world.execute(max_attempts=1)

    assert (job["status"], job["error"]["reason"], job["error"]["type"]) == ("failed", "error", "MemoryError")
    assert "MEMORY_LIMIT_MB" in job["error"]["message"]


def test_a_result_that_is_too_large_fails_with_the_setting(world):
    world.run = lambda: {"text": "x" * 1000}

    job = world.execute(max_attempts=1)

    assert (job["status"], job["error"]["reason"]) == ("failed", "error")
    assert "MAX_RESULT_BYTES (1000)" in job["error"]["message"]
    assert jobs.get_results(job["id"]) is None


def test_a_result_that_is_not_json_fails(world):
    world.run = lambda: {"object": object()}

    job = world.execute(max_attempts=1)

    assert (job["status"], job["error"]["reason"]) == ("failed", "error")


def test_a_stale_result_is_rejected(world, events):
    # Given a worker whose lease is taken to be over while it runs a job
    job = jobs.add_job(None, None, "fake")
    claimed = jobs.q.get()
    jobs.deregister_worker(jobs.q.worker_id, "lost", None)

    # When it completes the attempt nevertheless, and claims the next job
    world.attempt(claimed)
    with pytest.raises(jobs.WorkerNotRegistered):
        jobs.q.get()

    # Then the job waits for its next attempt
    assert jobs.get_job_by_id(job["id"])["status"] == "submitted"
    assert jobs.get_results(job["id"]) is None
    assert events()[-1] == Event.STALE_RESULT


@pytest.mark.parametrize("fault", ["reusable", "restored", "leak"])
def test_a_process_that_cannot_be_restored_claims_nothing_more(world, fault):
    if fault == "leak":
        world.tables.leak = True
    else:
        setattr(world.state, fault, False)

    assert world.execute()["status"] == "complete"
    assert jobs.q.draining


def test_a_job_claimed_by_a_process_that_cannot_be_restored_is_released(world):
    # Given two jobs, the first of which leaves a state that cannot be undone
    first, second = (jobs.add_job(None, None, "fake", max_attempts=1) for _ in range(2))
    world.attempt(jobs.q.get())
    world.state.restored = False

    # When the second one is claimed by the call that completes the first, before the process is restored
    claimed = jobs.q.get()

    # Then it goes back to its queue, without a failed attempt
    assert claimed is None
    assert jobs.q.draining
    assert jobs.get_job_by_id(first["id"])["status"] == "complete"
    assert jobs.get_job_by_id(second["id"])["status"] == "submitted"
    assert len(jobs.q) == 1


def test_the_process_is_restored_even_if_nothing_is_to_be_sent(world, events):
    # Given an attempt that was cancelled, in a worker that drains
    job = jobs.add_job(None, None, "fake")
    claimed = jobs.q.get()
    jobs.cancel_job(job["id"])
    world.control.stop_with = "cancelled"
    world.attempt(claimed)
    jobs.q.drain()

    # When it claims nothing more
    assert jobs.q.get() is None

    # Then its outcome is logged
    assert events()[-1] == Event.JOB_CANCELLED


def test_a_process_is_replaced_after_its_number_of_jobs(world):
    world.executor._jobs_left = 2

    world.execute()
    assert not jobs.q.draining
    world.execute()
    assert jobs.q.draining


def test_events_of_the_worker_are_not_in_the_output_of_a_job(tmp_path):
    with (tmp_path / "output").open("a+b") as file:
        handler = Output(file.fileno())._handler
    assert not handler.filter(logging.makeLogRecord({"name": "worker", "msg": Event.JOB_STARTED}))
    assert handler.filter(logging.makeLogRecord({"name": "root", "msg": Event.ANALYSIS_RAISED}))


def test_the_settings_of_an_executor_may_differ_from_those_of_jobs(world):
    world.executor.settings = replace(world.executor.settings, max_result_bytes=10)
    assert world.execute(max_attempts=1)["status"] == "failed"
