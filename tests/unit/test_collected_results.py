"""A worker process sends the small results of short jobs together; its supervisor sends them where it cannot."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from redis.exceptions import ConnectionError, ResponseError

import jobs
from jobs import ReleaseReason, Run, Submission
from jobstore import HeldUp
from jobstore.reserved_jobs import ReservedJobs
from ops.invariants import find_violations
from runtime.memory_files import shared_bytes
from runtime.shared_results import SHARED_BYTES, SharedResults

DOCUMENT = (
    '{"job":"%s","analysis":"sleep","params":{},"dataset":null,"start":%s,"end":null,"index":null,"where":null,'
    '"search":null,"count":0,"attempt":%s,"software":"dataset-jobs 1","result":{"seconds":0},"artifacts":[]}'
)


@pytest.fixture
def copy() -> Iterator[SharedResults]:
    """What the supervisor sees of the results that are not sent."""
    with shared_bytes(SHARED_BYTES) as shared:
        jobs.q.reserved.collected.copy = SharedResults(shared.fileno())
        yield SharedResults(shared.fileno())
    jobs.q.reserved.collected.copy = None


@pytest.fixture
def collecting(worker: str, copy: SharedResults, monkeypatch: pytest.MonkeyPatch) -> str:
    """A registered worker that finds its jobs short, reserves up to eight and sends the results of four together."""
    monkeypatch.setattr(ReservedJobs, "wanted", lambda self: 8)
    monkeypatch.setattr("jobstore.collected_results._SECONDS", float("inf"))
    return worker


def _add(count: int, **options: Any) -> list[str]:
    asked = [Submission(start=n, end=None, analysis="sleep", **options) for n in range(count)]
    return [job["id"] for job in jobs.add_jobs(asked)[0]]


def _get() -> jobs.ClaimedJob:
    job = jobs.q.get()
    assert job is not None
    return job


def _complete(job: jobs.ClaimedJob, log: str = "") -> None:
    jobs.q.defer_complete(job, DOCUMENT % (job.id, job.start, job.attempt), [], log)


def _run(count: int) -> jobs.ClaimedJob:
    """Complete so many jobs, and return the next one, which is begun."""
    for _ in range(count):
        _complete(_get())
    return _get()


def _statuses(ids: list[str]) -> list[str]:
    return [str(jobs.get_job_by_id(jid)["status"]) for jid in ids]


def _charged(ids: list[str]) -> list[int]:
    return [int(jobs.rd.hget(f"job.{jid}", "failed_attempts") or 0) for jid in ids]


def _verify() -> None:
    assert find_violations(jobs.rd, jobs.q._client) == []


def test_results_are_sent_when_half_of_the_reserved_jobs_are_over(collecting, copy):
    ids = _add(20)

    following = _run(3)
    assert _statuses(ids[:4]) == ["in progress", "submitted", "submitted", "submitted"]
    assert copy.read().count(b"\n") == 3

    _complete(following)
    running = _get()
    assert _statuses(ids[:6]) == [*["complete"] * 4, "in progress", "submitted"]
    assert (running.id, copy.read().count(b"\n")) == (ids[4], 4)  # until they are answered
    jobs.q.flush()
    assert copy.read() == b""
    _verify()


def test_all_jobs_complete_in_order_with_their_results(collecting):
    ids, ran = _add(30, owner="ann"), []

    while (job := jobs.q.get()) is not None:
        ran.append(job.id)
        _complete(job)

    assert ran == ids
    for at, jid in enumerate(ids):
        job, results = jobs.get_job_by_id(jid), jobs.get_results(jid)
        assert (job["status"], job["attempt"], job["start"]) == ("complete", 1, at)
        assert (results["job"], results["start"], results["attempt"]) == (jid, at, 1)
        assert job["started"] <= job["ended"]
    assert jobs.q.totals() == {("complete", "sleep"): 30}
    assert jobs.get_stats()["jobs"]["complete"] == 30
    assert jobs.rd.zcard("jobs.unfinished.ann") == 0
    _verify()


def test_a_result_with_a_log_is_sent_alone_after_those_before(collecting, copy):
    ids = _add(8)
    following = _run(2)

    _complete(following, log="said")
    running = _get()

    assert _statuses(ids[:5]) == [*["complete"] * 3, "in progress", "submitted"]
    assert (running.id, jobs.get_log(ids[2])) == (ids[3], "--- attempt 1 ---\nsaid")
    _verify()


def test_a_job_that_fails_is_released_after_the_results_before_it(collecting):
    ids = _add(8, max_attempts=1)
    failing = _run(2)

    jobs.q.defer_release(failing, ReleaseReason.ERROR, '{"reason":"error"}', "")
    running = _get()

    assert _statuses(ids[:5]) == ["complete", "complete", "failed", "in progress", "submitted"]
    assert running.id == ids[3]
    _verify()


def test_a_drain_sends_them(collecting, copy):
    ids = _add(8)
    _complete(_run(2))

    jobs.q.drain()

    assert jobs.q.get() is None
    assert (_statuses(ids[:4]), copy.read()) == ([*["complete"] * 3, "submitted"], b"")
    _verify()


def test_the_supervisor_of_a_killed_process_completes_them_and_charges_only_the_job_that_ran(collecting, copy):
    ids = _add(8)
    running = _run(3)

    run = Run(running.id, running.attempt)
    jobs.complete_collected(HeldUp(collecting, run, copy.read()))
    jobs.deregister_worker(collecting, ReleaseReason.KILLED, {"reason": "killed"}, only_if_run=run)

    assert _statuses(ids[:3]) == ["complete"] * 3
    assert _charged(ids) == [0, 0, 0, 1, 0, 0, 0, 0]
    assert [jobs.get_results(jid)["attempt"] for jid in ids[:3]] == [1] * 3
    _verify()


def test_without_its_supervisor_the_jobs_are_run_again_and_none_is_charged_but_the_one_in_progress(collecting):
    ids = _add(8)
    _run(3)

    jobs.deregister_worker(collecting, ReleaseReason.LOST, {"reason": "lost"})

    assert _charged(ids) == [1, *[0] * 7]
    assert [jid.decode() for jid in jobs.q._client.lrange("hotqueue:queue", 0, -1)] == ids
    _verify()


def test_the_supervisor_sends_them_while_a_long_job_runs_and_the_process_once_more(collecting, copy, monkeypatch):
    ids = _add(12)
    running = _run(2)

    jobs.heartbeat([collecting], [HeldUp(collecting, Run(running.id, running.attempt), copy.read())])
    assert _statuses(ids[:4]) == ["complete", "complete", "in progress", "submitted"]
    assert [jid.decode() for jid in jobs.q._client.lrange("hotqueue:queue", 0, -1)] == ids[3:]

    monkeypatch.setattr(jobs.q, "has_lost_reserved", iter([True, *[False] * 9]).__next__)
    _complete(running)
    assert _get().id == ids[3]
    assert jobs.q.totals() == {("complete", "sleep"): 3}
    _verify()


def test_a_job_that_is_cancelled_before_its_result_is_sent_stays_cancelled(collecting, caplog):
    ids = _add(8)
    following = _run(2)

    jobs.cancel_job(ids[1])
    _complete(following)
    _complete(_get())
    jobs.q.flush()

    assert _statuses(ids[:4]) == ["complete", "cancelled", "complete", "complete"]
    assert jobs.get_results(ids[1]) is None
    assert [record.job for record in caplog.records if record.message == "stale result rejected"] == [ids[1]]
    _verify()


def test_a_job_that_is_cancelled_before_its_start_is_sent_is_stopped(collecting, copy):
    ids = _add(8)
    running = _run(2)

    jobs.cancel_job(running.id)
    held_up = HeldUp(collecting, Run(running.id, running.attempt), copy.read())
    lease = jobs.heartbeat([collecting], [held_up]).held[0]

    assert _statuses(ids[:4]) == ["complete", "complete", "cancelled", "submitted"]
    assert (lease.stop, lease.stop_reason) == ((running.id, "1"), "cancelled")
    _verify()


def test_what_was_queued_again_and_taken_by_another_worker_is_refused(collecting):
    ids = _add(8)
    following = _run(3)
    jobs.deregister_worker(collecting, ReleaseReason.LOST)
    jobs.register_worker("another", "host", 2)
    jobs._run("claim", "another", 0, 0)

    _complete(following)
    with pytest.raises(jobs.WorkerNotRegistered):  # once its results are refused
        _run(7)

    assert sorted(_statuses(ids)) == ["in progress", *["submitted"] * 7]
    assert jobs.rd.hget(f"job.{ids[0]}", "worker") == b"another"
    _verify()


@pytest.mark.parametrize("arrives", [True, False], ids=["answer lost", "call lost"])
@pytest.mark.parametrize("cut", range(1, 9))
def test_a_connection_that_is_cut_loses_no_result_and_runs_nothing_twice(collecting, copy, monkeypatch, cut, arrives):
    monkeypatch.setattr("jobstore.queue._MAX_BACKOFF", 0)
    ids, ran, sends = _add(30), [], iter(range(1, 100))
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
    assert [jobs.get_job_by_id(jid)["attempt"] for jid in ids] == [1] * 30
    assert set(_statuses(ids)) == {"complete"}
    assert (jobs.q.totals(), copy.read()) == ({("complete", "sleep"): 30}, b"")
    _verify()


def test_a_message_that_redis_refuses_is_given_up_and_its_results_are_sent_alone(collecting, monkeypatch):
    monkeypatch.setattr("jobstore.queue._MAX_BACKOFF", 0)
    ids, ran = _add(6), []
    read = jobs.q._read_answers

    def refusing(count: int) -> list[Any]:
        answers = read(count)
        if jobs.q.reserved.sent and jobs.q.reserved.sent[0].verb == "collect":
            jobs.q._drop_connection()
            raise ResponseError("WRONGTYPE Operation against a key")
        return answers

    exchange = jobs.q._exchange

    def never_arriving(calls: list[tuple[Any, ...]], wait: bool = False) -> list[Any]:
        if calls[0][0] == "finish_collected":
            raise ResponseError("WRONGTYPE Operation against a key")
        return exchange(calls, wait)

    monkeypatch.setattr(jobs.q, "_read_answers", refusing)
    monkeypatch.setattr(jobs.q, "_exchange", never_arriving)
    while (job := jobs.q.get()) is not None:
        ran.append(job.id)
        _complete(job)

    assert set(ran) == set(ids)
    assert jobs.q.reserved.collected.copy is None
    assert set(_statuses(ids)) == {"complete"}
    _verify()


def test_the_supervisor_reads_all_that_is_not_answered(copy):
    written = jobs.q.reserved.collected.copy
    lines = [b"%d %s\n" % (n, b"x" * random.Random(n).randrange(200)) for n in range(50)]
    for line in lines:
        assert written.append(line)
    assert copy.read() == b"".join(lines)

    written.remove(len(b"".join(lines[:20])))
    assert copy.read() == b"".join(lines[20:])

    written.remove(len(b"".join(lines[20:])))
    assert copy.read() == b""


def test_a_result_without_room_in_the_copy_is_sent_alone(copy):
    written = jobs.q.reserved.collected.copy
    while written.append(b"x" * 1000):
        pass

    assert len(copy.read()) == 65_000
    assert written.append(b"x" * 100)
    written.remove(65_100)
    assert written.append(b"x" * 1000)
    assert copy.read() == b"x" * 1000


def test_a_read_while_the_process_writes_returns_nothing(copy, monkeypatch):
    written = jobs.q.reserved.collected.copy
    written.append(b"one\n")

    class Changing:
        def __getitem__(self, which: slice) -> bytes:
            data = whole[which]
            written.append(b"two\n")
            return data

    whole, copy._shared = copy._shared, Changing()
    assert copy.read() is None
    copy._shared = whole
    assert copy.read().startswith(b"one\ntwo\n")
