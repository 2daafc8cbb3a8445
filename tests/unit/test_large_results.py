"""Results of any size: stored as they are sent, in parts; read part by part, and not at all where nothing is sent."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import jobs
from api import create_app
from jobstore import results as stored
from ops.invariants import find_violations

NAP = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0}}


@pytest.fixture
def client(rd, worker):
    return create_app(redis_client=rd).test_client()


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(stored, "PART_BYTES", 100)


def document(job, artifacts=(), text="x", separators=(",", ":")):
    listed = [{"name": name, "type": media_type, "bytes": len(content)} for name, media_type, content in artifacts]
    members = {"job": job.id, "attempt": int(job.attempt), "result": {"text": text}, "artifacts": listed}
    return json.dumps(members, ensure_ascii=False, separators=separators).encode()


def complete(client, artifacts=(), **options):
    """Post a job and end it as a worker would; returns its address."""
    own = client.post("/jobs", json=NAP).headers["Location"]
    job = jobs.q.get()
    contents = [(name, content) for name, _, content in artifacts]
    jobs.q.defer_complete(job, document(job, artifacts, **options), contents, "")
    assert jobs.q.flush() == "complete"
    return own


ARTIFACTS = [("plot.png", "image/png", b"\x89" * 350), ("artifacts", "text/csv", b"a,b\n"), ("e", "text/plain", b"")]


def test_large_results_are_stored_in_parts_and_sent_as_they_were_composed(client, small_parts):
    # Given results whose document and figure are each larger than one part
    own = complete(client, ARTIFACTS, text="Ω" * 300)
    jid = own.rpartition("/")[2]
    sizes = {name.decode(): len(value) for name, value in jobs.rd.hgetall(f"results.{jid}").items() if name != b"about"}
    assert max(sizes.values()) == 100
    assert len(sizes) > 8
    # when they are fetched
    answer = client.get(f"{own}/results")
    # then all is there, artifacts last with their addresses, and the length was known in advance
    assert answer.json["result"] == {"text": "Ω" * 300}
    assert list(answer.json)[-1] == "artifacts"
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    for (name, _, content), listed in zip(ARTIFACTS, answer.json["artifacts"], strict=True):
        assert (listed["name"], listed["bytes"]) == (name, len(content))
        assert client.get(listed["url"]).data == content == jobs.get_artifact(jid, name)
    assert jobs.get_results(jid)["result"] == {"text": "Ω" * 300}
    # and the invariants hold
    assert find_violations(jobs.rd, jobs.q._client) == []


def test_a_head_and_a_304_read_no_part(client, small_parts, monkeypatch):
    own = complete(client, ARTIFACTS, text="x" * 300)
    addresses = [f"{own}/results", f"{own}/results/plot.png"]
    answers = [client.get(address) for address in addresses]
    monkeypatch.setattr(stored.StoredResults, "_read", lambda *_: (pytest.fail("a part is read") for _ in "1"))
    for address, answer in zip(addresses, answers, strict=True):
        head = client.head(address)
        assert (head.status_code, head.data) == (200, b"")
        assert {**head.headers, "X-Request-Id": ""} == {**answer.headers, "X-Request-Id": ""}
        again = client.get(address, headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", answer.headers["ETag"])


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_results_of_an_older_release_are_one_field_each_and_served_alike(client, monkeypatch, separators):
    # Given large results that were stored as they are in one field each
    own = complete(client, ARTIFACTS, text="x" * 300, separators=separators)
    monkeypatch.setattr(stored, "PART_BYTES", 100)
    # when they are fetched, then all is there
    answer = client.get(f"{own}/results")
    assert answer.json["result"] == {"text": "x" * 300}
    assert [client.get(one["url"]).data for one in answer.json["artifacts"]] == [content for _, _, content in ARTIFACTS]
    assert int(client.head(f"{own}/results").headers["Content-Length"]) == len(answer.data)


def test_a_document_that_does_not_end_with_its_artifacts_is_served_too(client):
    own = client.post("/jobs", json=NAP).headers["Location"]
    jobs.q.defer_complete(jobs.q.get(), '{"artifacts":[],"result":{"artifacts":1},"attempt":1}', [], "")
    jobs.q.flush()
    assert client.get(f"{own}/results").json == {"result": {"artifacts": 1}, "attempt": 1, "artifacts": []}


def test_results_that_are_removed_in_between_are_404_or_cut_off(client, small_parts):
    own = complete(client, ARTIFACTS, text="x" * 300)
    results = jobs.open_results(own.rpartition("/")[2])
    parts = results.read_head()
    next(parts)
    client.delete(own)
    with pytest.raises(jobs.ResultsGone):
        next(parts)
    assert client.get(f"{own}/results").status_code == 404


@pytest.mark.parametrize(
    ("name", "media_type", "expected"),
    [
        ("plot.png", "image/png", "inline; filename=plot.png"),
        ("plot.svg", "image/svg+xml", "inline; filename=plot.svg"),
        ("table.csv", "text/csv", "attachment; filename=table.csv"),
        ('a"b\r\n/Ω.csv', "text/csv", "attachment; filename=a_b____.csv; filename*=UTF-8''a%22b%0D%0A%2F%CE%A9.csv"),
    ],
)
def test_artifacts_carry_a_name_to_be_saved_by(client, name, media_type, expected):
    own = complete(client, [(name, media_type, b"1")])
    (listed,) = client.get(f"{own}/results").json["artifacts"]
    answers = [client.get(listed["url"]), client.get(f"{own}/results", headers={"Accept": media_type})]
    assert [answer.headers["Content-Disposition"] for answer in answers] == [expected] * 2
    assert "Content-Disposition" not in client.get(f"{own}/results").headers


def test_two_runs_have_results_of_two_tags(client):
    tags = {client.get(f"{complete(client, ARTIFACTS)}/results{path}").headers["ETag"] for path in ("", "/e", "/e")}
    assert len(tags) == 3


def test_behind_a_prefix_the_artifacts_have_their_addresses_there_and_another_tag(rd, worker, client):
    # Given results that were fetched at the root
    own = complete(client, ARTIFACTS)
    tag = client.get(f"{own}/results").headers["ETag"]
    # when they are fetched behind a prefix
    behind = create_app(replace(jobs.settings, url_prefix="/jobs-api"), redis_client=rd).test_client()
    answer = behind.get(f"/jobs-api{own}/results", headers={"If-None-Match": tag})
    # then they are sent, and their artifacts are where they say
    assert answer.status_code == 200
    addresses = [artifact["url"] for artifact in answer.json["artifacts"]]
    assert {address.startswith(f"/jobs-api{own}/results/") for address in addresses} == {True}
    assert [behind.get(address).data for address in addresses] == [content for _, _, content in ARTIFACTS]


def test_results_are_sent_if_they_match(client):
    own = complete(client, ARTIFACTS)
    tag = client.get(f"{own}/results").headers["ETag"]
    assert client.get(f"{own}/results", headers={"If-Match": tag}).status_code == 200
    assert client.get(f"{own}/results", headers={"If-Match": '"x"'}).status_code == 412
