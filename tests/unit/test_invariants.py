"""A healthy Redis breaks no invariant; each way of breaking one by hand is found, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

import fakeredis
import pytest
import redis

import jobs
from config.settings import Settings
from jobs import Idempotency, Submission
from jobstore import Transitions
from ops.invariants import Violation, find_violations
from ops.invariants.reader import Reader

WEEK = Settings().retention_seconds


class Healthy(NamedTuple):
    """A Redis with jobs in each status, by status, whose worker is ``worker``."""

    rd: redis.Redis
    queue: redis.Redis
    worker: str
    ids: dict[str, str]

    @property
    def queue_db(self) -> int:
        return self.queue.connection_pool.connection_kwargs["db"]

    def look(self) -> list[Violation]:
        return find_violations(self.rd, self.queue)


@pytest.fixture(params=["two databases", "one database"])
def healthy(request) -> Healthy:
    server, queue_db = fakeredis.FakeServer(), int(request.param == "two databases")
    rd, queue = fakeredis.FakeRedis(server=server, db=0), fakeredis.FakeRedis(server=server, db=queue_db)
    jobs.connect(Settings(redis_db=0, queue_db=queue_db), rd)
    rd.hset("data.v1", mapping={"description": "{}", "chunks": 1, "pins": 0})
    rd.mset({"data.v1.0": "rows", "data.current": "v1", "data.owner": "ann", "data.folder": "f"})
    rd.set("session.hash", "digest", ex=60)
    rd.set("rate:LIMITER/ann/1/1/minute", 1, ex=60)
    rd.hset("operation.ended", mapping={"action": "cancel", "status": "complete"})
    rd.expire("operation.ended", 60)
    rd.hset("operation.runs", mapping={"action": "delete", "status": "in progress"})
    rd.zadd("operations", {"runs": 1})
    jobs.register_worker("w", "host", 1)
    jobs.q.set_worker_id("w")
    return Healthy(rd, queue, "w", _jobs_in_each_status())


def _jobs_in_each_status() -> dict[str, str]:
    ids = {}
    for status in ("complete", "failed", "in progress"):
        ids[status] = _add()
        taken = jobs.q.get()
        if status == "complete":
            jobs.q.defer_complete(
                taken, json.dumps({"params": {"attempt": 7}, "attempt": 1}), [("plot.png", b"")], "said"
            )
        elif status == "failed":
            jobs.q.defer_release(taken, "invalid", "{}", "")
        jobs.q.flush()
    ids["cancelled"] = _add()
    jobs.cancel_job(ids["cancelled"])
    ids["scheduled"] = _add(delay=1000)
    ids["submitted"] = jobs.add_jobs([_asked()], Idempotency("key", "body"))[0][0]["id"]
    return ids


def _asked(**options) -> Submission:
    return Submission(start=None, end=None, analysis="sleep", dataset="v1", owner="ann", **options)


def _add(**options) -> str:
    return jobs.add_jobs([_asked(**options)])[0][0]["id"]


def test_a_healthy_redis_breaks_nothing(healthy):
    assert set(healthy.ids) == set(jobs.Status)
    assert healthy.look() == []


def test_a_queued_id_whose_job_does_not_wait_is_allowed(healthy):
    healthy.queue.rpush("hotqueue:queue", "nonsense", *healthy.ids.values())
    healthy.queue.lrem("hotqueue:queue", 1, healthy.ids["submitted"])

    assert healthy.look() == []


def test_another_queue_in_the_same_database_is_none_of_ours(healthy):
    # Given two queues that are kept by workers of their own, each with its own records
    jobs.heartbeat(["w"])
    other = Transitions(healthy.queue, records_db=5, queue_db=healthy.queue_db, queue_name="b")
    other.run("register", "of b", 15_000_000, "host", 2)
    other.run("repair", 100)
    healthy.queue.rpush("hotqueue:b:of b", "held")
    healthy.queue.rpush("hotqueue:b.low", "waits")
    assert jobs.heartbeat(["w", "of b"]).held[1] is None
    assert healthy.look() == []


BREAKAGES: dict[str, tuple[int, str, Callable[[Healthy], object]]] = {}


def breaks(invariant: int, what: str) -> Callable[[Callable[[Healthy], object]], Callable[[Healthy], object]]:
    """Registers a way to break this invariant; `what` is part of what must be said."""

    def register(way: Callable[[Healthy], object]) -> Callable[[Healthy], object]:
        BREAKAGES[way.__name__] = (invariant, what, way)
        return way

    return register


# ---------------------------------------- 1: a record, and one place


@breaks(1, "submitted, and 0 times in the queues")
def a_submitted_job_is_in_no_queue(h):
    h.queue.delete("hotqueue:queue")


@breaks(1, "submitted, and 2 times in the queues")
def a_submitted_job_is_in_two_queues(h):
    h.queue.rpush("hotqueue:queue.low", h.ids["submitted"])


@breaks(1, "scheduled, and not among what is due")
def a_scheduled_job_is_not_in_the_scheduled_set(h):
    h.rd.zrem("jobs.due", h.ids["scheduled"])


@breaks(1, "submitted, and due some time")
def a_submitted_job_is_in_the_scheduled_set_too(h):
    h.rd.zadd("jobs.due", {h.ids["submitted"]: 1})


@breaks(3, "submitted, and 1 workers hold it")
def a_worker_holds_a_job_that_it_never_took(h):
    h.queue.lset("hotqueue:queue:w", 0, h.ids["submitted"])


@breaks(1, "in progress, and its worker 'w' holds []")
def the_worker_in_the_record_holds_nothing(h):
    h.queue.delete("hotqueue:queue:w")


@breaks(1, "in progress, and its worker 'w' is not registered")
def the_worker_in_the_record_is_not_registered(h):
    h.queue.zrem("workers", "w")


@breaks(1, "in progress, and 2 workers hold it")
def two_workers_hold_one_job(h):
    jobs.register_worker("other", "host", 2)
    h.queue.rpush("hotqueue:queue:other", h.ids["in progress"])


@breaks(1, "a worker holds 2 jobs")
def a_worker_holds_two_jobs(h):
    h.queue.rpush("hotqueue:queue:w", "nonsense")


@breaks(1, "a worker holds it, and it has no record")
def a_job_in_progress_has_no_record(h):
    h.rd.delete(f"job.{h.ids['in progress']}")


# ---------------------------------------- 2: ends, results


@breaks(2, "submitted, and it has ended before")
def a_complete_job_is_submitted_again(h):
    _force(h, "complete", "submitted")


@breaks(2, "complete, and there are no results")
def a_complete_job_has_no_results(h):
    h.rd.delete(f"results.{h.ids['complete']}")


@breaks(2, "failed, and there are results")
def a_failed_job_has_results(h):
    h.rd.hset(f"results.{h.ids['failed']}", "document", '{"attempt":1}')


@breaks(2, "its results are of attempt 2")
def the_results_are_of_another_attempt(h):
    h.rd.hset(f"results.{h.ids['complete']}", "document", '{"attempt":2}')


@breaks(2, "its results are of attempt no number")
def the_results_do_not_say_their_attempt(h):
    h.rd.hset(f"results.{h.ids['complete']}", "document", "{")


@breaks(2, "complete, and its record says not when")
def an_ended_job_has_no_end(h):
    h.rd.hdel(f"job.{h.ids['complete']}", "ended")


# ---------------------------------------- 3: charges, in progress


@breaks(3, "charged 4 of 3 attempts")
def a_job_is_charged_more_than_it_may(h):
    h.rd.hset(f"job.{h.ids['failed']}", mapping={"failed_attempts": 4, "attempt": 4})


@breaks(3, "charged all of its 3 attempts, and submitted")
def a_job_with_no_attempt_left_goes_on(h):
    h.rd.hset(f"job.{h.ids['submitted']}", mapping={"charged": 3, "attempt": 3})


@breaks(3, "charged 2 attempts of 1 that were made")
def a_job_is_charged_more_than_it_ran(h):
    h.rd.hset(f"job.{h.ids['failed']}", "failed_attempts", 2)


@breaks(3, "complete, and 1 workers hold it")
def a_worker_holds_a_complete_job(h):
    h.queue.lset("hotqueue:queue:w", 0, h.ids["complete"])


# ---------------------------------------- 4: indexes, counts, pins, owners, time


@breaks(4, "is not there with its creation")
def a_job_is_missing_in_the_listing(h):
    h.rd.zrem("jobs", h.ids["submitted"])


@breaks(4, "is not there with its creation")
def a_job_is_missing_in_the_index_of_its_status(h):
    h.rd.zrem("jobs.failed", h.ids["failed"])


@breaks(4, "is not there with its creation")
def a_job_is_missing_in_the_index_of_its_analysis(h):
    h.rd.zrem("jobs.analysis.sleep", h.ids["failed"])


@breaks(4, "is not there with its creation")
def an_unfinished_job_does_not_count_for_its_owner(h):
    h.rd.zrem("jobs.unfinished.ann", h.ids["in progress"])


@breaks(4, "which is failed and of analysis sleep")
def an_ended_job_counts_for_its_owner(h):
    h.rd.zadd("jobs.unfinished.ann", {h.ids["failed"]: h.rd.zscore("jobs.failed", h.ids["failed"])})


@breaks(4, "which is submitted and of analysis sleep")
def a_job_counts_for_somebody_else(h):
    h.rd.zadd("jobs.unfinished.bob", {h.ids["submitted"]: h.rd.zscore("jobs", h.ids["submitted"])})


@breaks(4, "does not expire")
def a_session_never_ends(h):
    h.rd.persist("session.hash")


@breaks(4, "does not expire")
def a_count_of_requests_stays(h):
    h.rd.persist("rate:LIMITER/ann/1/1/minute")


@breaks(4, "complete, and kept")
def an_ended_operation_stays(h):
    h.rd.persist("operation.ended")


@breaks(4, "complete, and expires")
def an_ended_operation_is_worked_on(h):
    h.rd.zadd("operations", {"ended": 1})


@breaks(4, "in progress, and expires")
def an_operation_in_progress_expires(h):
    h.rd.expire("operation.runs", 60)


@breaks(4, "in progress, and kept")
def nobody_works_on_an_operation(h):
    h.rd.zrem("operations", "runs")


@breaks(4, "is not there with its creation")
def an_index_has_another_creation(h):
    h.rd.zadd("jobs.failed", {h.ids["failed"]: 1})


@breaks(4, "is failed, and not there")
def an_ended_job_is_missing_among_the_ended(h):
    h.rd.lrem("jobs.retention", 0, h.ids["failed"])


@breaks(4, "which is failed and of analysis sleep")
def a_job_is_in_the_index_of_another_status(h):
    h.rd.zadd("jobs.complete", {h.ids["failed"]: 1})


@breaks(4, "which is failed and of analysis sleep")
def a_job_is_in_the_index_of_another_analysis(h):
    h.rd.zadd("jobs.analysis.summary", {h.ids["failed"]: 1})


@breaks(4, "which has no record")
def an_index_names_a_job_that_is_not_there(h):
    h.rd.zadd("jobs.analysis.sleep", {"nobody": 1})


@breaks(4, "its job has no record")
def results_have_no_job(h):
    h.rd.hset("results.nobody", "document", "{}")


@breaks(4, "its job has no record")
def a_log_has_no_job(h):
    h.rd.hset("log.nobody", "1", "said")


@breaks(4, "its record is that of nobody")
def a_record_is_under_another_key(h):
    h.rd.hset(f"job.{h.ids['failed']}", "id", "nobody")


@breaks(4, "status 'odd'")
def a_status_is_unknown(h):
    h.rd.hset(f"job.{h.ids['failed']}", "status", "odd")


@breaks(4, "in its record is no analysis")
def a_record_lacks_a_field(h):
    h.rd.hdel(f"job.{h.ids['failed']}", "analysis")


@breaks(4, "a key that nobody knows")
def there_is_an_unknown_key(h):
    h.rd.set("something", 1)


@breaks(4, "of a bulk that was not accepted, and does not expire")
def a_staged_slice_does_not_expire(h):
    h.rd.rpush("bulk.x.0", "0")


@breaks(4, "a key that nobody knows")
def there_is_an_index_of_what_is_in_progress(h):
    h.rd.zadd("jobs.in progress", {h.ids["in progress"]: 1})


@breaks(4, "a key that nobody knows")
def there_is_an_unknown_key_beside_the_queue(h):
    h.queue.rpush("hotqueue:other", 1)


@breaks(4, "its worker is not registered")
def a_list_has_no_worker(h):
    h.queue.rpush("hotqueue:queue:nobody", "nonsense")


@breaks(4, "its worker is not registered")
def a_description_has_no_worker(h):
    h.queue.hset("worker.nobody", "pid", 1)


@breaks(4, "registered, and nothing tells where it runs")
def a_worker_has_no_description(h):
    h.queue.delete("worker.w")


@breaks(4, "counts 2 jobs as left, and 1 are")
def an_idempotency_key_counts_wrongly(h):
    h.rd.hincrby(_idempotency(h), "left", 1)


@breaks(4, "counts 1 jobs as left, and 0 are")
def an_idempotency_key_outlives_its_jobs(h):
    h.rd.hset(_idempotency(h), "jobs", "nobody")


@breaks(4, "lives for ever")
def an_idempotency_key_lives_for_ever(h):
    h.rd.persist(_idempotency(h))


@breaks(4, "4 pins, and 3 unfinished jobs hold it")
def a_pin_is_left_over(h):
    h.rd.hincrby("data.v1", "pins", 1)


@breaks(4, "2 pins, and 3 unfinished jobs hold it")
def a_pin_is_missing(h):
    h.rd.hincrby("data.v1", "pins", -1)


@breaks(4, "version v1 of its dataset is gone")
def the_dataset_of_an_unfinished_job_is_gone(h):
    h.rd.delete("data.v1")


@breaks(4, "names version v2, which is not kept")
def the_current_version_is_not_kept(h):
    h.rd.set("data.current", "v2")


@breaks(4, "neither current nor pinned")
def a_version_has_no_owner(h):
    h.rd.hset("data.v2", mapping={"description": "{}", "chunks": 0, "pins": 0})


@breaks(4, "without its description")
def a_version_is_only_pins(h):
    h.rd.hset("data.v2", "pins", 1)


@breaks(4, "chunks of this version are gone")
def a_chunk_is_gone(h):
    h.rd.delete("data.v1.0")


@breaks(4, "chunks of this version are gone, or will be")
def a_published_chunk_expires(h):
    h.rd.expire("data.v1.0", 3600)


@breaks(4, "a chunk of no version")
def a_chunk_has_no_version(h):
    h.rd.set("data.v2.0", "rows")


def _change_records(h) -> None:
    """Makes a version that is derived from v1 current."""
    changed = {"description": "{}", "base": "v1", "changes": 1, "log": "v2", "pins": 0}
    h.rd.hset("data.v2", mapping=changed)
    h.rd.rpush("data.v1.changes", "change")
    h.rd.hincrby("data.v1", "pins", 1)
    h.rd.hincrby("data.v1", "derived", 1)
    h.rd.set("data.current", "v2")


@breaks(4, "has 1 changes to v1, of which 0 are kept")
def the_changes_of_a_version_are_gone(h):
    _change_records(h)
    h.rd.delete("data.v1.changes")


@breaks(4, "counts 1 versions that are derived from it, and 0 are")
def a_derived_version_is_gone(h):
    _change_records(h)
    h.rd.delete("data.v2")
    h.rd.set("data.current", "v1")


@breaks(4, "2 pins, and 3 unfinished jobs hold it")
def a_derived_version_does_not_pin_its_base(h):
    _change_records(h)
    h.rd.hincrby("data.v1", "pins", -1)


@breaks(4, "changes that no version needs")
def changes_are_left_over(h):
    h.rd.rpush("data.v1.changes", "change")


@breaks(4, "past its retention, and not removed")
def a_job_is_past_its_retention(h):
    _age(h, WEEK + 70)


@breaks(4, "due, and not queued")
def a_due_job_is_not_queued(h):
    _age(h, 70)
    h.rd.zadd("jobs.due", {h.ids["scheduled"]: _now(h) - 65_000_000})


# ---------------------------------------- 5: cancelled jobs


@breaks(5, "cancelled, and 1 workers hold it")
def a_worker_holds_a_cancelled_job(h):
    h.queue.lset("hotqueue:queue:w", 0, h.ids["cancelled"])


@breaks(5, "cancelled, and there are results")
def a_cancelled_job_has_results(h):
    h.rd.hset(f"results.{h.ids['cancelled']}", "document", '{"attempt":1}')


@breaks(5, "cancelled, and due some time")
def a_cancelled_job_is_due(h):
    h.rd.zadd("jobs.due", {h.ids["cancelled"]: 1})


@breaks(2, "submitted, and it has ended before")
def a_cancelled_job_becomes_something_else(h):
    _force(h, "cancelled", "submitted")


def _force(h: Healthy, before: str, after: str) -> None:
    jid = h.ids[before]
    h.rd.hset(f"job.{jid}", "status", after)
    h.rd.zadd(f"jobs.{after}", {jid: h.rd.zscore(f"jobs.{before}", jid)})
    h.rd.zrem(f"jobs.{before}", jid)
    h.queue.rpush("hotqueue:queue", jid)


def _idempotency(h: Healthy) -> str:
    return h.rd.keys("idempotency.*")[0].decode()


def _now(h: Healthy) -> int:
    seconds, microseconds = h.rd.time()
    return seconds * 1_000_000 + microseconds


def _age(h: Healthy, seconds: float) -> None:
    """As if the complete job had ended so long ago, while a worker lived."""
    jid, then = h.ids["complete"], round(_now(h) - seconds * 1e6)
    h.rd.hset(f"job.{jid}", "ended", then)
    h.queue.hset("worker.w", "since", then)


@pytest.mark.parametrize("way", BREAKAGES)
def test_what_is_broken_by_hand_is_found(healthy, way):
    invariant, what, break_it = BREAKAGES[way]
    break_it(healthy)

    found = healthy.look()

    assert any(broken.invariant == invariant and what in broken.what for broken in found), found


def test_what_only_just_became_due_or_old_is_left_to_the_next_heartbeat(healthy):
    _age(healthy, WEEK + 30)
    healthy.queue.hset("worker.w", "since", 0)
    healthy.rd.zadd("jobs.due", {healthy.ids["scheduled"]: _now(healthy) - 30_000_000})

    assert healthy.look() == []


def test_what_is_late_while_no_worker_lived_is_not_reported(healthy):
    _age(healthy, WEEK + 70)
    healthy.queue.hset("worker.w", "since", _now(healthy))

    assert healthy.look() == []


def test_the_search_ends_after_a_thousand(healthy):
    healthy.rd.mset({f"odd{n}": 1 for n in range(1100)})

    assert len(healthy.look()) == 1000


# More unfinished jobs than are counted at one moment: twenty thousand, and one here.


def test_a_version_that_is_derived_from_another_breaks_nothing(healthy):
    _change_records(healthy)
    assert healthy.look() == []


@pytest.mark.parametrize("wrong", [-1, 0, 1])
def test_pins_are_counted_however_many_jobs_wait(healthy, monkeypatch, wrong):
    monkeypatch.setattr("ops.invariants.reader._PINNING_AT_ONCE", 1)
    healthy.rd.hincrby("data.v1", "pins", wrong)

    found = healthy.look()

    assert len(found) == abs(wrong)
    assert all(f"{3 + wrong} pins, and 3 unfinished jobs hold it" in broken.what for broken in found)


def test_pins_that_move_while_they_are_counted_are_not_reported(healthy, monkeypatch):
    monkeypatch.setattr("ops.invariants.reader._PINNING_AT_ONCE", 1)
    read = Reader._fields

    def read_and_add(reader, keys, *names):
        _add()
        return read(reader, keys, *names)

    monkeypatch.setattr(Reader, "_fields", read_and_add)

    assert healthy.look() == []
