"""Limits by key: requests in a time, and unfinished jobs."""

import dataclasses
import re

import pytest

import jobs
from api import create_app
from config.settings import InvalidSetting, load
from ops.invariants import find_violations
from tests.keys import bearer, line_of, write_keys

NAP = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0}}


@pytest.fixture
def make(rd, tmp_path):
    keys = write_keys(tmp_path / "keys", line_of("ann", "submit"), line_of("bob", "submit"), line_of("root", "admin"))

    def client(**settings):
        limited = dataclasses.replace(jobs.settings, api_keys_file=str(keys), **settings)
        return create_app(limited, redis_client=rd).test_client()

    return client


def is_refusal(answer):
    assert answer.status_code == 429
    assert answer.mimetype == "application/problem+json"
    assert answer.json["type"] == "/problems/too-many-requests"
    assert int(answer.headers["Retry-After"]) >= 1
    return answer


@pytest.mark.parametrize(
    "rate", ["600", "600/", "/minute", "0/minute", "-1/minute", "1.5/second", "600/minutes", "600 per minute", "5/week",
             "5/minute;6/hour", "\u0665/minute", "9" * 12 + "/day"],
)  # fmt: skip
def test_a_rate_is_read_strictly_at_the_start(rate):
    with pytest.raises(InvalidSetting, match=r"RATE_LIMIT=.*: expected requests per second, minute, hour or day"):
        load({"RATE_LIMIT": rate})


@pytest.mark.parametrize(("rate", "seconds"), [("3/second", 1), ("3/minute", 60), ("3/hour", 3600), ("3/day", 86400)])
def test_requests_beyond_the_rate_of_a_key_are_refused(make, rate, seconds):
    # Given a rate of three requests
    client = make(rate_limit=rate)
    # when four are sent, then the last one is refused, and each answer has what is left
    answers = [client.get(path, headers=bearer("ann")) for path in ("/jobs", "/nothing", "/jobs?x=y", "/jobs")]
    assert [answer.status_code for answer in answers] == [200, 404, 422, 429]
    for left, answer in zip((2, 1, 0, 0), answers, strict=True):
        assert answer.headers["RateLimit-Policy"] == f'"default";q=3;w={seconds}'
        found = re.fullmatch(rf'"default";r={left};t=(\d+)', answer.headers["RateLimit"])
        assert 1 <= int(found[1]) <= seconds + 1
    assert int(is_refusal(answers[3]).headers["Retry-After"]) == int(found[1])
    # and other keys, probes and requests without a key are not affected
    assert client.get("/jobs", headers=bearer("bob")).status_code == 200
    for answer in (client.get("/health"), client.get("/jobs")):
        assert "RateLimit" not in answer.headers
        assert answer.status_code in (200, 401)


def test_all_processes_count_together_and_the_window_ends(make, rd):
    one, other = make(rate_limit="2/minute"), make(rate_limit="2/minute")
    assert [client.get("/jobs", headers=bearer("ann")).status_code for client in (one, other, one)] == [200, 200, 429]
    [counter] = rd.keys("rate:*")
    assert 0 < rd.ttl(counter) <= 60
    rd.delete(counter)
    assert one.get("/jobs", headers=bearer("ann")).status_code == 200


def test_a_session_counts_for_its_key(make):
    client = make(rate_limit="2/minute")
    client.post("/ui/sign-in", data={"key": "ann"})
    assert client.get("/jobs").status_code == 200
    assert client.get("/jobs", headers=bearer("ann")).status_code == 200
    assert client.get("/jobs").status_code == 429


def test_without_a_rate_there_are_no_headers_of_it(make):
    assert not [name for name, _ in make().get("/jobs", headers=bearer("ann")).headers if name.startswith("RateLimit")]


def test_redis_away_is_503_and_the_limit_breaks_nothing(make, rd):
    client = make(rate_limit="2/minute")
    rd.connection_pool.connection_kwargs["server"].connected = False
    answer = client.get("/jobs", headers=bearer("ann"))
    assert (answer.status_code, answer.json["type"]) == (503, "/problems/unavailable")
    assert client.get("/health").status_code == 200
    rd.connection_pool.connection_kwargs["server"].connected = True
    assert client.get("/jobs", headers=bearer("ann")).status_code == 200


def post(client, body, key="ann", **options):
    return client.post("/jobs", json=body, headers={**bearer(key), **options})


def test_a_key_may_have_so_many_unfinished_jobs_and_a_bulk_counts_each(make):
    # Given a quota of three
    client = make(max_unfinished_jobs=3)
    # when four are posted at once, then none is accepted
    refused = is_refusal(post(client, [NAP] * 4))
    assert refused.headers["RateLimit-Policy"] == '"unfinished-jobs";q=3'
    assert refused.headers["RateLimit"] == '"unfinished-jobs";r=3'
    assert client.get("/jobs", headers=bearer("ann")).json["total"] == 0
    # when three are, waiting or scheduled, then there is room for none
    assert post(client, [NAP, NAP]).status_code == 202
    assert post(client, {**NAP, "delay": 60}).status_code == 202
    assert is_refusal(post(client, NAP)).headers["RateLimit"] == '"unfinished-jobs";r=0'
    # and other keys have quotas of their own
    assert post(client, [NAP] * 3, "bob").status_code == 202


def test_a_retry_counts_and_a_replay_does_not(make):
    client = make(max_unfinished_jobs=1)
    first = post(client, NAP, **{"Idempotency-Key": "k"}).json["id"]
    assert post(client, NAP, **{"Idempotency-Key": "k"}).headers["Idempotency-Replayed"] == "true"
    client.post(f"/jobs/{first}/cancel", headers=bearer("ann"))
    assert client.post(f"/jobs/{first}/retry", headers=bearer("ann")).status_code == 202
    is_refusal(client.post(f"/jobs/{first}/retry", headers=bearer("ann")))


def test_both_limits_are_described_together(make):
    client = make(max_unfinished_jobs=1, rate_limit="9/minute")
    answer = is_refusal(post(client, [NAP] * 2))
    assert answer.headers["RateLimit-Policy"] == '"default";q=9;w=60, "unfinished-jobs";q=1'
    assert re.fullmatch(r'"default";r=8;t=\d+, "unfinished-jobs";r=1', answer.headers["RateLimit"])


def test_every_end_of_a_job_makes_room(make, rd, worker):
    client = make(max_unfinished_jobs=1)

    def held():
        job = jobs.q.get()
        assert is_refusal(post(client, NAP))
        return job

    # Given a job that completes, one that fails, one that is cancelled while it waits, and one while it runs
    post(client, NAP)
    jobs.q.defer_complete(held(), '{"attempt":1}', [], "")
    jobs.q.flush()
    assert post(client, {**NAP, "max_attempts": 1}).status_code == 202
    jobs.q.defer_release(held(), jobs.ReleaseReason.ERROR, "{}", "")
    jobs.q.flush()
    assert post(client, NAP).status_code == 202
    for take in (False, True):
        job = (
            post(client, NAP).json
            if take
            else client.get("/jobs?status=submitted", headers=bearer("ann")).json["jobs"][0]
        )
        if take:
            held()
        assert client.post(f"/jobs/{job['id']}/cancel", headers=bearer("ann")).status_code == 200
    # then there is room after each, and the index agrees with the records
    assert rd.zcard("jobs.unfinished.ann") == 0
    assert post(client, NAP).status_code == 202
    assert [violation for violation in find_violations(rd, jobs.q._client) if "unfinished" in violation.key] == []


def test_a_large_bulk_counts_before_it_is_published(make, rd, monkeypatch):
    # Given a bulk in slices whose process dies after it was accepted
    client = make(max_unfinished_jobs=300)
    monkeypatch.setattr("jobstore.bulk.publish", lambda *_: None)
    assert post(client, [NAP] * 300).status_code == 202
    # then it counts, and so it does once others have published it
    is_refusal(post(client, NAP))
    assert jobs.heartbeat([]).more
    is_refusal(post(client, NAP))
    while jobs.heartbeat([]).more:
        pass
    assert rd.zcard("jobs.unfinished.ann") == 300
    is_refusal(post(client, NAP))
    assert post(client, NAP, "bob").status_code == 202
