"""Analyses, workers, statistics, health, help."""

import json
import re
import socket

import pytest

import jobs
from analyses import get_analyses
from api import create_app
from web.problems import PROBLEMS

NAP = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0}}


@pytest.fixture
def client(rd):
    return create_app(redis_client=rd).test_client()


def test_analyses_are_listed_with_the_schema_of_their_parameters(client):
    listed = client.get("/analyses").json["analyses"]
    assert [about["name"] for about in listed] == list(get_analyses())
    for about in listed:
        assert about.keys() == {"name", "description", "params"}
        assert about["params"]["type"] == "object"
        assert client.get(f"/analyses/{about['name']}").json == about


def test_workers_are_listed_with_what_they_hold(client, worker):
    (idle,) = client.get("/workers").json["workers"]
    assert idle.keys() == {"id", "host", "pid", "since", "job"}
    assert (idle["id"], idle["job"]) == (worker, None)
    job = client.post("/jobs", json=NAP).json
    jobs.q.get()
    assert client.get("/workers").json == {"workers": [{**idle, "job": job["id"]}]}


def test_statistics_count_what_waits(client):
    client.post("/jobs", json=[NAP, {**NAP, "priority": "high"}, {**NAP, "delay": 60}])
    stats = client.get("/stats").json
    assert stats["queue"] == {"high": 1, "normal": 1, "low": 0, "total": 2}
    assert (stats["jobs"]["submitted"], stats["jobs"]["scheduled"]) == (2, 1)
    assert stats["oldest_waiting_seconds"] >= 0
    assert stats["workers"] == 0


def test_cancelled_jobs_count_neither_for_statistics_nor_for_scalers(client, rd, worker):
    # Given jobs of which one runs, one waits, and all others were cancelled while they waited
    made = client.post("/jobs", json=[NAP] * 120).json
    jobs.q.get()
    for job in made[1:-1]:
        client.post(job["links"]["cancel"])
    # then one waits, though the others' ids still stand in the queue
    assert client.get("/stats").json["queue"] == {"high": 0, "normal": 1, "low": 0, "total": 1}
    assert len(jobs.q) == 119
    # and autoscalers count the two that are unfinished
    assert client.get("/stats").json["runnable"] == 2


def test_autoscalers_count_delayed_jobs_once_they_are_due_without_a_worker(client, rd):
    # Given a job that waits, and two that are delayed
    client.post("/jobs", json=NAP)
    delayed = [client.post("/jobs", json={**NAP, "delay": 60}).json["id"] for _ in range(2)]
    assert client.get("/stats").json["runnable"] == 1

    # When one of them is due, and no worker queues it
    rd.zadd("jobs.due", {delayed[0]: 1})

    # then it needs a worker too
    stats = client.get("/stats").json
    assert (stats["runnable"], stats["jobs"]["submitted"], stats["jobs"]["scheduled"]) == (2, 1, 2)


def test_autoscalers_count_the_jobs_of_a_large_request_before_they_are_stored(client, rd):
    rd.zadd("bulks", {"b": 1})
    rd.hset("bulk.b", "left", 7)

    assert client.get("/stats").json["runnable"] == 7


def test_health_and_readiness(client):
    assert client.get("/health").json == {"status": "ok"}
    assert client.get("/ready").json == {"status": "ready"}


def test_the_root_links_to_pages_that_exist(client):
    for address in client.get("/").json["links"].values():
        assert client.get(address).status_code == 200


def test_every_problem_has_a_page(client):
    for slug, (_, title) in PROBLEMS.items():
        assert title in client.get(f"/problems/{slug}").text


def test_the_help_has_every_route_and_every_analysis(client):
    page = client.get("/help")
    assert page.mimetype == "text/plain"
    for rule in client.application.url_map.iter_rules():
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            path = re.sub(r"<\w+:", "<", rule.rule)
            section = re.search(rf"^{method} {re.escape(path)}(?: \[.*)?\n  \S.*\ncurl .*$", page.text, re.MULTILINE)
            assert section, (method, path)
    for name in get_analyses():
        assert f'"analysis": "{name}"' in page.text


def test_the_lines_of_the_help_go_to_where_it_was_asked(client):
    page = client.get("/help", headers={"Host": "127.0.0.1:8123"}).text
    lines = [line for line in page.splitlines() if line.startswith("curl")]
    assert lines
    assert all("http://127.0.0.1:8123/" in line for line in lines)


def test_the_jobs_that_the_help_shows_are_accepted(client):
    page = client.get("/help").text
    data = re.search(r"^curl '\S+/data' -d '(.*)'$", page, re.MULTILINE)[1]
    assert client.post("/data", data=data).status_code == 201
    posted = re.findall(r"^curl '\S+/jobs' -d '(.*)'$", page, re.MULTILINE)
    assert len(posted) == 2 + len(get_analyses())
    for body in posted:
        assert client.post("/jobs", data=body).status_code == 202


def test_the_queries_of_data_that_the_help_shows_find_records(client):
    page = client.get("/help").text
    client.post("/data", data=re.search(r"^curl '\S+/data' -d '(.*)'$", page, re.MULTILINE)[1])
    shown = re.findall(r"""^curl (?:-H 'Accept: (\S+)' )?(?:-o \S+ )?"[^"]+(/data(?:\?[^"]*)?)"$""", page, re.MULTILINE)
    assert len(shown) == 7
    for accept, path in shown:
        answer = client.get(path, headers={"Accept": accept or "*/*"})
        assert answer.status_code == 200
        assert answer.mimetype != "application/json" or answer.json["records"]


def test_what_cannot_be_read_as_a_request_is_answered_with_a_problem():
    # Given the server's configuration, which gives gunicorn this way to answer
    import gunicorn.util

    import web.server.gunicorn_conf  # noqa: F401

    ours, theirs = socket.socketpair()
    with ours, theirs:
        # when a request line is too long
        gunicorn.util.write_error(ours, 414, "URI Too Long", "Request Line is too large (9000 > 8190)")
        head, _, body = theirs.recv(4096).partition(b"\r\n\r\n")
    # then the client gets a problem as everywhere
    assert head.startswith(b"HTTP/1.1 414 ")
    assert b"application/problem+json" in head
    assert json.loads(body)["type"] == "/problems/uri-too-long"
