"""Bodies of jobs that cost far more than they weigh are refused at the cost of what they weigh."""

from __future__ import annotations

import hashlib
import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

import jobs
from api import create_app

MIB = 2**20
SIZE = 16 * MIB - 100
JOB = '"start":null,"end":null,"analysis":"sleep"'
NAP = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0}}
TOO_MANY = "Expected a list of 1 to 10,000 jobs."
TOO_LARGE = "Larger than a job may be, 327,680 characters."
TOO_LARGE_PARAMS = "The parameters have more than 65,536 bytes as compact JSON."
NO_JOB = "Expected an object with `start` and `end`."


@pytest.fixture
def client(rd):
    return create_app(redis_client=rd).test_client()


def _list_of(unit: str, size: int = SIZE) -> str:
    return f"[{','.join([unit] * (size // (len(unit) + 1)))}]"


def _text(char: str, size: int = SIZE) -> str:
    return '"' + char * (size // len(char)) + '"'


def _params(value: str) -> str:
    return f'{{{JOB},"params":{{"a":{value}}}}}'


def _members(count: int, name: str = "") -> str:
    return "{" + ",".join(f'"{name}{number}":0' for number in range(count)) + "}"


BODIES: dict[str, tuple[Callable[[], str], int, str, str]] = {
    "empty objects": (lambda: _list_of("{}"), 422, "", TOO_MANY),
    "empty lists": (lambda: _list_of("[]"), 422, "", TOO_MANY),
    "numbers": (lambda: _list_of("1"), 422, "", TOO_MANY),
    "empty texts": (lambda: _list_of('""'), 422, "", TOO_MANY),
    "many members": (lambda: _members(300_000), 422, "", TOO_LARGE),
    "unknown members": (lambda: f"[{_members(3000, 'x' * 60)}]", 422, f"/0/{'x' * 60}0", "Unknown member"),
    "text in params": (lambda: _params(_text("x", SIZE - 100)), 422, "/params", TOO_LARGE_PARAMS),
    "lists in params": (lambda: _params(_list_of("[]", SIZE - 100)), 422, "/params", TOO_LARGE_PARAMS),
    "params of the second": (
        lambda: f"[{_params('1')},{_params(_text('x', MIB))}]",
        422,
        "/1/params",
        TOO_LARGE_PARAMS,
    ),
    "params of 100 KB": (lambda: _params(_text("x", 100_000)), 422, "/params", TOO_LARGE_PARAMS),
    "escapes": (lambda: _params(_text("\\u00e9", SIZE - 100)), 422, "/params", TOO_LARGE_PARAMS),
    "a text": (lambda: _text("\\u00e9", SIZE - 2), 422, "", NO_JOB),
    "wide text": (lambda: f"[{_text(chr(0x1F600), SIZE // 4)}]", 422, "/0", NO_JOB),
    "an integer": (lambda: f"[{'1' * 10_000}]", 400, "", "4300 digits"),
    "a large integer": (lambda: f"[{'1' * SIZE}]", 400, "", "4300 digits"),
    "a large fraction": (lambda: f"[1.{'1' * SIZE}]", 422, "/0", NO_JOB),
    "names of 1 MB": (lambda: "{" + ",".join([_text("k", MIB) + ":1"] * 14) + "}", 422, "", TOO_LARGE),
    "open lists": (lambda: "[" * SIZE, 400, "", "nested too deeply"),
    "open objects": (lambda: '{"a":' * (SIZE // 5), 400, "", "nested too deeply"),
    "blanks": (lambda: " " * SIZE, 400, "", "empty"),
    "blanks in a job": (lambda: "{" + JOB + " " * (SIZE - 100) + "}", 422, "", TOO_LARGE),
    "tags": (lambda: f'{{{JOB},"tags":{_list_of("1", 300_000)}}}', 422, "/tags", "Expected at most 32 tags."),
    "unterminated": (lambda: '[{"start": "' + "x" * SIZE, 422, "/0/start", TOO_LARGE),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_is_refused_for_little_memory_and_time(client, name):
    # Given a body of up to 16 MB
    make, status, pointer, detail = BODIES[name]
    body = make().encode()
    for headers in ({}, {"Idempotency-Key": "same"}):
        # When it is posted
        tracemalloc.start()
        begun = time.monotonic()
        try:
            answer = client.post("/jobs", data=body, headers=headers)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

        # Then it is refused in words, for its bytes, its text (four times as wide at most) and little more
        assert answer.status_code == status, answer.json
        errors = answer.json.get("errors", [{"pointer": "", "detail": answer.json["detail"]}])
        assert errors[0]["pointer"] == pointer
        assert detail in errors[0]["detail"]
        assert len(errors) <= 100
        assert len(answer.data) < 100_000
        assert peak < 7 * len(body) + 16 * MIB
        assert time.monotonic() - begun < 30
    assert client.get("/jobs").json["total"] == 0


def test_the_memory_of_refused_bodies_is_given_back(client):
    for _ in range(2):
        assert client.post("/jobs", data=_list_of("{}")).status_code == 422
    assert client.application.extensions["budget"].used == 0


def test_bodies_that_do_not_fit_together_are_told_to_come_again(client):
    # Given requests that leave no room for another large one
    memory = client.application.extensions["budget"]
    with memory.reserved(memory.total - MIB):
        # When a large body comes, then it is to come again; a small one is taken
        answer = client.post("/jobs", data=json.dumps([NAP] * 5000))
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert client.post("/jobs", json=NAP).status_code == 202
    assert client.post("/jobs", data=json.dumps([NAP] * 500)).status_code == 202


@pytest.mark.parametrize(
    ("seconds", "status"),
    [("", 202), ("0" * 65_000, 422), ("é" * 32_768, 422), ("é" * 33_000, 422), ("x" * 65_522, 422)],
)
def test_params_are_measured_as_stored(client, seconds, status):
    """Within the limit it is the analysis that refuses an unknown parameter, beyond it the size that is told."""
    params = {"seconds": 0} | ({"n": seconds} if seconds else {})
    bytes_ = len(json.dumps(params, ensure_ascii=False, separators=(",", ":")).encode())
    for spaces in (None, 4):
        answer = client.post("/jobs", data=json.dumps({**NAP, "params": params}, indent=spaces))
        assert answer.status_code == status
        if status == 422:
            assert answer.json["errors"][0]["pointer"] == ("/params/n" if bytes_ <= 65_536 else "/params")
    bulk = client.post("/jobs", json=[NAP, {**NAP, "params": {"n": "x" * 66_000}}])
    assert [error["pointer"] for error in bulk.json["errors"]] == ["/1/params"]


def test_the_fingerprint_of_a_body_is_that_of_all_its_spellings(client, rd):
    # Given the bodies of jobs with a key, in one spelling
    for number, body in enumerate([NAP, [NAP, {**NAP, "tags": ["é", "\U0001f600"], "timeout": 1.5e3}]]):
        key = {"Idempotency-Key": f"key {number}"}
        first = client.post("/jobs", data=json.dumps(body), headers=key)
        assert first.status_code == 202

        # When each comes in other spellings, then it is the same request
        turned = json.loads(json.dumps(body), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
        for text in (json.dumps(body, ensure_ascii=False, indent=3), json.dumps(turned), "\ufeff" + json.dumps(body)):
            again = client.post("/jobs", data=text.encode(), headers=key)
            assert again.headers["Idempotency-Replayed"] == "true"
            assert again.json == first.json

        # And what is kept is what the versions before kept: the hash of the canonical form of all of it
        canonical = json.dumps(body, ensure_ascii=False, sort_keys=True).encode()
        expected = hashlib.sha256(b"POST /jobs\n" + canonical).hexdigest()
        kept = rd.hget(f"idempotency.{jobs.Idempotency(f'key {number}', '').hash}", "fingerprint")
        assert kept.decode() == expected


def test_a_request_that_takes_no_body_is_not_hurt_by_one(client):
    own = client.post("/jobs", json=NAP).headers["Location"]
    for body, pointers in (
        (_list_of("{}"), [""]),
        (_members(300_000), [""]),
        ("[]", [""]),
        ("7", [""]),
        ('{"a/b": 1, "%s": 2}' % ("x" * 1000), ["/a~1b", "/" + "x" * 80 + "…"]),
    ):
        answer = client.post(f"{own}/cancel", data=body)
        assert answer.status_code == 422, body[:50]
        assert [error["pointer"] for error in answer.json["errors"]] == pointers
    assert client.post(f"{own}/cancel", data="{").status_code == 400
    assert client.post(f"{own}/cancel", data=" { } ").status_code == 200


@pytest.mark.parametrize("value", [3, 3.0])
def test_an_integer_may_be_written_with_a_fraction_of_zero(client, value: Any):
    assert client.post("/jobs", json={**NAP, "max_attempts": value}).json["max_attempts"] == 3
    client.post("/data", data="n\n1\n2\n", content_type="text/csv")
    histogram = {"start": None, "end": None, "analysis": "histogram", "params": {"bins": value}}
    assert client.post("/jobs", json=histogram).status_code == 202
    for wrong in ({**NAP, "max_attempts": 3.5}, {**histogram, "params": {"bins": 3.5}}, {**NAP, "max_attempts": True}):
        assert client.post("/jobs", json=wrong).status_code == 422


def test_ten_thousand_jobs_cost_no_look_at_all_columns_each(client, monkeypatch):
    # Given a dataset of 4,990 columns, and ten thousand jobs that leave theirs to be found
    names = ["id", "longitude", *(f"c{number}" for number in range(4988))]
    rows = [",".join(names), ",".join("1" * len(names)), ",".join("2" * len(names))]
    assert client.post("/data", data="\n".join(rows), content_type="text/csv").status_code == 201
    added = []

    def add_jobs(submissions, idempotency):
        added.append(len(submissions))
        return [], False

    monkeypatch.setattr(jobs, "add_jobs", add_jobs)
    for asked in (
        {"analysis": "histogram"},
        {"analysis": "correlation"},
        {"analysis": "map", "params": {"latitude": "c1"}},
    ):
        # When they are posted
        begun = time.monotonic()
        bulk = [{"start": number, "end": number + 10, **asked} for number in range(10_000)]
        assert client.post("/jobs", json=bulk).status_code == 202

        # Then no time goes into looking through the columns: ten thousand times that took a minute
        assert time.monotonic() - begun < 20
    assert added == [10_000] * 3


def test_unknown_columns_are_told_in_few_words(client):
    # Given a dataset of 4,990 columns with long names
    names = [f"{number}{'c' * 100}" for number in range(4990)]
    client.post("/data", data=",".join(names) + "\n" + ",".join("1" * len(names)) + "\n", content_type="text/csv")

    # When a job names many that are none of them, then the errors stop, and each lists only some
    for many in (1000, 3000):
        params = {"columns": [f"x{number}" for number in range(many)]}
        answer = client.post("/jobs", json={"start": None, "end": None, "params": params})
        assert answer.status_code == 422
        assert 1 <= len(answer.json["errors"]) <= 100
        assert all(len(error["detail"]) < 2500 for error in answer.json["errors"])

    # And what a client made up is cut
    answer = client.post("/jobs", json={"start": None, "end": None, "params": {"columns": ["x" * 5000]}})
    assert "and 4,970 more" in answer.json["errors"][0]["detail"]
    assert "x" * 81 not in answer.json["errors"][0]["detail"]
