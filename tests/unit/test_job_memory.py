"""Ended jobs take little memory: few indexes, no members at their default, small results in the record."""

from __future__ import annotations

import json
from typing import Any

import fakeredis
import pytest

import jobs
from analyses import Outcome
from config.settings import Settings
from jobs import Submission
from jobstore import ClaimedJob
from ops.invariants import find_violations
from runtime.results import Rows, build_results, parse_selection

RETENTION_US = 7 * 86_400_000_000


@pytest.fixture(autouse=True)
def rd() -> fakeredis.FakeRedis:
    client = fakeredis.FakeRedis(server=fakeredis.FakeServer())
    jobs.connect(Settings(), client)
    jobs.register_worker("w", "host", 1)
    jobs.q.set_worker_id("w")
    return client


def _add(**options: Any) -> str:
    return jobs.add_job(None, None, "sleep", **options)["id"]


def _complete(result: dict[str, Any] | None = None, params: dict[str, Any] | None = None) -> tuple[ClaimedJob, bytes]:
    job = jobs.q.get()
    document, _ = build_results(job, Outcome(result or {}), params or {}, Rows(parse_selection(job)), 10**6)
    jobs.q.defer_complete(job, document, [], "")
    jobs.q.flush()
    return job, document


def _as_an_older_release_ends_them(rd: fakeredis.FakeRedis, ids: list[str]) -> None:
    """Lay out jobs that have just ended as a worker of an older release does."""
    for jid in ids:
        ended, created = map(int, rd.hmget(f"job.{jid}", "ended", "created"))
        rd.zadd("jobs", {jid: created})
        rd.zadd("jobs.ended", {jid: ended})
        rd.lrem("jobs.retention", 0, jid)
        rd.hset(f"job.{jid}", "id", jid)


@pytest.mark.parametrize(
    ("result", "params", "packed"),
    [
        ({}, {}, True),
        ({"mean": 1.5, "text": 'é " ,"result":'}, {}, True),
        ({"text": "x" * 100}, {}, False),
        ({}, {"seconds": 1}, True),
        ({}, {"other": 1}, False),
    ],
)
def test_small_results_are_in_the_record_and_read_byte_for_byte(rd, result, params, packed):
    # Given a job that completes
    jid = _add(params={"seconds": 1} if "seconds" in params else {})
    before = jobs.get_job_by_id(jid)
    _, document = _complete(result, params)
    # then its results are one field of the record, or a key of their own, and read as they were written
    assert bool(rd.hexists(f"job.{jid}", "results")) is packed
    assert bool(rd.exists(f"results.{jid}")) is not packed
    stored = jobs.open_results(jid)
    assert b"".join(stored.read_head()) + b',"artifacts":[]}' == document
    assert (stored.head_bytes, stored.artifacts) == (len(document) - len(b',"artifacts":[]}'), [])
    assert json.loads(document).items() >= jobs.get_results(jid).items()
    # and the job has the members that it had
    after = jobs.get_job_by_id(jid)
    assert [*after] == [*before]
    for name in ("id", "start", "end", "params", "priority", "tags", "max_attempts", "timeout", "retry_of"):
        assert after[name] == before[name]
    assert jobs.get_jobs().jobs == [after]
    assert find_violations(jobs.rd, jobs.q._client) == []


def test_a_record_has_no_member_at_its_default(rd):
    jid = _add()
    assert not {b"tags", b"max_attempts", b"timeout", b"retry_of"} & rd.hgetall(f"job.{jid}").keys()
    jid = _add(tags=("a",), timeout=5.0)
    assert rd.hmget(f"job.{jid}", "tags", "timeout", "max_attempts") == [b'["a"]', b"5.0", None]


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("older", [False, True], ids=["this release", "older release"])
def test_the_listing_merges_unfinished_and_ended_jobs_by_creation(rd, ascending, older):
    # Given jobs of one creation each time, some of which have ended
    ids = [
        job["id"]
        for _ in range(4)
        for job in jobs.add_jobs([Submission(start=None, end=None, analysis="sleep")] * 5)[0]
    ]
    done = [_complete()[0].id for _ in range(7)]
    jobs.cancel_job(ids[12])
    for jid in ids:
        created = 1_700_000_000_000_000 + ids.index(jid) // 5
        rd.hset(f"job.{jid}", "created", created)
        for index in ("jobs", "jobs.submitted", "jobs.complete", "jobs.cancelled", "jobs.analysis.sleep"):
            rd.zadd(index, {jid: created}, xx=True)
    if older:
        _as_an_older_release_ends_them(rd, done)
    # then pages of any size have each once, in order
    expected = sorted(ids, key=lambda jid: (ids.index(jid) // 5, jid), reverse=not ascending)
    for limit in (1, 3, 4, 100):
        found, cursor = [], None
        while True:
            page = jobs.get_jobs(ascending=ascending, limit=limit, cursor=cursor)
            assert page.total == len(ids)
            found += [job["id"] for job in page.jobs]
            cursor = page.next
            if cursor is None:
                break
        assert found == expected


def test_what_an_older_release_ended_is_moved_and_deleted_in_time(rd):
    # Given jobs that a worker of an older release ended, before and after one of this release
    ids = [_add() for _ in range(3)]
    for _ in ids:
        _complete()
    _as_an_older_release_ends_them(rd, [ids[0], ids[2]])
    assert find_violations(jobs.rd, jobs.q._client) == []
    assert jobs.get_jobs(created_after=1.0).total is None
    # when a worker does the housekeeping
    while jobs.heartbeat(["w"]).more:
        pass
    # then they are in the order of their ends, and counted
    assert rd.lrange("jobs.retention", 0, -1) == [jid.encode() for jid in ids]
    assert not rd.exists("jobs.ended", "jobs")
    assert jobs.get_jobs(created_after=1.0).total == 3
    assert find_violations(jobs.rd, jobs.q._client) == []
    # when the retention of the first two is over, and the first was deleted, then only the last is left
    jobs.delete_job(ids[0])
    rd.hincrby(f"job.{ids[1]}", "ended", -RETENTION_US)
    jobs.heartbeat(["w"])
    assert [job["id"] for job in jobs.get_jobs().jobs] == [ids[2]]
    assert rd.lrange("jobs.retention", 0, -1) == [ids[2].encode()]


def test_ends_are_counted_by_second():
    for _ in range(3):
        _add()
    _complete()
    jobs.cancel_job(_add())
    jobs.q.defer_release(jobs.q.get(), "invalid", "{}", "")
    jobs.q.flush()
    assert jobs.get_stats()["throughput_last_minute"] == 3
    minutes = jobs.get_ended_by_minute()
    assert (sum(one.ended for one in minutes), sum(one.failed for one in minutes)) == (3, 1)
    assert not any(one.estimated for one in minutes)
