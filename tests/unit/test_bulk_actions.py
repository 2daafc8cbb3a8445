"""``POST /jobs/cancel``, ``POST /jobs/retry``, ``DELETE /jobs`` and the operations that they start."""

from __future__ import annotations

import dataclasses
import json

import pytest

import jobs
from api import create_app
from jobs import Action, Filters, Status
from jobstore import Operations
from ops.invariants import find_violations
from submission.bulk_actions import BulkActions
from tests.keys import bearer, line_of, write_keys

NAP = {"analysis": "sleep", "params": {"seconds": 0}}


@pytest.fixture
def client(rd):
    yield create_app(redis_client=rd).test_client()
    assert find_violations(jobs.rd, jobs.q._client) == []


@pytest.fixture
def few(monkeypatch):
    """At most three jobs are acted on at once, two in a slice."""
    monkeypatch.setattr("submission.bulk_actions.MAX_AT_ONCE", 3)
    monkeypatch.setattr("web.bulk_actions.MAX_AT_ONCE", 3)
    monkeypatch.setattr("jobstore.operations._SLICE", 2)


def post(client, count=1, key=None, **members) -> list[str]:
    """Post jobs and return their ids."""
    answer = client.post("/jobs", json=[{**NAP, **members}] * count, headers=bearer(key) if key else {})
    assert answer.status_code == 202, answer.text
    return [job["id"] for job in answer.json]


def end(count: int) -> list[str]:
    """End the oldest jobs as complete; return their ids."""
    ended = []
    for _ in range(count):
        taken = jobs.q.get()
        jobs.q.defer_complete(taken, b'{"attempt":1}', [], "")
        jobs.q.flush()
        ended.append(taken.id)
    return ended


def counts(answer) -> tuple[int, int, int]:
    assert answer.status_code == 200, answer.text
    assert answer.json.keys() == {"matched", "done", "skipped"}
    return answer.json["matched"], answer.json["done"], answer.json["skipped"]


def statuses(ids) -> list[str]:
    return [str(jobs.get_job_by_id(jid)["status"]) for jid in ids]


def work(client) -> None:
    """Let the background of this process work until nothing is left."""
    engine = client.application.extensions["bulk actions"]
    while engine.work():
        pass


def abandon() -> None:
    """Let the leases of all operations be over."""
    for id in jobs.rd.zrange("operations", 0, -1):
        jobs.rd.zadd("operations", {id.decode(): 0})


# What matches


@pytest.mark.parametrize(
    ("query", "matched"),
    [
        ("status=submitted", [1, 2, 3]),
        ("status=scheduled", [4]),
        ("status=complete", [0]),
        ("analysis=sleep", [0, 1, 2, 3, 4]),
        ("analysis=summary", []),
        ("tag=a", [1]),
        ("tag=a%20b", [2]),
        ("tag=a&status=submitted", [1]),
        ("tag=a&status=complete", []),
        ("owner=ann", []),
        ("search=SECONDS", [0, 1, 2, 3, 4]),
        ("search=0.25", [3]),
        ("search=a b&status=submitted", [2]),
        ("created_after=2001-01-01", [0, 1, 2, 3, 4]),
        ("created_before=2001-01-01", []),
        ("created_before=2099-01-01&search=0.25&analysis=sleep&status=submitted", [3]),
    ],
)
def test_the_filters_of_the_listing_choose_the_jobs(worker, client, query, matched):
    # Given one complete job, three that wait and one that is scheduled
    ids = post(client)
    end(1)
    ids += [*post(client, tags=["a"]), *post(client, tags=["a b"]), *post(client, params={"seconds": 0.25})]
    ids += post(client, delay=60)
    before = statuses(ids)
    # when those that match are cancelled, then these are, except the one that has ended
    done = [n for n in matched if n]
    assert counts(client.post(f"/jobs/cancel?{query}")) == (len(matched), len(done), len(matched) - len(done))
    assert statuses(ids) == ["cancelled" if n in done else status for n, status in enumerate(before)]
    # and all that have ended and match can be deleted
    if "status" not in query:
        assert counts(client.delete(f"/jobs?{query}")) == (len(matched), len(matched), 0)
        assert len(client.get("/jobs").json["jobs"]) == 5 - len(matched)


@pytest.mark.parametrize(
    ("method", "path", "done"),
    [("POST", "/jobs/cancel", 2), ("POST", "/jobs/retry", 3), ("DELETE", "/jobs", 3)],
)
def test_each_action_is_done_where_the_status_allows_it_and_the_rest_is_skipped(worker, client, method, path, done):
    # Given three jobs that have ended, one that runs and one that waits
    ids = post(client, 5)
    end(2)
    jobs.q.get()
    jobs.cancel_job(ids[3])

    assert counts(client.open(f"{path}?analysis=sleep", method=method)) == (5, done, 5 - done)

    listed = client.get("/jobs").json["jobs"]
    if method == "DELETE":
        assert {job["id"] for job in listed} == {ids[2], ids[4]}
    elif path.endswith("cancel"):
        assert statuses(ids) == ["complete", "complete", "cancelled", "cancelled", "cancelled"]
    else:
        assert statuses(ids) == ["complete", "complete", "in progress", "cancelled", "submitted"]
        assert [job["retry_of"] for job in listed[:3]] == [ids[3], ids[1], ids[0]]
        assert all(job["status"] == "submitted" and job["params"] == {"seconds": 0} for job in listed[:3])


def test_nothing_that_matches_is_no_error(client):
    for method, path in (("POST", "/jobs/cancel"), ("POST", "/jobs/retry"), ("DELETE", "/jobs")):
        assert counts(client.open(f"{path}?status=failed", method=method)) == (0, 0, 0)
    assert jobs.rd.keys("operation*") == []


@pytest.mark.parametrize("query", ["", "?search=", "?tag=&owner="])
def test_at_least_one_filter_is_required(client, query):
    (kept,) = post(client)
    for method, path in (("POST", "/jobs/cancel"), ("POST", "/jobs/retry"), ("DELETE", "/jobs")):
        answer = client.open(path + query, method=method)
        problem = json.loads(answer.data)
        assert (answer.status_code, problem["type"]) == (422, "/problems/invalid")
        assert {error["parameter"] for error in problem["errors"]} == set(Filters._fields)
        assert all(name in problem["detail"] for name in Filters._fields)
    assert statuses([kept]) == ["submitted"]


@pytest.mark.parametrize("query", ["color=red", "status=done", "created_after=soon", "limit=1", "tag=a&tag=b"])
def test_a_filter_that_cannot_be_meant_is_refused_with_its_name(client, query):
    for method, path in (("POST", "/jobs/cancel"), ("POST", "/jobs/retry"), ("DELETE", "/jobs")):
        answer = client.open(f"{path}?{query}", method=method)
        assert answer.status_code == 422
        assert json.loads(answer.data)["errors"][0]["parameter"] == query.split("=")[0]


def test_the_names_of_the_actions_are_no_ids_of_jobs(client):
    post(client)
    for method, path in (("GET", "/jobs/cancel"), ("DELETE", "/jobs/cancel"), ("POST", "/jobs/retry/cancel")):
        assert json.loads(client.open(path, method=method).data)["type"] == "/problems/job-not-found"
    assert client.post("/jobs/cancel?status=submitted", json={"status": "failed"}).status_code == 422
    assert counts(client.post("/jobs/cancel?status=submitted", json={})) == (1, 1, 0)


def test_jobs_that_change_after_they_were_found_are_skipped(worker, client, monkeypatch):
    # Given an operation that has found jobs that wait, of which one starts and one ends meantime
    ids = post(client, 3)
    find = Operations.next_slice

    def find_then_go_on(self, operation):
        found = find(self, operation)
        jobs.q.get()
        jobs.cancel_job(ids[1])
        return found

    monkeypatch.setattr(Operations, "next_slice", find_then_go_on)

    assert counts(client.post("/jobs/cancel?status=submitted")) == (3, 1, 2)
    assert statuses(ids) == ["in progress", "cancelled", "cancelled"]


def test_to_cancel_what_runs_spares_what_starts_instead(client, rd, monkeypatch):
    # Given two workers that take the next job as soon as theirs is cancelled
    monkeypatch.setattr("jobstore.operations._SLICE", 1)
    ids = post(client, 6)
    for name in ("a", "b"):
        jobs.register_worker(name, "host", 1)
        jobs.q.set_worker_id(name)
        jobs.q.get()
    advance = Operations.advance

    def advance_then_take(self, *arguments, **more):
        after = advance(self, *arguments, **more)
        for name in ("a", "b"):
            jobs.q.set_worker_id(name)
            jobs.q.get()
        return after

    monkeypatch.setattr(Operations, "advance", advance_then_take)

    assert counts(client.post("/jobs/cancel?status=in+progress")) == (2, 2, 0)
    assert statuses(ids) == ["cancelled"] * 2 + ["in progress"] * 2 + ["submitted"] * 2


# Retries


def test_retries_that_todays_dataset_does_not_allow_are_skipped(client):
    # Given jobs of a dataset whose columns are gone, jobs that still fit, and one that reads no dataset
    client.post("/data", data="id,a\n1,2\n2,3\n", content_type="text/csv")
    ids = post(client, 2, analysis="histogram", params={"column": "a"}) + post(client, analysis="summary", params={})
    ids += post(client)
    client.post("/jobs/cancel?status=submitted")
    client.post("/data", data="id,b\n1,2\n2,3\n", content_type="text/csv")

    assert counts(client.post("/jobs/retry?status=cancelled")) == (4, 2, 2)

    made = client.get("/jobs?status=submitted").json["jobs"]
    assert [job["retry_of"] for job in made] == [ids[3], ids[2]]
    client.post("/jobs/cancel?status=submitted")
    client.delete("/data")
    assert counts(client.post("/jobs/retry?analysis=summary")) == (2, 0, 2)
    assert counts(client.post("/jobs/retry?analysis=sleep")) == (2, 2, 0)


def test_retries_keep_what_was_asked_and_large_ones_are_added_in_parts(client):
    asked = {"tags": ["t"], "priority": "high", "timeout": 9.0, "start": "a", "search": "x" * 900}
    old = [*post(client, 2, **asked), *post(client, 30, tags=["x" * 100] * 32)]
    client.post("/jobs/cancel?status=submitted")
    for jid in old:
        jobs.rd.hset(f"job.{jid}", "message", "m" * 60_000)

    assert counts(client.post("/jobs/retry?status=cancelled")) == (32, 32, 0)

    made = [jobs.get_job_by_id(jid["id"]) for jid in client.get("/jobs?status=submitted&order=asc").json["jobs"]]
    assert [job["retry_of"] for job in made] == old
    assert len({job["id"] for job in made}) == 32
    for name, value in asked.items():
        assert made[0][name] == value


def test_a_full_queue_ends_the_retries(client, rd, few):
    ids = post(client, 6)
    client.post("/jobs/cancel?analysis=sleep")
    work(client)
    jobs.connect(dataclasses.replace(jobs.settings, max_queued_jobs=3), rd)
    # at once: the answer is the refusal
    client.post("/jobs/retry?search=" + ids[0])
    client.post("/jobs/retry?search=" + ids[1])
    answer = client.post("/jobs/retry?status=cancelled&created_before=2099-01-01")
    assert answer.status_code == 507
    assert jobs.rd.keys("operations") == []
    # in the background: the operation has failed
    client.post("/jobs/cancel?status=submitted")
    operations = jobs.operations("me")
    started = operations.start(
        Action.RETRY, Filters(status="cancelled"), {"owner": "", "role": "", "request_id": "r", "fingerprint": ""}
    )
    operations.release(started)
    work(client)
    shown = client.get(f"/operations/{started.id}").json
    assert (shown["status"], shown["done"]) == ("failed", 2)
    assert "MAX_QUEUED_JOBS" in shown["error"]


# Operations


@pytest.mark.parametrize(("count", "status"), [(3, 200), (4, 202)])
def test_more_matches_than_can_be_done_at_once_become_an_operation(client, few, count, status):
    post(client, count)
    answer = client.post("/jobs/cancel?status=submitted")
    assert answer.status_code == status
    if status == 200:
        assert counts(answer) == (3, 3, 0)
        return
    # Given an operation that has begun
    place = answer.headers["Location"]
    assert place == answer.json["links"]["self"] == f"/operations/{answer.json['id']}"
    shown = client.get(place)
    assert shown.json == answer.json
    assert shown.headers["Retry-After"]
    assert (shown.json["status"], shown.json["done"], shown.json["matched"]) == ("in progress", 2, 2)
    assert shown.json["progress"] == 0.5
    assert shown.json["action"] == "cancel"
    assert shown.json["filters"] == {"status": "submitted"}
    # when this process works on it, then it is complete, and kept for a while
    work(client)
    shown = client.get(place)
    assert (shown.json["status"], shown.json["done"], shown.json["matched"]) == ("complete", 4, 4)
    assert (shown.json["skipped"], shown.json["progress"], shown.json["error"]) == (0, 1.0, None)
    assert shown.json["ended"] >= shown.json["created"]
    assert "Retry-After" not in shown.headers
    assert 0 < jobs.rd.ttl(f"operation.{shown.json['id']}") <= 86400
    assert client.get("/jobs?status=submitted").json["total"] == 0


def test_a_thousand_are_done_at_once_and_one_more_in_the_background(client):
    post(client, 1000)
    assert counts(client.post("/jobs/cancel?analysis=sleep")) == (1000, 1000, 0)
    post(client)
    answer = client.delete("/jobs?created_before=2099-01-01")
    assert answer.status_code == 202
    work(client)
    shown = client.get(answer.headers["Location"]).json
    assert (shown["matched"], shown["done"], shown["skipped"]) == (1001, 1000, 1)
    assert shown["filters"] == {"created_before": "2099-01-01T00:00:00.000Z"}


@pytest.mark.parametrize("pattern", ["x", ".", "x.", "xx" + "." * 30, "." * 17 + "xxx" * 9, "xxxxxxxx......"])
def test_few_matches_among_many_jobs_are_done_at_once(client, monkeypatch, pattern):
    # Given slices of four, walks of seven, and three walks for a slice
    monkeypatch.setattr("jobstore.operations._SLICE", 4)
    monkeypatch.setattr("jobstore.operations.MAX_WALKED", 7)
    monkeypatch.setattr("jobstore.operations._MAX_STRETCHES", 3)
    wanted = [pattern[n % len(pattern)] == "x" for n in range(200)]
    ids = [job["id"] for job in client.post("/jobs", json=[{**NAP, "tags": ["x"] * each} for each in wanted]).json]
    ended = []
    finish = Operations.forget

    def forget(self, operation):
        ended.append(operation)
        return finish(self, operation)

    monkeypatch.setattr(Operations, "forget", forget)
    matched = sum(wanted)

    assert counts(client.post("/jobs/cancel?tag=x")) == (matched, matched, 0)

    assert statuses(ids) == ["cancelled" if each else "submitted" for each in wanted]
    # and each of the others was walked once
    assert (ended[0].walked, ended[0].total) == (200, 200)


def test_what_takes_long_to_find_is_done_in_the_background(client, monkeypatch):
    post(client, 3, tags=["a"])
    with monkeypatch.context() as busy:
        busy.setattr("submission.bulk_actions._MAX_SECONDS_AT_ONCE", 0)
        answer = client.post("/jobs/cancel?tag=a")
    assert (answer.status_code, answer.json["matched"], answer.json["status"]) == (202, 0, "in progress")
    work(client)
    assert client.get(answer.headers["Location"]).json["done"] == 3


def test_a_cancelled_operation_leaves_the_rest_as_it_is(client, few):
    ids = post(client, 6)
    place = client.post("/jobs/cancel?status=submitted").headers["Location"]

    answer = client.post(f"{place}/cancel")

    assert (answer.status_code, answer.json["status"], answer.json["done"]) == (200, "cancelled", 2)
    work(client)
    assert statuses(ids) == ["cancelled"] * 2 + ["submitted"] * 4
    assert client.post(f"{place}/cancel").json == client.get(place).json == answer.json
    assert jobs.rd.zcard("operations") == 0


def test_an_operation_that_is_cancelled_while_it_retries_counts_what_it_made(client, few, monkeypatch):
    post(client, 6)
    client.post("/jobs/cancel?analysis=sleep")
    work(client)
    place = client.post("/jobs/retry?analysis=sleep").headers["Location"]
    advance = Operations.advance

    def cancel_before(self, *arguments, **more):
        client.post(f"{place}/cancel")
        return advance(self, *arguments, **more)

    monkeypatch.setattr(Operations, "advance", cancel_before)
    work(client)

    shown = client.get(place).json
    assert (shown["status"], shown["matched"], shown["done"]) == ("cancelled", 4, 4)
    assert client.get("/jobs?status=submitted").json["total"] == 4


def test_no_operation_is_a_404(client):
    for method, path in (("GET", "/operations/x"), ("POST", "/operations/x/cancel")):
        answer = client.open(path, method=method)
        assert (answer.status_code, json.loads(answer.data)["type"]) == (404, "/problems/operation-not-found")


def test_jobs_that_are_made_later_are_spared(client, few):
    post(client, 4)
    place = client.post("/jobs/cancel?analysis=sleep").headers["Location"]
    (later,) = post(client)
    work(client)
    assert client.get(place).json["matched"] == 4
    assert statuses([later]) == ["submitted"]
    # and retries are not retried
    place = client.post("/jobs/retry?analysis=sleep").headers["Location"]
    work(client)
    assert (client.get(place).json["matched"], client.get(place).json["done"]) == (5, 4)


class Killed(BaseException):
    """Ends a process in the middle of what it does."""


@pytest.mark.parametrize("killed", ["before", "after"])
@pytest.mark.parametrize("action", ["cancel", "retry", "delete"])
def test_what_a_killed_process_left_is_finished_by_another_and_nothing_is_done_twice(
    client, few, monkeypatch, action, killed
):
    # Given a process that dies at each slice, before or after its progress is recorded
    ids = post(client, 7)
    if action != "cancel":
        client.post("/jobs/cancel?analysis=sleep")
        work(client)
    method, path = ("DELETE", "/jobs") if action == "delete" else ("POST", f"/jobs/{action}")
    place = client.open(f"{path}?created_before=2099-01-01", method=method).headers["Location"]
    advance = Operations.advance

    def die(self, *arguments, **more):
        if killed == "after":
            advance(self, *arguments, **more)
        raise Killed

    for _ in range(2):
        with monkeypatch.context() as dying:
            dying.setattr(Operations, "advance", die)
            with pytest.raises(Killed):
                BulkActions(client.application, client.application.extensions["store"], 65536).work()
        # while its lease runs, nobody else works on it
        assert not client.application.extensions["bulk actions"].work()
        abandon()
    # when another takes it over
    work(client)
    # then each job is done once
    shown = client.get(place).json
    assert (shown["status"], shown["matched"], shown["done"], shown["skipped"]) == ("complete", 7, 7, 0)
    made = jobs.get_jobs(limit=100).jobs
    if action == "retry":
        assert sorted(job["retry_of"] for job in made if job["retry_of"]) == sorted(ids)
        assert len(made) == 14
    else:
        assert {str(job["status"]) for job in made} <= {"cancelled"}
        assert len(made) == (7 if action == "cancel" else 0)


def test_a_slow_process_that_lost_its_operation_records_nothing(client, few, monkeypatch):
    # Given a process that adds retries and is overtaken by another before it records them
    ids = post(client, 6)
    client.post("/jobs/cancel?analysis=sleep")
    work(client)
    place = client.post("/jobs/retry?analysis=sleep").headers["Location"]
    slow = BulkActions(client.application, client.application.extensions["store"], 65536)
    advance = Operations.advance

    def overtaken(self, *arguments, **more):
        monkeypatch.setattr(Operations, "advance", advance)
        abandon()
        work(client)
        return advance(self, *arguments, **more)

    monkeypatch.setattr(Operations, "advance", overtaken)
    slow.work()

    shown = client.get(place).json
    assert (shown["status"], shown["matched"], shown["done"]) == ("complete", 6, 6)
    assert sorted(job["retry_of"] for job in jobs.get_jobs(status="submitted").jobs) == sorted(ids)


def test_a_reply_that_is_lost_and_sent_again_counts_once(rd):
    # Given an operation on retries, whose last slice is recorded twice
    jobs.add_job(None, None, "sleep")
    operations = jobs.operations("me")
    about = {"owner": "", "role": "", "request_id": "r", "fingerprint": ""}
    operation = operations.start(Action.RETRY, Filters(analysis="sleep"), about)
    assert operations.start(Action.RETRY, Filters(analysis="sleep"), about, operation.id) == operation
    stretch, matched = operations.next_slice(operation)
    first = operations.advance(operation, stretch, matched=len(matched), done=1)
    assert operations.advance(operation, stretch, matched=len(matched), done=1) == first
    assert (first.status, first.matched, first.done) == (Status.COMPLETE, 1, 1)


def test_an_idempotency_key_acts_once(client, few):
    (old,) = post(client)
    jobs.cancel_job(old)
    sent = {"headers": {"Idempotency-Key": "k"}}
    first = client.post("/jobs/retry?status=cancelled", **sent)
    again = client.post("/jobs/retry?status=cancelled", **sent)
    assert counts(first) == counts(again) == (1, 1, 0)
    assert (first.headers.get("Idempotency-Replayed"), again.headers["Idempotency-Replayed"]) == (None, "true")
    assert client.get(again.headers["Content-Location"]).json["done"] == 1
    assert client.get("/jobs").json["total"] == 2
    # but not for another request
    for method, path in (("POST", "/jobs/retry?analysis=sleep"), ("POST", "/jobs/cancel?status=cancelled")):
        answer = client.open(path, method=method, **sent)
        assert json.loads(answer.data)["type"] == "/problems/idempotency-key-reused"
    # and for many, it is the operation
    post(client, 6)
    sent = {"headers": {"Idempotency-Key": "many"}}
    places = [client.post("/jobs/cancel?analysis=sleep", **sent).headers["Location"]]
    work(client)
    again = client.post("/jobs/cancel?analysis=sleep", **sent)
    assert again.status_code == 202
    assert [*places, again.headers["Location"]] == places * 2


# Keys


@pytest.fixture
def keyed(rd, tmp_path):
    lines = [line_of("reader", "read"), line_of("ann", "submit"), line_of("bob", "submit"), line_of("root", "admin")]
    settings = dataclasses.replace(jobs.settings, api_keys_file=str(write_keys(tmp_path / "keys", *lines)))
    yield create_app(settings, redis_client=rd).test_client()
    assert find_violations(jobs.rd, jobs.q._client) == []


def test_a_key_acts_on_its_own_jobs_and_others_are_skipped(keyed):
    own, other = post(keyed, 2, key="ann"), post(keyed, 3, key="bob")
    for method, path in (("POST", "/jobs/cancel"), ("POST", "/jobs/retry"), ("DELETE", "/jobs")):
        assert keyed.open(f"{path}?analysis=sleep", method=method, headers=bearer("reader")).status_code == 403
        assert keyed.open(path, method=method, headers=bearer("reader")).status_code == 403
    assert counts(keyed.post("/jobs/cancel?analysis=sleep", headers=bearer("ann"))) == (5, 2, 3)
    assert statuses(own + other) == ["cancelled"] * 2 + ["submitted"] * 3
    assert counts(keyed.post("/jobs/retry?owner=ann", headers=bearer("bob"))) == (2, 0, 2)
    assert counts(keyed.post("/jobs/retry?owner=ann", headers=bearer("ann"))) == (2, 2, 0)
    assert counts(keyed.delete("/jobs?status=cancelled", headers=bearer("bob"))) == (2, 0, 2)
    assert counts(keyed.post("/jobs/cancel?owner=bob", headers=bearer("root"))) == (3, 3, 0)
    assert counts(keyed.post("/jobs/retry?owner=bob", headers=bearer("root"))) == (3, 3, 0)
    # the jobs that a key made are its own, also if another key made the first ones
    owned = {name: keyed.get(f"/jobs?owner={name}", headers=bearer("root")).json["total"] for name in ("ann", "root")}
    assert owned == {"ann": 4, "root": 3}
    assert counts(keyed.delete("/jobs?status=cancelled", headers=bearer("root"))) == (5, 5, 0)
    assert keyed.get("/jobs?owner=bob", headers=bearer("root")).json["total"] == 0
    assert jobs.rd.exists("jobs.owner.bob") == 0


def test_the_background_acts_with_the_rights_of_who_asked(keyed, few):
    post(keyed, 4, key="ann")
    post(keyed, 4, key="bob")
    asked = keyed.post("/jobs/cancel?analysis=sleep", headers=bearer("ann") | {"X-Request-Id": "abc"})
    work(keyed)
    shown = keyed.get(asked.headers["Location"], headers=bearer("reader")).json
    assert (shown["matched"], shown["done"], shown["skipped"], shown["owner"]) == (8, 4, 4, "ann")
    asked = keyed.post("/jobs/retry?owner=ann", headers=bearer("root") | {"X-Request-Id": "abc"})
    work(keyed)
    made = jobs.get_jobs(owner="root").jobs
    assert [(job["request_id"], job["owner"]) for job in made] == [("abc", "root")] * 4


def test_an_operation_is_cancelled_by_who_started_it_or_an_admin(keyed, few):
    post(keyed, 6, key="ann")
    place = keyed.post("/jobs/cancel?analysis=sleep", headers=bearer("ann")).headers["Location"]
    for key, status in (("reader", 403), ("bob", 403), ("ann", 200), ("root", 200)):
        answer = keyed.post(f"{place}/cancel", headers=bearer(key))
        assert answer.status_code == status, key
    assert keyed.get(place, headers=bearer("reader")).json["status"] == "cancelled"
