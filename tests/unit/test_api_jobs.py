"""The job routes: submit, list, show, cancel, retry, delete."""

import json
import time
import uuid
from dataclasses import replace

import pytest

import jobs
from api import create_app

OPEN = {"start": None, "end": None}
NAP = {**OPEN, "analysis": "sleep", "params": {"seconds": 0}}
QUAKES = "id,time,magnitude,place\n1,2018-01-31T01:00:00Z,0.5,a\n2,2018-02-01T02:00:00Z,2.5,b\n"
MEMBERS = (
    "id status start end analysis params priority tags created started ended attempt max_attempts timeout progress "
    "message dataset worker error retry_of owner request_id links"
).split()


@pytest.fixture
def client(rd):
    return create_app(redis_client=rd).test_client()


@pytest.fixture
def dataset(client):
    return client.post("/data", data=QUAKES, content_type="text/csv").json["version"]


def errors_of(answer):
    assert answer.status_code == 422, answer.data
    return {error["pointer"]: error["detail"] for error in json.loads(answer.data)["errors"]}


def type_of(answer):
    return json.loads(answer.data)["type"]


def test_a_job_is_accepted_with_its_address(client, dataset):
    # When a job is posted with nothing but its bounds
    answer = client.post("/jobs", json={"start": "2018-01-31", "end": None})
    # then it is stored, with the defaults, before the answer comes
    assert answer.status_code == 202
    job = answer.json
    assert answer.headers["Location"] == f"/jobs/{job['id']}" == job["links"]["self"]
    assert sorted(job) == sorted(MEMBERS)
    assert next(iter(job)) == "id"
    assert uuid.UUID(job["id"]).version == 4
    assert (job["status"], job["analysis"], job["params"], job["dataset"]) == ("submitted", "summary", {}, dataset)
    assert (job["start"], job["end"]) == ("2018-01-31", None)
    assert job["priority"] == "normal"
    assert client.get(answer.headers["Location"]).json == job


def test_every_member_is_kept_with_its_type(client):
    posted = {
        **NAP, "start": 1, "end": 2.5, "timeout": 60, "max_attempts": 20, "priority": "high", "tags": ["a", "Ω"],
        "delay": 3600,
    }  # fmt: skip
    job = client.post("/jobs", json=posted).json
    assert {name: job[name] for name in posted.keys() - {"delay"}} == {k: v for k, v in posted.items() if k != "delay"}
    assert isinstance(job["start"], int)
    assert job["status"] == "scheduled"


@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.5+02:00", "%Y-%m-%d"])
def test_a_job_can_wait_for_its_time(client, form):
    run_at = time.strftime(form, time.gmtime(time.time() + 365 * 86400))
    assert client.post("/jobs", json={**NAP, "run_at": run_at}).json["status"] == "scheduled"


def test_a_job_can_wait_for_a_year_and_no_longer(client):
    # Given times just beyond a leap year ahead
    late = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 366 * 86400 + 60))
    # when jobs are to wait for them, then they are refused, and so is what ended up in a far century by mistake
    for changed in ({"run_at": late}, {"run_at": "2999-01-01"}, {"delay": 366 * 86400 + 1}, {"delay": 1e300}):
        assert errors_of(client.post("/jobs", json={**NAP, **changed})).keys() == {f"/{next(iter(changed))}"}
    assert client.post("/jobs", json={**NAP, "delay": 366 * 86400}).json["status"] == "scheduled"


def test_a_delay_too_short_to_be_counted_is_none(client):
    job = client.post("/jobs", data='{"start": null, "end": null, "analysis": "sleep", "delay": 1e-9}').json
    assert job["status"] == "submitted"
    assert client.get(job["links"]["self"]).json["status"] == "submitted"


def test_a_list_is_accepted_whole(client):
    answer = client.post("/jobs", json=[{**NAP, "tags": [str(n)]} for n in range(50)])
    assert answer.status_code == 202
    assert "Location" not in answer.headers
    assert [job["tags"] for job in answer.json] == [[str(n)] for n in range(50)]
    assert client.get("/jobs").json["total"] == 50


@pytest.mark.parametrize(
    "preferred", ["return=minimal", 'wait=1, Return="minimal"; x', "return=minimal, return=representation"]
)
def test_of_a_list_only_the_ids_are_returned_by_preference(client, preferred):
    headers = {"Prefer": preferred, "Idempotency-Key": "one"}
    answer = client.post("/jobs", json=[NAP] * 3, headers=headers)

    assert (answer.status_code, answer.headers["Preference-Applied"]) == (202, "return=minimal")
    assert list(answer.json) == ["ids"]
    assert [job["id"] for job in client.get("/jobs?order=asc").json["jobs"]] == answer.json["ids"]
    # and a repetition returns the same ids, or the jobs
    again = client.post("/jobs", json=[NAP] * 3, headers=headers)
    assert (again.json, again.headers["Idempotency-Replayed"]) == (answer.json, "true")
    whole = client.post("/jobs", json=[NAP] * 3, headers=headers | {"Prefer": "return=representation"})
    assert [job["id"] for job in whole.json] == answer.json["ids"]
    assert whole.headers["Preference-Applied"] == "return=representation"


@pytest.mark.parametrize("preferred", ["", "return=small", "minimal", "return=minimal-ish", "return"])
def test_other_preferences_change_no_list(client, preferred):
    answer = client.post("/jobs", json=[NAP] * 2, headers={"Prefer": preferred})

    assert [list(job) for job in answer.json] == [MEMBERS] * 2
    assert "Preference-Applied" not in answer.headers


def test_jobs_of_a_list_keep_what_differs(client):
    bodies = [
        {**NAP, "start": start, "params": {"seconds": n}, "tags": tags, "priority": priority}
        for n, (start, tags, priority) in enumerate(
            [(1, [], "low"), (1.0, ["a"], "low"), ("1", [], "high"), (None, ["a", "b"], "normal"), (1, [], "low")]
        )
    ]
    added = client.post("/jobs", json=bodies).json

    for body, job in zip(bodies, added, strict=True):
        assert json.dumps({name: job[name] for name in body}) == json.dumps(body)
        assert client.get(f"/jobs/{job['id']}").json == job


def test_a_list_is_refused_whole(client):
    # Given a list with faults in three of its jobs
    posted = [NAP, {**NAP, "params": {"seconds": -1}}, {**NAP, "analysis": "nope"}, {**NAP, "x/y~z": 1}, 7]
    # when it is posted, then the first kind of fault is told with its place in the list, and nothing is queued
    assert errors_of(client.post("/jobs", json=posted)).keys() == {"/3/x~1y~0z", "/4"}
    assert errors_of(client.post("/jobs", json=posted[:3])).keys() == {"/1/params/seconds", "/2/analysis"}
    assert client.get("/jobs").json["total"] == 0


def test_a_list_may_have_ten_thousand_jobs_and_no_more(client):
    assert client.post("/jobs", json=[NAP] * 10_001).status_code == 422
    assert client.get("/stats").json["queue"]["total"] == 0


def test_the_errors_of_a_large_list_are_cut_short(client):
    answer = client.post("/jobs", json=[{"start": True}] * 5000)
    assert len(json.loads(answer.data)["errors"]) == 100


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"start": True}, "/start"),
        ({"end": {}}, "/end"),
        ({"end": []}, "/end"),
        ({"start": 10**30}, "/start"),
        ({"start": "x" * 1001}, "/start"),
        ({"start": 2, "end": 1}, "/start"),
        ({"start": "b", "end": "a"}, "/start"),
        ({"analysis": 1}, "/analysis"),
        ({"analysis": None}, "/analysis"),
        ({"params": []}, "/params"),
        ({"params": None}, "/params"),
        ({"params": {"secs": 1}}, "/params/secs"),
        ({"params": {"seconds": "1"}}, "/params/seconds"),
        ({"timeout": 0}, "/timeout"),
        ({"timeout": True}, "/timeout"),
        ({"timeout": "60"}, "/timeout"),
        ({"timeout": 10**400}, "/timeout"),
        ({"max_attempts": 0}, "/max_attempts"),
        ({"max_attempts": 101}, "/max_attempts"),
        ({"max_attempts": 1.5}, "/max_attempts"),
        ({"max_attempts": True}, "/max_attempts"),
        ({"delay": -1}, "/delay"),
        ({"delay": False}, "/delay"),
        ({"delay": 1e300}, "/delay"),
        ({"run_at": 5}, "/run_at"),
        ({"run_at": None}, "/run_at"),
        ({"run_at": "tomorrow"}, "/run_at"),
        ({"priority": "urgent"}, "/priority"),
        ({"tags": "a"}, "/tags"),
        ({"tags": {"a": 1}}, "/tags"),
        ({"tags": ["a", 1]}, "/tags/1"),
        ({"tags": [""]}, "/tags/0"),
        ({"tags": ["x"] * 33}, "/tags"),
        ({"colour": "red"}, "/colour"),
        ({"": 1}, "/"),
        ({"delay": 1, "run_at": "2999-01-01T00:00:00Z"}, ""),
    ],
)
def test_each_bad_member_is_pointed_at(client, changed, pointer):
    assert errors_of(client.post("/jobs", json={**NAP, **changed})).keys() == {pointer}


@pytest.mark.parametrize("text", ["1e999", "-1e999"])
def test_numbers_out_of_range_are_invalid(client, text):
    for member in ("start", "timeout", "delay"):
        body = json.dumps({**NAP, member: 0}).replace(f'"{member}": 0', f'"{member}": {text}')
        assert errors_of(client.post("/jobs", data=body)).keys() == {f"/{member}"}
    body = json.dumps(NAP).replace('"seconds": 0', f'"seconds": {text}')
    assert errors_of(client.post("/jobs", data=body)).keys() == {"/params"}


def test_all_faults_of_a_job_are_told_at_once(client):
    assert errors_of(client.post("/jobs", json={"timeout": 0, "start": True, "x": 1})).keys() == {
        "/start",
        "/timeout",
        "/x",
    }


@pytest.mark.parametrize("missing", ["start", "end"])
def test_a_bound_that_is_not_given_is_an_open_end(client, missing):
    posted = {name: value for name, value in NAP.items() if name != missing}
    assert client.post("/jobs", json=posted).json[missing] is None


def test_an_unknown_analysis_has_a_type_of_its_own(client):
    answer = client.post("/jobs", json={**OPEN, "analysis": "nope"})
    assert type_of(answer) == "/problems/unknown-analysis"
    assert "sleep" in errors_of(answer)["/analysis"]


def test_without_a_dataset_only_what_reads_none_runs(client):
    answer = client.post("/jobs", json=OPEN)
    assert (answer.status_code, type_of(answer)) == (409, "/problems/no-dataset")
    assert client.post("/jobs", json=[NAP, OPEN]).status_code == 409
    assert client.post("/jobs", json=NAP).json["dataset"] is None


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"start": 5}, "/start"),
        ({"end": "soon"}, "/end"),
        ({"start": "2018-02-02", "end": "2018-02-01"}, "/start"),
        ({"analysis": "histogram", "params": {"column": "depth"}}, "/params/column"),
        ({"analysis": "histogram", "params": {"bins": 0}}, "/params/bins"),
    ],
)
def test_bounds_and_columns_are_checked_on_the_dataset(client, dataset, changed, pointer):
    assert errors_of(client.post("/jobs", json={**OPEN, **changed})).keys() == {pointer}
    assert errors_of(client.post("/jobs", json=[OPEN, {**OPEN, **changed}])).keys() == {f"/1{pointer}"}


def test_a_dataset_replaced_between_check_and_queue_is_checked_anew(client, dataset, monkeypatch):
    # Given a job that is fine on the dataset, and a dataset without its column that comes just after the check
    add_jobs = jobs.add_jobs

    def replaced_first(*arguments):
        monkeypatch.setattr(jobs, "add_jobs", add_jobs)
        client.application.test_client().post("/data", data="id,depth\n1,2\n", content_type="text/csv")
        return add_jobs(*arguments)

    monkeypatch.setattr(jobs, "add_jobs", replaced_first)
    # when it is posted, then it is refused
    answer = client.post("/jobs", json={**OPEN, "analysis": "histogram", "params": {"column": "magnitude"}})
    assert errors_of(answer).keys() == {"/params/column"}


def test_a_dataset_that_is_replaced_all_the_time_is_503(client, dataset, monkeypatch):
    def moved(*_):
        raise jobs.DatasetChanged("moved")

    monkeypatch.setattr(jobs, "add_jobs", moved)
    answer = client.post("/jobs", json=OPEN)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


# Idempotency


@pytest.mark.parametrize("keys", [("abc", "abc"), ('"abc"', "abc"), ('"a\\"b"', 'a"b'), ("x" * 255, f'"{"x" * 255}"')])
def test_the_same_key_and_body_make_one_job(client, keys):
    first = client.post("/jobs", json=NAP, headers={"Idempotency-Key": keys[0]})
    assert "Idempotency-Replayed" not in first.headers
    # When the body comes again, spelled otherwise, and the job was changed meanwhile
    client.post(f"/jobs/{first.json['id']}/cancel")
    again = client.post("/jobs", data=json.dumps(NAP, indent=3), headers={"Idempotency-Key": keys[1]})
    # then the first answer comes, with the job as it is now
    assert (again.status_code, again.headers["Location"]) == (202, first.headers["Location"])
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (again.json["id"], again.json["status"]) == (first.json["id"], "cancelled")
    assert client.get("/jobs").json["total"] == 1


def test_a_list_is_replayed_as_a_list(client):
    first, again = (client.post("/jobs", json=[NAP], headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert [job["id"] for job in again.json] == [job["id"] for job in first.json]
    assert client.post("/jobs", json=NAP, headers={"Idempotency-Key": "k"}).status_code == 422


def test_the_same_key_with_another_body_is_refused(client):
    client.post("/jobs", json=NAP, headers={"Idempotency-Key": "k"})
    answer = client.post("/jobs", json={**NAP, "tags": ["x"]}, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, type_of(answer)) == (422, "/problems/idempotency-key-reused")


def test_a_key_is_looked_up_before_validation(client, dataset):
    # Given a job on a dataset that is cleared afterwards
    first = client.post("/jobs", json=OPEN, headers={"Idempotency-Key": "k"})
    client.delete("/data")
    # when it is sent again, then it is not validated again
    assert client.post("/jobs", json=OPEN, headers={"Idempotency-Key": "k"}).json["id"] == first.json["id"]


def test_only_what_was_accepted_is_kept(client):
    bad = {**NAP, "timeout": 0}
    assert client.post("/jobs", json=bad, headers={"Idempotency-Key": "k"}).status_code == 422
    assert client.post("/jobs", json=NAP, headers={"Idempotency-Key": "k"}).status_code == 202


@pytest.mark.parametrize("key", ["", '""', '"abc', '"a"b"', "x" * 256, '"\\x"'])
def test_a_bad_key_is_invalid(client, key):
    answer = client.post("/jobs", json=NAP, headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    assert json.loads(answer.data)["errors"][0]["header"] == "Idempotency-Key"


# The listing


def test_the_newest_come_first_page_by_page(client):
    ids = [job["id"] for job in client.post("/jobs", json=[NAP] * 5).json]
    found, address = [], "/jobs?limit=2"
    while address:
        answer = client.get(address)
        found += [job["id"] for job in answer.json["jobs"]]
        assert answer.json["total"] == 5
        address = answer.json["next"]
        assert answer.headers.get("Link") == (f'<{address}>; rel="next"' if address else None)
    assert found == ids[::-1]
    assert [job["id"] for job in client.get("/jobs?order=asc").json["jobs"]] == ids


def test_jobs_are_filtered(client, dataset):
    nap, summary = (client.post("/jobs", json=job).json for job in ({**NAP, "tags": ["a b"]}, OPEN))
    client.post(f"/jobs/{nap['id']}/cancel")

    def ids(query):
        return [job["id"] for job in client.get(f"/jobs?{query}").json["jobs"]]

    assert ids("status=cancelled") == [nap["id"]]
    assert ids("status=in%20progress") == []
    assert ids("analysis=summary&status=submitted") == [summary["id"]]
    assert ids("analysis=nope") == []
    assert ids("tag=a+b") == [nap["id"]]
    assert client.get("/jobs?tag=a+b").json["total"] is None
    assert ids("created_after=2020-01-01T00:00:00%2B01:00") == [summary["id"], nap["id"]]
    assert ids("created_after=2020-01-01T00:00:00+01:00&created_before=2999-01-01") == [summary["id"], nap["id"]]
    assert ids("created_before=2020-01-01T00:00:00Z") == []


# Cancel, retry, delete


def test_cancelled_stays_cancelled(client):
    own = client.post("/jobs", json=NAP).headers["Location"]
    for _ in range(2):
        answer = client.post(f"{own}/cancel")
        assert (answer.status_code, answer.json["status"]) == (200, "cancelled")
    assert client.get(own).json["ended"] is not None


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_verbs_take_an_empty_body_or_an_empty_object(client, verb):
    own = client.post("/jobs", json=NAP).headers["Location"]
    client.post(f"{own}/cancel", data="{}")
    assert client.post(f"{own}/{verb}", data=" ").status_code in (200, 202)
    assert errors_of(client.post(f"{own}/{verb}", json={"why": "because"})).keys() == {"/why"}
    assert client.post(f"{own}/{verb}", data="[]").status_code == 422
    assert client.post(f"{own}/{verb}", data="{").status_code == 400


def test_a_retry_is_a_new_job_like_the_old_one(client):
    posted = {**NAP, "start": 1, "end": 2, "timeout": 7, "max_attempts": 2, "priority": "low", "tags": ["t"]}
    old = client.post("/jobs", json=posted).json
    early = client.post(f"{old['links']['retry']}")
    assert (early.status_code, type_of(early)) == (409, "/problems/job-unfinished")
    client.post(old["links"]["cancel"])
    answer = client.post(old["links"]["retry"])
    assert answer.status_code == 202
    new = answer.json
    assert answer.headers["Location"] == new["links"]["self"] != old["links"]["self"]
    assert new["retry_of"] == old["id"]
    assert {name: new[name] for name in posted} == posted
    assert new["status"] == "submitted"


def test_a_retry_runs_on_todays_dataset(client, dataset):
    job = client.post("/jobs", json={**OPEN, "start": "2018-01-31"}).json
    client.post(job["links"]["cancel"])
    client.post("/data", data=QUAKES + "3,2018-02-02T02:00:00Z,1,c\n", content_type="text/csv")
    assert client.post(job["links"]["retry"]).json["dataset"] not in (None, dataset)
    client.post("/data", data="id\n1\n", content_type="text/csv")
    assert errors_of(client.post(job["links"]["retry"])).keys() == {"/start"}
    client.delete("/data")
    assert client.post(job["links"]["retry"]).status_code == 409


def test_a_retry_may_carry_an_idempotency_key(client):
    job = client.post("/jobs", json=NAP).json
    client.post(job["links"]["cancel"])
    first, again = (client.post(job["links"]["retry"], headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert first.json["id"] == again.json["id"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert client.post("/jobs", json={}, headers={"Idempotency-Key": "k"}).status_code == 422


def test_an_ended_job_can_be_deleted(client):
    job = client.post("/jobs", json=NAP).json
    early = client.delete(job["links"]["self"])
    assert (early.status_code, type_of(early)) == (409, "/problems/job-unfinished")
    client.post(job["links"]["cancel"])
    assert client.delete(job["links"]["self"]).status_code == 204
    assert client.get(job["links"]["self"]).status_code == 404
    assert client.delete(job["links"]["self"]).status_code == 404


# What an analysis can know of the rows before it runs


def minutes(count):
    """A time series of as many minutes, the last one ten years later."""
    rows = [f"{n},2010-01-01T{n // 60:02d}:{n % 60:02d}:00Z,{n}" for n in range(count)]
    return "\n".join(["id,time,far", *rows, f"{count},2020-01-01T00:00:00Z,90000000", ""])


@pytest.mark.parametrize(
    ("params", "bounds"),
    [
        ({"every": "1s"}, {}),
        ({"every": "1m"}, {"start": "2009-01-01", "end": "2030-01-01"}),
        ({"index": "far", "every": 0.5}, {}),
        ({"index": "far", "every": 10}, {"start": "2010-01-01T00:05:00Z"}),
    ],
)
def test_more_steps_than_a_time_series_may_have_are_told_before_it_is_queued(client, params, bounds):
    client.post("/data", data=minutes(60), content_type="text/csv")

    answer = client.post("/jobs", json={**OPEN, **bounds, "analysis": "timeseries", "params": params})

    assert errors_of(answer) == {"/params/every": "more than 100,000 steps in this range: choose a longer one"}


@pytest.mark.parametrize(
    ("params", "bounds"),
    [
        ({"every": "1h"}, {}),
        ({"every": "1s"}, {"end": "2010-12-31"}),
        ({"every": "1s"}, {"start": "2015-01-01"}),
        ({"every": "1s"}, {"start": "2030-01-01"}),
        ({"index": "far", "every": 10}, {"end": "2010-12-31"}),
        ({}, {}),
    ],
)
def test_steps_count_in_the_rows_of_the_job(client, params, bounds):
    client.post("/data", data=minutes(60), content_type="text/csv")

    answer = client.post("/jobs", json={**OPEN, **bounds, "analysis": "timeseries", "params": params})

    assert answer.status_code == 202


def test_too_many_steps_in_one_job_of_a_list_refuse_it_whole(client):
    client.post("/data", data=minutes(60), content_type="text/csv")
    series = {**OPEN, "analysis": "timeseries", "params": {"every": "1h"}}

    answer = client.post("/jobs", json=[series, {**series, "params": {"every": "1s"}}])

    assert list(errors_of(answer)) == ["/1/params/every"]
    assert client.get("/jobs").json["total"] == 0


def test_a_full_queue_takes_nothing_more(client, rd):
    # Given room for three unfinished jobs
    jobs.connect(replace(jobs.settings, max_queued_jobs=3), rd)
    first = client.post("/jobs", json=[NAP, NAP]).json[0]["links"]
    # when two more are posted, or one more after that, then all are refused, or accepted
    answer = client.post("/jobs", json=[NAP, NAP])
    assert (answer.status_code, type_of(answer)) == (507, "/problems/queue-full")
    assert client.post("/jobs", json=NAP).status_code == 202
    # and a retry is refused until there is room again
    client.post(first["cancel"])
    assert client.post(first["retry"]).status_code == 202
    assert type_of(client.post(first["retry"])) == "/problems/queue-full"
    assert client.get("/jobs").json["total"] == 4


def test_a_record_with_an_unpaired_surrogate_is_shown(client, rd):
    # Given a failed job whose error has one, as other programs may write it
    job = client.post("/jobs", json=NAP).json
    rd.hset(f"job.{job['id']}", mapping={"status": "failed", "error": r'{"message": "a\ud800b"}'})
    # when it is read, then there is a question mark instead
    answer = client.get(f"/jobs/{job['id']}")
    assert answer.status_code == 200
    assert json.loads(answer.data)["error"] == {"message": "a?b"}
