"""The verbs of ``jobs``: what each changes, and what it refuses."""

from __future__ import annotations

import json
import re
import time
import uuid
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

import jobs
import jobstore
from config.settings import Settings
from jobs import Idempotency, InvalidTransition, JobNotFound, ReleaseReason, Submission, WorkerNotRegistered
from jobstore import Transitions, adding, bulk, generate_jids, listing, to_records
from ops.invariants import find_violations


def _add(count: int = 1, **options) -> list[jobs.Job]:
    return jobs.add_jobs([Submission(start=n, end=None, analysis="sleep", **options) for n in range(count)])[0]


def _finish(job: jobs.ClaimedJob) -> None:
    jobs.q.defer_complete(job, '{"count": 0}', [("plot.png", b"\x89PNG")], "said\n")
    jobs.q.flush()


def _status(job: jobs.Job) -> str:
    return jobs.get_job_by_id(job["id"])["status"]


def _error(reason: str) -> dict[str, str]:
    return {"type": "X", "message": "m", "reason": reason}


def _release(job: jobs.ClaimedJob, why: str) -> None:
    jobs.q.defer_release(job, why, json.dumps(_error(why)), "")
    jobs.q.flush()


def test_a_job_is_stored_and_queued_as_it_was_asked_for(rd):
    added = jobs.add_job("2018-01-31", None, "histogram", params={"bins": 5}, priority="high", tags=("a", "b"))

    assert added == jobs.get_job_by_id(added["id"])
    assert (added["status"], added["start"], added["end"], added["tags"]) == (
        "submitted",
        "2018-01-31",
        None,
        ["a", "b"],
    )
    assert jobs.get_stats()["queue"] == {"high": 1, "normal": 0, "low": 0, "total": 1}


def test_an_unknown_job_is_not_found(rd):
    for call in (jobs.get_job_by_id, jobs.cancel_job, jobs.delete_job):
        with pytest.raises(JobNotFound):
            call(str(uuid.uuid4()))


def test_the_length_of_the_queue_counts_waiting_normal_jobs(worker):
    added = _add(3)
    jobs.cancel_job(added[1]["id"])

    assert len(jobs.q) == 3

    for expected in (added[0], added[2]):
        job = jobs.q.get()
        assert job.id == expected["id"]
        _finish(job)
    assert len(jobs.q) == 0


def test_statistics_count_what_waits_and_no_id_that_is_dropped(worker):
    # Given jobs of which most were cancelled while they waited, and ids that somebody pushed
    made = {priority: _add(6, priority=priority) for priority in ("high", "normal", "low")}
    _push("nonsense", made["low"][0]["id"])
    assert jobs.get_stats()["queue"] == {"high": 6, "normal": 6, "low": 6, "total": 18}
    for priority, count in (("high", 5), ("normal", 2), ("low", 6)):
        for job in made[priority][:count]:
            jobs.cancel_job(job["id"])
    # then those are counted that a worker will take
    assert jobs.get_stats()["queue"] == {"high": 1, "normal": 4, "low": 0, "total": 5}
    assert jobs.get_stats()["jobs"]["submitted"] == 5


def test_priorities_go_before_each_other_and_keep_their_order(worker):
    low, normal, high = (_add(2, priority=priority) for priority in ("low", "normal", "high"))

    order = []
    for _ in range(6):
        job = jobs.q.get()
        order.append(job.id)
        _finish(job)

    assert order == [job["id"] for job in high + normal + low]


def test_results_come_with_the_status_and_only_once(worker):
    added = _add()[0]
    job = jobs.q.get()
    assert (_status(added), jobs.get_results(job.id)) == ("in progress", None)

    _finish(job)

    ended = jobs.get_job_by_id(job.id)
    assert (ended["status"], ended["progress"], ended["attempt"], ended["worker"]) == ("complete", 1, 1, worker)
    assert jobs.get_results(job.id) == {"count": 0}
    assert jobs.get_artifact(job.id, "plot.png") == b"\x89PNG"
    assert jobs.get_log(job.id) == "--- attempt 1 ---\nsaid\n"

    jobs.q.defer_complete(job, '{"count": 1}', [], "")
    assert jobs.q.flush() == "complete"
    assert jobs.get_results(job.id) == {"count": 0}


def test_what_the_worker_holds_is_answered_again_when_the_answer_was_lost(worker):
    _add(2)
    first = jobs.q.get()

    assert jobs.q.get() == first


def test_a_worker_whose_job_was_given_to_others_is_refused(worker):
    added = _add()[0]
    late = jobs.q.get()
    jobs.deregister_worker(worker, "lost", _error("lost"))
    other = str(uuid.uuid4())
    jobs.register_worker(other, "host", 2)
    jobs.q.set_worker_id(other)
    again = jobs.q.get()
    assert (again.id, again.attempt) == (added["id"], "2")

    jobs.q.set_worker_id(worker)
    jobs.q.defer_complete(late, '{"late": true}', [], "")
    assert jobs.q.flush() == "refused"

    jobs.q.set_worker_id(other)
    _finish(again)
    assert jobs.get_results(added["id"]) == {"count": 0}


def test_only_a_registered_worker_takes_jobs(rd):
    _add()

    with pytest.raises(WorkerNotRegistered):
        jobs.q.get()
    jobs.q.set_worker_id("nobody")
    with pytest.raises(WorkerNotRegistered):
        jobs.q.get()

    assert len(jobs.q) == 1


@pytest.mark.parametrize("why", ["drain", "killed", "lost"])
def test_a_job_of_a_dismissed_worker_goes_to_the_head_of_its_queue(worker, why):
    first, _ = _add(2)
    jobs.q.get()

    assert jobs.deregister_worker(worker, why, _error(why) if why != "drain" else None) == first["id"]

    assert rd_queue() == [first["id"], *[job["id"] for job in jobs.get_jobs().jobs if job["id"] != first["id"]]]
    record = jobs.rd.hgetall(f"job.{first['id']}")
    assert record.get(b"failed_attempts") == (None if why == "drain" else b"1")
    assert jobs.get_workers() == []


def rd_queue() -> list[str]:
    return [jid.decode() for jid in jobs.q._client.lrange("hotqueue:queue", 0, -1)]


def test_a_kill_aimed_at_another_job_charges_nobody(worker):
    added = _add()[0]
    job = jobs.q.get()

    jobs.deregister_worker(worker, "timeout", _error("timeout"), only_if_run=(str(uuid.uuid4()), job.attempt))

    assert _status(added) == "submitted"
    assert jobs.rd.hget(f"job.{added['id']}", "failed_attempts") is None


def test_a_job_lists_the_attempts_that_were_released(worker):
    # Given a job that was never released: it has no list
    [job] = _add(max_attempts=30)
    assert "attempts" not in jobs.get_job_by_id(job["id"])

    # When it is released twice
    for why in ("drain", "killed"):
        _release(jobs.q.get(), why)

    # Then each attempt has its number, times and reason, in their order
    listed = jobs.get_job_by_id(job["id"])["attempts"]
    assert [(each["attempt"], each["reason"]) for each in listed] == [(1, "drain"), (2, "killed")]
    times = [each[name] for each in listed for name in ("started", "ended")]
    assert [job["created"], *times] == sorted([job["created"], *times])

    # and of very many the last ones are kept, each whole
    for _ in range(25):
        _release(jobs.q.get(), "killed")
    listed = jobs.get_job_by_id(job["id"])["attempts"]
    assert 10 < len(listed) < 25
    assert [each["attempt"] for each in listed] == list(range(28 - len(listed), 28))


@pytest.mark.parametrize("why", ["killed", "lost", "error", "timeout"])
def test_a_job_fails_when_its_attempts_are_used_up(worker, why):
    added = _add(max_attempts=2)[0]
    for _ in range(2):
        _release(jobs.q.get(), why)
        jobs._run("promote", 1, added["id"])

    failed = jobs.get_job_by_id(added["id"])
    assert (failed["status"], failed["error"]["reason"], failed["attempt"]) == ("failed", why, 2)
    assert jobs.get_results(added["id"]) is None


def test_what_a_worker_does_not_know_waits_uncharged_for_one_that_does(worker):
    added = _add()[0]
    for _ in range(4):
        _release(jobs.q.get(), "unknown")
        assert _status(added) == "scheduled"
        jobs.update_job_status(added["id"], "submitted")

    assert jobs.rd.hget(f"job.{added['id']}", "failed_attempts") is None
    _finish(jobs.q.get())
    assert _status(added) == "complete"


def test_what_no_worker_knows_for_ten_minutes_fails_as_invalid(worker):
    added = _add()[0]
    _release(jobs.q.get(), "unknown")
    jobs.rd.hincrby(f"job.{added['id']}", "unknown_since", -600_000_000)
    jobs.update_job_status(added["id"], "submitted")

    _release(jobs.q.get(), "unknown")

    assert _status(added) == "failed"


@pytest.mark.parametrize("name", ["priority", "tags", "timeout", "max_attempts", "retry_of"])
@pytest.mark.parametrize("why", ["drain", "error", "unknown"])
def test_a_record_without_a_field_that_is_newer_goes_all_the_way(worker, name, why):
    added = _add()[0]
    jobs.rd.hdel(f"job.{added['id']}", name)
    taken = jobs.q.get()
    assert jobs.heartbeat([worker]).held[0].seconds_left > 0
    _release(taken, why)
    if why != "drain":
        jobs.update_job_status(added["id"], "submitted")

    _finish(jobs.q.get())

    default = dict(jobs.add_job(None, None, "sleep"))[name]
    assert jobs.get_jobs(status="complete").jobs == [jobs.get_job_by_id(added["id"])]
    assert dict(jobs.get_job_by_id(added["id"]))[name] == default


def test_a_bulk_sent_again_late_adds_nothing_where_its_first_job_is_deleted(rd):
    asked = [Submission(start=n, end=None, analysis="sleep") for n in range(2)]
    common, words = to_records(generate_jids(2), asked)
    call = ("", "", "", 60, 1000, "", 0, len(words[0]), len(common), *common, *(word for one in words for word in one))
    jobs._run("add", *call)
    jobs.cancel_job(words[0][0])
    jobs.cancel_job(words[1][0])
    jobs.delete_job(words[0][0])

    assert jobs._run("add", *call)[0] == b"there"
    assert jobs.get_job_by_id(words[1][0])["status"] == "cancelled"


def test_what_is_invalid_fails_at_once(worker):
    added = _add()[0]
    _release(jobs.q.get(), "invalid")

    assert (_status(added), jobs.get_job_by_id(added["id"])["attempt"]) == ("failed", 1)


def test_what_raised_waits_longer_each_time_up_to_ten_minutes(worker):
    added = _add(max_attempts=100)[0]
    waits = []
    for _ in range(12):
        _release(jobs.q.get(), "error")
        assert _status(added) == "scheduled"
        due = jobs.rd.zscore("jobs.due", added["id"])
        waits.append(due / 1e6 - time.time())
        jobs._run("promote", 1, added["id"])

    for n, waited in enumerate(waits):
        assert min(600, 2**n) - 1 <= waited <= min(600, 2**n * 1.25) + 1


def test_a_delayed_job_waits_until_it_is_due(worker):
    later, soon = _add(delay=60)[0], _add(delay=0.01)[0]
    assert (later["status"], soon["status"]) == ("scheduled", "scheduled")
    assert jobs.q.get() is None
    time.sleep(0.02)

    jobs.heartbeat([worker])

    assert (_status(later), _status(soon)) == ("scheduled", "submitted")
    assert jobs.q.get().id == soon["id"]


def test_a_job_whose_time_has_passed_is_queued_at_once(rd):
    assert _add(run_at=1.0)[0]["status"] == "submitted"


@pytest.mark.parametrize("stage", ["scheduled", "submitted", "in progress"])
def test_an_unfinished_job_can_be_cancelled_and_stays_cancelled(worker, stage):
    added = _add(delay=60 if stage == "scheduled" else 0)[0]
    job = jobs.q.get() if stage == "in progress" else None
    assert _status(added) == stage

    assert jobs.cancel_job(added["id"])["status"] == "cancelled"

    assert jobs.cancel_job(added["id"])["status"] == "cancelled"
    if job is not None:
        jobs.q.defer_complete(job, "{}", [], "")
        assert jobs.q.flush() == "refused"
        assert jobs.heartbeat([worker]).held[0].stop == (job.id, job.attempt)
    assert jobs.q.get() is None
    assert _status(added) == "cancelled"
    assert jobs.get_stats()["jobs"]["cancelled"] == 1


def test_a_complete_job_cannot_be_cancelled(worker):
    added = _add()[0]
    _finish(jobs.q.get())

    with pytest.raises(InvalidTransition):
        jobs.cancel_job(added["id"])
    assert _status(added) == "complete"


def test_the_status_changes_by_hand_only_where_an_arrow_leads(worker):
    added = _add(delay=60)[0]["id"]

    assert jobs.update_job_status(added, "submitted")["status"] == "submitted"
    for impossible in ("submitted", "scheduled", "in progress", "complete", "failed"):
        with pytest.raises(InvalidTransition):
            jobs.update_job_status(added, impossible)
    assert jobs.update_job_status(added, "cancelled")["status"] == "cancelled"
    with pytest.raises(InvalidTransition):
        jobs.update_job_status(added, "submitted")


def test_only_an_ended_job_is_deleted_and_nothing_of_it_is_left(worker):
    added = jobs.add_jobs([Submission(start=None, end=None, analysis="sleep")], Idempotency("key", "body"))[0][0]
    with pytest.raises(InvalidTransition):
        jobs.delete_job(added["id"])
    _finish(jobs.q.get())

    jobs.delete_job(added["id"])

    assert jobs.rd.keys("*") == []


def test_what_is_past_its_retention_is_removed_with_all_that_belongs_to_it(worker, monkeypatch):
    _add(3)
    for _ in range(2):
        _finish(jobs.q.get())
    monkeypatch.setattr(jobs, "_lease", lambda: "15000000")
    jobs.heartbeat([worker])
    assert jobs.get_jobs().total == 3

    assert jobs._run("purge", 0, 1000)[1] == 2

    assert [job["status"] for job in jobs.get_jobs().jobs] == ["submitted"]
    assert jobs.rd.keys("results.*") + jobs.rd.keys("log.*") == []


def test_the_same_idempotency_key_makes_the_same_jobs(rd):
    asked = [Submission(start=n, end=None, analysis="sleep") for n in range(3)]
    first, replayed = jobs.add_jobs(asked, Idempotency("key", "body"))
    assert not replayed
    jobs.cancel_job(first[1]["id"])

    again, replayed = jobs.add_jobs(asked, Idempotency("key", "body"))

    assert replayed
    assert [job["id"] for job in again] == [job["id"] for job in first]
    assert again[1]["status"] == "cancelled"
    assert jobs.find_by_idempotency_key(Idempotency("key", "body")) == again
    assert jobs.find_by_idempotency_key(Idempotency("other", "body")) is None
    for call in (lambda key: jobs.add_jobs(asked, key), jobs.find_by_idempotency_key):
        with pytest.raises(jobs.IdempotencyKeyReused):
            call(Idempotency("key", "another body"))


def test_adding_the_same_ids_twice_makes_them_once(rd, monkeypatch):
    ids = iter(["a", "b", "a", "b"])
    monkeypatch.setattr(adding, "generate_jids", lambda count: [next(ids) for _ in range(count)])

    first = _add(2)
    again = _add(2)

    assert again == first
    assert len(jobs.q) == 2


@pytest.fixture
def small_slices(monkeypatch):
    monkeypatch.setattr(bulk, "_SLICE_JOBS", 3)


def test_a_large_bulk_is_stored_as_a_small_one_is(worker, small_slices):
    asked = [Submission(start=n, end=None, analysis="sleep", priority=("low", "high")[n % 2]) for n in range(10)]

    added, _ = jobs.add_jobs([*asked, Submission(start=10, end=None, delay=60)])

    assert [jobs.get_job_by_id(job["id"]) for job in added] == added
    assert jobs.get_jobs(ascending=True).jobs == added
    assert jobs.get_stats()["queue"] == {"high": 5, "normal": 0, "low": 5, "total": 10}
    taken = [jobs.q.get().id]
    assert taken == [added[1]["id"]]
    assert jobs.rd.keys("bulk*") == []
    assert find_violations(jobs.rd, jobs.q._client) == []


def test_slices_end_at_a_number_of_jobs_and_of_bytes(monkeypatch):
    monkeypatch.setattr(bulk, "_SLICE_JOBS", 3)
    monkeypatch.setattr(bulk, "_SLICE_BYTES", 100)
    records = [[size * "x"] for size in (10, 10, 10, 10, 95, 10, 200, 1)]

    slices = [(first, [len(record[0]) for record in one]) for first, one in bulk._slices(records)]

    assert slices == [(0, [10, 10, 10]), (3, [10]), (4, [95]), (5, [10]), (6, [200]), (7, [1])]


def test_an_accepted_bulk_is_published_although_its_process_dies(worker, small_slices, monkeypatch):
    # Given a process that dies when its bulk was accepted and a slice of it published
    asked = [Submission(start=n, end=None, analysis="sleep") for n in range(10)]
    run = Transitions.run
    with monkeypatch.context() as dying:
        dying.setattr(bulk, "publish", lambda *_: run(jobs._transitions(), "publish", "") and 1 / 0)
        with pytest.raises(ZeroDivisionError):
            jobs.add_jobs(asked, Idempotency("key", "body"))
    assert len(jobs.q) == 3
    # when the request is sent again, then all its jobs are there
    assert find_violations(jobs.rd, jobs.q._client) == []
    again, replayed = jobs.add_jobs(asked, Idempotency("key", "body"))
    assert (replayed, [job["start"] for job in again]) == (True, list(range(10)))
    assert len(jobs.q) == 10
    # and where it is not, workers publish what is left
    with monkeypatch.context() as dying:
        dying.setattr(bulk, "publish", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            jobs.add_jobs(asked)
    while jobs.heartbeat([worker]).more:
        pass
    assert len(jobs.q) == 20
    assert find_violations(jobs.rd, jobs.q._client) == []


def test_of_a_bulk_that_is_refused_nothing_is_left(rd, small_slices, monkeypatch):
    asked = [Submission(start=n, end=None, analysis="sleep", dataset="v1") for n in range(10)]
    with pytest.raises(jobs.DatasetChanged):
        jobs.add_jobs(asked)
    monkeypatch.setattr(Transitions, "stage", lambda *_: None)
    with pytest.raises(jobs.RedisUnavailable):
        _add(10)

    assert jobs.rd.keys("*") == []


@pytest.mark.parametrize("before", [2, 5])
def test_more_unfinished_jobs_than_there_may_be_are_refused_whole(rd, worker, small_slices, before):
    # Given room for five jobs, of which some are unfinished: scheduled, submitted or in progress
    jobs.connect(replace(jobs.settings, max_queued_jobs=5), rd)
    jobs.q.set_worker_id(worker)
    _add(before - 1)
    _add(1, delay=60)
    jobs.q.get()
    for count in (6 - before, 10):
        with pytest.raises(jobs.QueueFull):
            _add(count)
    assert jobs.get_jobs().total == before
    # when some have ended, then there is room again
    _finish(jobs.q.get())
    assert len(_add(6 - before)) == 6 - before


def test_a_bulk_is_listed_newest_first_page_by_page_and_insertions_shift_nothing(rd):
    added = [job["id"] for job in _add(25)]
    seen, cursor = [], None
    while True:
        page = jobs.get_jobs(limit=10, cursor=cursor)
        seen += [job["id"] for job in page.jobs]
        _add()
        cursor = page.next
        if cursor is None:
            break

    assert seen == added[::-1]
    ascending = jobs.get_jobs(limit=25, ascending=True)
    assert [job["id"] for job in ascending.jobs] == added
    assert ascending.next is not None


def test_the_listing_is_filtered(worker):
    _add(2, tags=("x",))
    jobs.add_job(1, 2, "summary")
    _finish(jobs.q.get())

    assert jobs.get_jobs(status="complete").total == 1
    assert jobs.get_jobs(analysis="sleep").total == 2
    both = jobs.get_jobs(analysis="sleep", status="submitted")
    assert (both.total, len(both.jobs)) == (1, 1)
    tagged = jobs.get_jobs(tag="x")
    assert (tagged.total, len(tagged.jobs)) == (None, 2)
    assert jobs.get_jobs(created_after=time.time() + 1).total == 0
    assert jobs.get_jobs(created_before=time.time() + 1, created_after=time.time() - 60).total == 3


def test_a_page_ends_at_eight_mebibytes_and_has_at_least_one_job(rd):
    sizes = [3_000_000] * 5 + [9_000_000] + [10]
    added = [jobs.add_job(None, None, "sleep", params={"x": "x" * size})["id"] for size in sizes]
    pages, cursor = [], ""
    while cursor is not None:
        page = jobs.get_jobs(ascending=True, cursor=cursor or None)
        assert page.total == len(added)
        pages.append([added.index(job["id"]) for job in page.jobs])
        cursor = page.next

    assert pages == [[0, 1], [2, 3], [4], [5], [6]]


def test_two_filters_are_walked_in_short_calls_and_counted_whole(worker, monkeypatch):
    # Given jobs of two analyses, created in turn, some of which have ended
    monkeypatch.setattr(listing, "MAX_WALKED", 3)
    monkeypatch.setattr(listing, "_READ", 2)
    made = [jobs.add_job(None, None, ("sleep", "summary")[n % 3 == 0])["id"] for n in range(30)]
    for jid in made[::4]:
        jobs.cancel_job(jid)
    expected = [jid for n, jid in enumerate(made) if n % 3 and n % 4]
    # when those that wait are listed by analysis, page by page in either order, then each comes once
    for ascending in (True, False):
        found, cursor = [], ""
        while cursor is not None:
            page = jobs.get_jobs(
                status="submitted", analysis="sleep", ascending=ascending, limit=4, cursor=cursor or None
            )
            assert page.total == len(expected)
            found += [job["id"] for job in page.jobs]
            cursor = page.next
        assert found == expected[:: 1 if ascending else -1]
    # and so is what a worker holds
    held = jobs.q.get().id
    both = [jobs.get_jobs(status="in progress", analysis=name) for name in ("sleep", "summary")]
    assert sorted((page.total, [job["id"] for job in page.jobs]) for page in both) == [(0, []), (1, [held])]


def test_a_job_that_leaves_a_status_while_it_is_listed_is_left_out(worker, monkeypatch):
    first, second = _add(2)
    read = listing.read_records
    monkeypatch.setattr(listing, "read_records", lambda *words: jobs.cancel_job(first["id"]) and read(*words))

    page = jobs.get_jobs(status="submitted")

    assert [job["id"] for job in page.jobs] == [second["id"]]


def test_a_cursor_that_no_page_gave_is_refused(rd):
    with pytest.raises(jobs.InvalidCursor):
        jobs.get_jobs(cursor="1")


def test_jobs_pin_the_version_that_they_were_submitted_with(worker):
    jobs.rd.set("data.current", "v1")
    jobs.rd.hset("data.v1", mapping={"description": "{}", "chunks": 1})
    jobs.rd.set("data.v1.0", "rows")
    added = _add(2, dataset="v1")
    assert jobs.rd.hget("data.v1", "pins") == b"2"
    jobs.rd.set("data.current", "v2")

    jobs.cancel_job(added[0]["id"])
    assert jobs.rd.exists("data.v1", "data.v1.0") == 2
    jobs.q.get()
    _finish(jobs.q.get())

    assert jobs.rd.keys("data.*") == [b"data.current"]
    with pytest.raises(jobs.DatasetChanged):
        _add(dataset="v1")


def test_while_a_lost_queue_is_repaired_each_job_is_queued_once(worker):
    # Given jobs of which one runs, and one is scheduled, when the queue was lost
    jobs.heartbeat([worker])
    first = [job["id"] for job in _add(4)]
    later = _add(1, delay=60)[0]["id"]
    last = [job["id"] for job in _add(4)]
    running = jobs.q.get()
    jobs.q._client.flushdb()
    jobs.register_worker(worker, "host", 1)
    # when it is half repaired, and jobs are added, put, due, cancelled, taken and given back in between
    assert jobs._run("repair", 3)[1] == 3
    assert rd_queue() == [running.id, *first[1:3]]
    added = [job["id"] for job in _add(2)]
    jobs.update_job_status(later, "submitted")
    jobs.q.put(last[0], first[1])
    jobs.cancel_job(first[3])
    taken = jobs.q.get()
    assert taken.id == running.id
    _release(taken, "drain")
    assert rd_queue() == [running.id, first[2], first[1]]
    while jobs.heartbeat([worker]).more:
        pass
    # then each waits once, in the order of creation but for what was moved by hand
    assert rd_queue() == [running.id, first[2], first[1], later, *last, *added]
    assert jobs.rd.hget(f"job.{running.id}", "failed_attempts") is None
    assert find_violations(jobs.rd, jobs.q._client) == []


def test_only_a_queue_that_was_lost_is_repaired(worker):
    _add(3)
    for _ in range(2):
        assert not jobs.heartbeat([worker]).more
    # A queue of a release before had no epoch, nor had its records.
    jobs.rd.delete("queue.epoch")
    jobs.q._client.delete("hotqueue:queue.epoch")
    assert not jobs.heartbeat([worker]).more
    assert len(jobs.q) == 3


def test_as_many_idle_workers_are_woken_as_there_are_jobs(rd):
    for n in range(5):
        jobs.register_worker(str(n), "host", n)

    _add(2)
    assert jobs.q._client.llen("hotqueue:queue.wake") == 2
    _add(10)
    assert jobs.q._client.llen("hotqueue:queue.wake") == 5


def test_a_worker_that_finds_nothing_leaves_no_stale_wake_token(worker):
    jobs.cancel_job(_add()[0]["id"])

    assert jobs.q.get() is None
    assert jobs.q._client.exists("hotqueue:queue.wake") == 0


def test_a_heartbeat_never_creates_a_worker_and_names_those_whose_lease_is_over(worker):
    jobs.register_worker("stalled", "host", 1)
    jobs.q._client.zadd("workers", {"stalled": 1})

    learned = jobs.heartbeat([worker, "unknown"])

    assert learned.expired == ["stalled"]
    assert learned.held[1] is None
    assert [one["id"] for one in jobs.get_workers()] == [worker]


def _register(*workers: str) -> None:
    for each in workers:
        jobs.register_worker(each, "host", 1)
    jobs.heartbeat([])


def test_one_of_the_supervisors_without_jobs_keeps_house_and_the_others_pause_for_less_than_a_third_of_a_lease(rd):
    _register(*(f"w{n}" for n in range(20)))

    pauses = [jobs.heartbeat([f"w{n}"]).pause for n in (0, 1, 2, 0, 1)]

    assert pauses == [1, 4.5, 4.5, 1, 4.5]


def test_another_supervisor_keeps_house_once_the_first_has_stopped(rd):
    _register("a", "b", "c", "d")
    assert [jobs.heartbeat([each]).pause for each in "ab"] == [1, 2]

    # When the first drains; had it been killed, it would lose its place after two seconds without heartbeats
    assert 0 < jobs.q._client.pttl("hotqueue:queue.housekeeper") <= 2000
    jobs.deregister_worker("a", ReleaseReason.DRAIN)

    assert [jobs.heartbeat([each]).pause for each in "bc"] == [1, 1.5]


def test_a_supervisor_with_half_of_the_workers_pauses_no_longer_than_the_one_that_keeps_house(rd):
    _register("a", "b")

    assert [jobs.heartbeat([each]).pause for each in "ab"] == [1, 1]


def test_a_supervisor_of_few_workers_does_not_pause_while_one_of_its_own_holds_a_job(worker):
    _register("other")
    _add()
    jobs.q.get()

    busy, idle = (jobs.heartbeat([each]) for each in (worker, "other"))

    assert busy.pause == busy.busy_pause < 0.01
    assert idle.pause == 1


def test_the_more_workers_there_are_the_longer_a_supervisor_with_jobs_pauses_but_the_one_that_keeps_house(rd):
    _register("keeper", "worker")
    jobs.heartbeat(["keeper"])
    paused = []
    for count in (1_000, 5_000, 20_000):
        jobs.q._client.zadd("workers", {f"more-{n}": (time.time() + 10) * 1e6 for n in range(count)})
        paused.append([round(jobs.heartbeat([each]).busy_pause, 1) for each in ("keeper", "worker")])

    assert paused == [[0.9, 0.9], [1, 4.5], [1, 4.5]]


def test_the_supervisor_that_keeps_house_does_not_pause_while_a_job_is_due(worker):
    _register("other")
    assert [jobs.heartbeat([each]).pause for each in (worker, "other")] == [1, 1]

    _add(delay=0.5)

    assert [jobs.heartbeat([each]).pause for each in (worker, "other")] == [0, 1]


def test_a_deadline_of_another_clock_is_cut_to_one_lease(worker):
    jobs.q._client.zadd("workers", {worker: (time.time() + 3600) * 1e6})

    jobs.heartbeat([])

    assert jobs.q._client.zscore("workers", worker) <= (time.time() + jobs.settings.lease_seconds + 1) * 1e6


def test_a_worker_whose_lease_was_renewed_meanwhile_is_left_alone(worker):
    _add()
    job = jobs.q.get()

    assert jobs.deregister_worker(worker, "lost", _error("lost"), expired=True) is None
    assert _status({"id": job.id}) == "in progress"


def test_progress_is_noted_for_the_attempt_that_runs_alone(worker):
    _add()
    job = jobs.q.get()
    jobs.report_progress(job.run, worker, 0.5, "half", "so far")
    running = jobs.get_job_by_id(job.id)
    assert (running["progress"], running["message"]) == (0.5, "half")
    assert "so far" in jobs.get_log(job.id)

    _release(job, "killed")
    jobs.report_progress(job.run, worker, 0.9, "late", "late")

    assert jobs.get_job_by_id(job.id)["progress"] == 0
    assert "late" not in jobs.get_log(job.id)


def test_both_databases_may_be_one(rd):
    jobs.connect(Settings(redis_db=0, queue_db=0), rd)
    jobs.register_worker("w", "host", 1)
    jobs.q.set_worker_id("w")
    added = _add()[0]

    _finish(jobs.q.get())

    assert _status(added) == "complete"
    assert len(jobs.q) == 0


def _push(*ids):
    """As a plain HotQueue does, which asks for nothing."""
    jobs.q._client.rpush("hotqueue:queue", *ids)


def test_ids_pushed_by_others_are_dropped_unless_their_jobs_wait(worker):
    added = _add()[0]
    _push("nonsense", added["id"])

    assert jobs.q.get().id == added["id"]
    _finish(jobs.q.get())
    assert jobs.q.get() is None


def test_an_id_put_by_hand_waits_once_and_only_while_its_job_does(worker):
    high, low = _add(priority="high")[0]["id"], _add(priority="low")[0]["id"]
    jobs.q.put("nonsense", low, high, low)
    jobs.q.put(high)
    taken = jobs.q.get()
    jobs.q.put(taken.id)

    jobs.q.defer_release(taken, "drain", "", "")

    assert [jobs.q.get().id, jobs.get_stats()["queue"]["total"]] == [high, 1]


def test_a_job_that_others_hold_is_not_taken_once_more_where_its_id_was_pushed_again(worker):
    _add()
    held = jobs.q.get()
    _push(held.id)
    jobs.register_worker("other", "host", 2)
    jobs.q.set_worker_id("other")

    assert jobs.q.get() is None
    assert {w["id"]: w["job"] for w in jobs.get_workers()} == {worker: held.id, "other": None}


def test_no_id_is_between_two_calls_where_many_are_dropped(worker):
    _push(*(f"nonsense {n}" for n in range(100)))
    added = _add()[0]["id"]

    answer = jobs._run("claim", worker, 0)

    assert answer[0] in (b"again", "again")
    jobs.deregister_worker(worker, "drain")
    jobs.register_worker(worker, "host", 1)
    assert jobs.q.get().id == added


def test_failed_attempts_that_an_older_worker_counted_count(worker):
    added = _add()[0]
    jobs.rd.hset(f"job.{added['id']}", "charged", 2)

    _release(jobs.q.get(), "killed")

    assert _status(added) == "failed"
    assert jobs.rd.hget(f"job.{added['id']}", "failed_attempts") == b"3"


def test_each_reason_of_a_release_is_described_where_it_is_decided():
    text = Path(jobstore.__file__).parent.joinpath("lua/includes/release_job.lua").read_text()
    [described] = re.findall(r"^--   reasons: (.*?)(?=^[^-])", text, re.MULTILINE | re.DOTALL)
    words = [line.removeprefix("--").strip().split("  ")[0] for line in described.splitlines()]
    assert sorted(word for line in words for word in line.split(", ")) == sorted(jobs.ReleaseReason)
    assert set(re.findall(r"reason == '(\w+)'|(\w+) = true", text)) <= {
        pair for reason in jobs.ReleaseReason for pair in ((reason, ""), ("", reason))
    }


def test_what_a_worker_holds_after_a_finish_is_in_progress(worker):
    _add(2)
    first = jobs.q.get()
    jobs.cancel_job(jobs.get_jobs(status="submitted").jobs[0]["id"])

    jobs._run("finish_claim", worker, first.id, first.attempt, "{}", "", 0, "", "")

    assert jobs.get_stats()["jobs"]["in progress"] == 0


def test_an_idempotency_key_lives_until_the_last_of_its_jobs_is_removed(worker):
    asked = [Submission(start=n, end=None, analysis="sleep") for n in range(2)]
    made, _ = jobs.add_jobs(asked, Idempotency("key", "body"))
    for job in made:
        jobs.cancel_job(job["id"])

    jobs.delete_job(made[0]["id"])
    assert [job["id"] for job in jobs.find_by_idempotency_key(Idempotency("key", "body"))] == [made[1]["id"]]

    jobs.delete_job(made[1]["id"])
    assert jobs.find_by_idempotency_key(Idempotency("key", "body")) is None
    assert jobs.rd.keys("*") == []


def test_a_job_of_a_day_ago_does_not_take_the_key_that_was_used_again(worker):
    asked, key = [Submission(start=None, end=None, analysis="sleep")], Idempotency("key", "body")
    old = jobs.add_jobs(asked, key)[0][0]
    jobs.rd.delete(f"idempotency.{key.hash}")
    new = jobs.add_jobs(asked, key)[0][0]
    jobs.cancel_job(old["id"])

    jobs.delete_job(old["id"])

    assert jobs.add_jobs(asked, key) == ([new], True)


def test_what_was_created_after_a_job_is_not_that_job(rd):
    created = datetime.fromisoformat(_add()[0]["created"]).timestamp()

    assert jobs.get_jobs(created_after=created).jobs == []
