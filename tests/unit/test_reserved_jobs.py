"""A worker process reserves short jobs, and begins each once the result of the one before is sent."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import ConnectionError

import jobs
from jobs import ReleaseReason, Submission
from jobstore import HeldUp
from jobstore.reserved_jobs import ReservedJobs
from ops.invariants import find_violations
from runtime.shared_status import NO_RUN


@pytest.fixture
def reserving(worker: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A registered worker that finds its jobs short and reserves up to four."""
    monkeypatch.setattr(ReservedJobs, "wanted", lambda self: 4)
    return worker


def _add(count: int, **options: Any) -> list[str]:
    added, _ = jobs.add_jobs([Submission(start=n, end=None, analysis="sleep", **options) for n in range(count)])
    return [job["id"] for job in added]


def _get() -> jobs.ClaimedJob:
    job = jobs.q.get()
    assert job is not None
    return job


def _complete(job: jobs.ClaimedJob) -> None:
    jobs.q.defer_complete(job, f'{{"attempt":{job.attempt}}}', [], "")


def _status(jid: str) -> str:
    return str(jobs.get_job_by_id(jid)["status"])


def _reserved(worker: str) -> list[str]:
    return [jid.decode() for jid in jobs.q._client.lrange(f"hotqueue:queue:{worker}.reserved", 0, -1)]


def _verify() -> None:
    assert find_violations(jobs.rd, jobs.q._client) == []


def test_reserved_jobs_wait_in_order_and_are_counted_and_listed(reserving):
    ids = _add(7)

    first = _get()

    assert (first.id, _reserved(reserving)) == (ids[0], ids[1:5])
    assert [_status(jid) for jid in ids] == ["in progress", *["submitted"] * 6]
    assert jobs.get_stats()["queue"] == {"high": 0, "normal": 6, "low": 0, "total": 6}
    assert {job["id"] for job in jobs.get_jobs(status="submitted").jobs} == set(ids[1:])
    assert [worker["job"] for worker in jobs.get_workers()] == [ids[0]]
    _verify()


def test_each_begins_when_the_result_of_the_one_before_is_sent(reserving):
    ids = _add(30)

    for jid in ids:
        job = _get()
        assert (job.id, job.attempt, _status(job.id)) == (jid, "1", "in progress")
        _verify()
        _complete(job)
    assert jobs.q.get() is None

    assert {_status(jid) for jid in ids} == {"complete"}
    _verify()


def test_workers_share_what_waits(reserving):
    jobs.register_worker("another", "host", 2)
    _add(7)

    _get()

    assert len(_reserved(reserving)) == 3


def test_jobs_that_take_long_are_claimed_one_by_one(worker):
    reserved = ReservedJobs()
    reserved.most = 32
    assert reserved.wanted() == 0

    reserved._job_seconds = 0.0004
    assert reserved.wanted() == 12
    reserved._job_seconds = 0.006
    assert reserved.wanted() == 0


def test_a_reserved_job_that_is_cancelled_is_not_started_or_is_stopped(reserving):
    ids = _add(4)
    first = _get()
    jobs.cancel_job(ids[1])

    _complete(first)
    started = _get()  # the answer, which refuses the start, is not read yet
    stop = jobs.heartbeat([reserving]).held[0].stop
    _complete(started)
    following = _get()

    assert (started.id, stop) == (ids[1], (ids[1], "1"))
    assert (following.id, _status(ids[0]), _status(ids[1])) == (ids[2], "complete", "cancelled")
    assert jobs.get_results(ids[1]) is None
    _verify()


def test_jobs_reserved_behind_a_long_one_are_queued_in_their_order(reserving):
    ids = _add(7)
    late = _add(1, priority="low")
    first = _get()

    jobs.heartbeat([reserving], [HeldUp(reserving, NO_RUN)])

    jobs.register_worker("another", "host", 2)
    jobs.q.set_worker_id("another")
    assert _reserved(reserving) == []
    assert [jid.decode() for jid in jobs.q._client.lrange("hotqueue:queue", 0, -1)] == ids[1:]
    assert jobs.q._client.lrange("hotqueue:queue.low", 0, -1) == [late[0].encode()]
    assert _status(first.id) == "in progress"
    _verify()


def test_a_job_that_another_worker_took_is_neither_started_nor_completed(reserving):
    ids = _add(3)
    first = _get()
    jobs.heartbeat([reserving], [HeldUp(reserving, NO_RUN)])
    jobs.register_worker("another", "host", 2)
    _, taken = jobs._run("claim", "another", 0, 0)
    assert taken[0][0].decode() == ids[1]

    _complete(first)
    void = _get()
    lease = jobs.heartbeat([reserving]).held[0]
    assert (lease.stop, lease.stop_reason) == ((void.id, "1"), "released")
    _complete(void)
    following = _get()

    assert (void.id, following.id) == (ids[1], ids[2])
    assert (_status(ids[1]), jobs.rd.hget(f"job.{ids[1]}", "worker")) == ("in progress", b"another")
    _verify()


def test_jobs_that_the_supervisor_has_queued_are_not_begun(reserving, monkeypatch):
    _add(6)
    first = _get()
    monkeypatch.setattr(jobs.q, "has_lost_reserved", iter([True, False, False]).__next__)
    jobs.heartbeat([reserving], [HeldUp(reserving, NO_RUN)])
    jobs.register_worker("another", "host", 2)
    jobs._run("claim", "another", 0, 0)

    _complete(first)
    following = _get()

    assert jobs.rd.hmget(f"job.{following.id}", "status", "worker") == [b"in progress", reserving.encode()]
    _verify()


@pytest.mark.parametrize("arrives", [True, False], ids=["answer lost", "call lost"])
@pytest.mark.parametrize("cut", range(1, 9))
def test_a_connection_that_is_cut_loses_no_result_and_runs_nothing_twice(reserving, monkeypatch, cut, arrives):
    monkeypatch.setattr("jobstore.queue._MAX_BACKOFF", 0)
    ids, ran, sends = _add(12), [], iter(range(1, 100))
    send = jobs.q._send

    def failing(commands: Any) -> None:
        is_cut = next(sends) == cut
        if arrives or not is_cut:
            send(commands)
        if is_cut:
            jobs.q._drop_connection()
            raise ConnectionError("cut")

    monkeypatch.setattr(jobs.q, "_send", failing)
    while (job := jobs.q.get()) is not None:
        ran.append(job.id)
        _complete(job)

    assert ran == ids
    assert [jobs.get_job_by_id(jid)["attempt"] for jid in ids] == [1] * 12
    assert {_status(jid) for jid in ids} == {"complete"}
    _verify()


@pytest.mark.parametrize("how", ["deregistered", "drained"])
def test_what_a_process_has_reserved_when_it_ends_is_queued_and_only_its_job_is_charged(reserving, how):
    ids = _add(5)
    _complete(_get())
    running = _get()
    jobs.q.drain()
    if how == "drained":
        _complete(running)
        assert jobs.q.get() is None

    jobs.deregister_worker(reserving, ReleaseReason.KILLED, {"type": "X", "message": "m", "reason": "killed"})

    waiting = ids[2:] if how == "drained" else ids[1:]
    assert [jid.decode() for jid in jobs.q._client.lrange("hotqueue:queue", 0, -1)] == waiting
    charged = [int(jobs.rd.hget(f"job.{jid}", "failed_attempts") or 0) for jid in ids]
    assert charged == [0, int(how == "deregistered"), 0, 0, 0]
    assert jobs.q._client.exists(f"hotqueue:queue:{reserving}.reserved", "hotqueue:queue.reserving") == 0
    _verify()


def test_what_a_worker_had_reserved_that_an_older_release_removed_is_queued(reserving):
    ids = _add(4)
    _get()
    jobs.q._client.zrem("workers", reserving)

    jobs.heartbeat([])

    assert [jid.decode() for jid in jobs.q._client.lrange("hotqueue:queue", 0, -1)] == ids[1:]


def test_a_job_put_by_hand_stands_once(reserving):
    ids = _add(4)
    _get()

    jobs.q.put(ids[2])

    assert _reserved(reserving) == [ids[1], ids[3]]
    _verify()


def test_a_large_result_is_not_sent_ahead_of_the_answer(reserving):
    ids = _add(4)
    jobs.q.defer_complete(_get(), "{" + " " * 20_000 + "}", [], "")

    following = _get()

    assert (following.id, len(jobs.q.reserved.sent)) == (ids[1], 0)
