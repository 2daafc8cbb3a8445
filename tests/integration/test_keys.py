"""Keys in real processes: how the API starts with them, and how it counts over real connections."""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import jobs
from tests.conftest import ROOT, eventually, free_port
from tests.keys import bearer, line_of, write_keys

GUNICORN = ("-m", "gunicorn", "--config", "python:web.server.gunicorn_conf", "api:create_app()")


@pytest.fixture
def keys(tmp_path):
    return write_keys(tmp_path / "keys", line_of("ann", "submit"), line_of("root", "admin"))


@pytest.mark.parametrize("words", [GUNICORN, ("api.py",)], ids=["gunicorn", "development server"])
@pytest.mark.parametrize(
    ("name", "value"), [("API_KEYS_FILE", "ann admin\n"), ("RATE_LIMIT", "many"), ("API_KEYS_FILE", "")]
)
def test_what_is_broken_is_a_refusal_at_the_start_in_one_sentence(tmp_path, live, words, name, value):
    file = tmp_path / "broken"
    file.write_text(value)
    environ = {"PATH": "/usr/bin:/bin", "REDIS_PORT": str(live.port), "API_PORT": str(free_port())}
    environ[name] = str(file) if name == "API_KEYS_FILE" else value
    run = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 2
    [sentence] = run.stderr.splitlines()
    assert sentence.startswith(f"{name}=")
    assert ("line 1" in sentence) == (value == "ann admin\n")


@pytest.mark.parametrize("words", [GUNICORN, ("api.py",)], ids=["gunicorn", "development server"])
@pytest.mark.parametrize(
    ("host", "with_keys", "warns"), [("0.0.0.0", False, True), ("0.0.0.0", True, False), ("127.0.0.1", False, False)]
)
def test_an_api_that_others_reach_without_keys_warns_of_it(start, keys, words, host, with_keys, warns):
    port = free_port()
    settings = {"API_KEYS_FILE": keys} if with_keys else {}
    process = start(*words, API_HOST=host, API_PORT=port, ALLOWED_HOSTS="127.0.0.1", **settings)
    eventually(lambda: re.search("Listening at|Development server", process.log.read_text()))
    assert ("WARNING api API is open to everyone" in process.log.read_text()) == warns
    assert ("API_KEYS_FILE" in process.log.read_text()) == warns


def test_requests_at_the_same_time_are_counted_exactly(start_api, keys):
    api = start_api(API_KEYS_FILE=keys, RATE_LIMIT="50/day", MAX_UNFINISHED_JOBS="7")
    nap = {"analysis": "sleep", "params": {"seconds": 60}}

    def ask(number):
        return api.post("/jobs", json=nap, headers=bearer("ann")).status_code

    with ThreadPoolExecutor(20) as threads:
        found = list(threads.map(ask, range(60)))
    assert found.count(202) == 7
    assert found.count(429) == 53
    assert jobs.rd.zcard("jobs.unfinished.ann") == 7
    refused = api.get("/jobs", headers=bearer("ann"))
    assert refused.headers["RateLimit"].startswith('"default";r=0;t=')
    assert 86000 < int(refused.headers["Retry-After"]) <= 86401
    assert api.get("/jobs", headers=bearer("root")).json()["total"] == 7


def test_a_client_that_waits_as_long_as_it_is_told_gets_through(start_api, keys):
    api = start_api(API_KEYS_FILE=keys, RATE_LIMIT="1/second")
    assert api.get("/jobs", headers=bearer("ann")).status_code == 200
    refused = api.get("/jobs", headers=bearer("ann"))
    while refused.status_code == 200:  # the second was over in between
        refused = api.get("/jobs", headers=bearer("ann"))
    assert refused.status_code == 429
    eventually(
        lambda: api.get("/jobs", headers=bearer("ann")).status_code == 200, int(refused.headers["Retry-After"]) + 1
    )


def test_a_restart_of_redis_ends_neither_keys_nor_sessions(start_api, keys, live):
    api = start_api(API_KEYS_FILE=keys, RATE_LIMIT="1000/minute")
    assert api.post("/ui/sign-in", data={"key": "root"}).status_code == 303
    assert api.get("/jobs").status_code == 200
    live.stop()
    assert api.get("/jobs").status_code == 503
    assert api.get("/jobs", headers=bearer("ann")).status_code == 503
    assert api.get("/jobs", headers=bearer("wrong")).status_code == 401
    live.start()
    eventually(lambda: api.get("/jobs").status_code == 200)
    assert api.get("/jobs", headers=bearer("ann")).status_code == 200
