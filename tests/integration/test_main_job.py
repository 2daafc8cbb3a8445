"""The main job end to end: real Redis, real gunicorn, real worker processes."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import jobs
from tests.conftest import ROOT, eventually

EARTHQUAKES = (ROOT / "samples" / "earthquakes.csv").read_bytes()


@pytest.fixture
def api(start_api, start_worker):
    """Start the API and one worker with two children, and load the earthquakes."""
    start_worker(2)
    client = start_api()
    loaded = client.post("/data", content=EARTHQUAKES, headers={"Content-Type": "text/csv"})
    assert loaded.status_code == 201
    return client


def test_load_submit_wait_fetch(api):
    asked = {"start": "2018-02-01", "end": "2018-02-02", "analysis": "histogram", "params": {"column": "magnitude"}}
    accepted = api.post("/jobs", json=asked)
    assert accepted.status_code == 202
    location = accepted.headers["Location"]
    assert api.get(location, params={"wait": 30}).json()["status"] == "complete"

    results = api.get(f"{location}/results").json()
    rows = [line.split(b",") for line in EARTHQUAKES.splitlines()[1:]]
    in_range = [row for row in rows if b"2018-02-01" <= row[1][:10] <= b"2018-02-02"]
    assert results["count"] == len(in_range) > 0
    assert sum(results["result"]["counts"]) == len(in_range)
    names = [artifact["name"] for artifact in results["artifacts"]]
    assert names == ["plot.png", "plot.svg", "table.csv"]
    for artifact in results["artifacts"]:
        fetched = api.get(artifact["url"])
        assert fetched.headers["Content-Type"].split(";")[0] == artifact["type"]
        assert len(fetched.content) == artifact["bytes"]
    assert api.get(f"{location}/results", headers={"Accept": "image/png"}).content.startswith(b"\x89PNG")


def test_ten_thousand_jobs_in_one_request_all_complete_and_each_ran_once(api):
    asked = [{"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0}}] * 10_000

    accepted = api.post("/jobs", json=asked)

    assert accepted.status_code == 202
    ids = (
        [job["id"] for job in accepted.json()["jobs"]]
        if isinstance(accepted.json(), dict)
        else [job["id"] for job in accepted.json()]
    )
    assert len(set(ids)) == 10_000
    eventually(lambda: jobs.get_stats()["jobs"]["complete"] == 10_000, seconds=100, every=0.25)
    pipeline = jobs.rd.pipeline(transaction=False)
    for jid in ids:
        pipeline.hget(f"job.{jid}", "attempt")
        pipeline.exists(f"results.{jid}")
    assert pipeline.execute() == [b"1", 1] * 10_000


def test_sixty_four_clients_wait_while_others_are_served(api):
    jid = api.post("/jobs", json={"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 4}}).json()[
        "id"
    ]

    def wait(_: int) -> str:
        return api.get(f"/jobs/{jid}", params={"wait": 30}).json()["status"]

    with ThreadPoolExecutor(64) as pool:
        waiting = pool.map(wait, range(64))
        time.sleep(1)
        assert api.get("/health").status_code == 200
        assert api.get(f"/jobs/{jid}").json()["status"] == "in progress"
        assert api.post("/jobs", json={"start": None, "end": None}).status_code == 202
        assert list(waiting) == ["complete"] * 64


def test_status_and_results_are_never_out_of_step(api):
    out_of_step: list[object] = []
    over = threading.Event()

    def read(jid: str) -> None:
        while not over.is_set():
            before = api.get(f"/jobs/{jid}").json()["status"]
            results = api.get(f"/jobs/{jid}/results")
            after = api.get(f"/jobs/{jid}").json()["status"]
            if before == "complete" and results.status_code != 200:
                out_of_step.append((before, results.status_code))
            if results.status_code == 200 and after != "complete":
                out_of_step.append((results.status_code, after))

    for _ in range(10):
        asked = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0.05}}
        jid = api.post("/jobs", json=asked).json()["id"]
        over.clear()
        readers = [threading.Thread(target=read, args=(jid,)) for _ in range(4)]
        for reader in readers:
            reader.start()
        api.get(f"/jobs/{jid}", params={"wait": 10})
        time.sleep(0.1)
        over.set()
        for reader in readers:
            reader.join()

    assert out_of_step == []


def test_a_running_job_is_cancelled_over_http(api):
    asked = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 60}}
    jid = api.post("/jobs", json=asked).json()["id"]
    eventually(lambda: api.get(f"/jobs/{jid}").json()["status"] == "in progress")

    assert api.post(f"/jobs/{jid}/cancel").json()["status"] == "cancelled"

    assert api.get(f"/jobs/{jid}/results").status_code == 409
    eventually(lambda: all(worker["job"] is None for worker in api.get("/workers").json()["workers"]), seconds=2)


def test_progress_and_log_can_be_seen_while_a_job_runs(api):
    asked = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 3}}
    jid = api.post("/jobs", json=asked).json()["id"]

    seen = eventually(lambda: 0 < api.get(f"/jobs/{jid}").json()["progress"] < 1)

    assert seen
    assert api.get(f"/jobs/{jid}", params={"wait": 10}).json()["progress"] == 1


def test_a_hundred_bulk_clients_at_once_make_one_set_of_jobs(api):
    asked = [{"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0}}] * 20

    def post(_: int) -> tuple[int, str]:
        answer = api.post("/jobs", json=asked, headers={"Idempotency-Key": "one"})
        return answer.status_code, str(answer.json())[:60]

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(post, range(100)))

    assert {status for status, _ in answers} == {202}
    assert api.get("/jobs").json()["total"] == 20


def test_five_hundred_jobs_over_http_survive_kills(api):
    asked = [
        {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0.01}, "max_attempts": 20}
        for _ in range(500)
    ]
    api.post("/jobs", json=asked)
    dice = random.Random(7)
    for _ in range(5):
        time.sleep(dice.uniform(0.1, 0.3))
        workers = api.get("/workers").json()["workers"]
        if workers:
            os.kill(dice.choice(workers)["pid"], signal.SIGKILL)

    eventually(lambda: api.get("/jobs", params={"status": "complete", "limit": 1}).json()["total"] == 500, seconds=60)
    assert api.get("/stats").json()["jobs"]["failed"] == 0


def test_redis_away_is_503_and_the_api_comes_back_by_itself(api, live):
    live.stop()
    away = api.get("/jobs")
    assert (away.status_code, away.headers["Retry-After"].isdigit()) == (503, True)
    assert api.get("/ready").status_code == 503
    assert api.get("/health").status_code == 200

    live.start()

    eventually(lambda: api.get("/jobs").status_code == 200, seconds=10)


def test_redis_full_is_507_for_new_jobs_and_work_in_hand_ends(api):
    asked = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 1}}
    jid = api.post("/jobs", json=asked).json()["id"]
    waiting = [api.post("/jobs", json=asked).json()["id"] for _ in range(3)]
    eventually(lambda: api.get(f"/jobs/{jid}").json()["status"] == "in progress")
    jobs.rd.config_set("maxmemory", 1)
    try:
        refused = api.post("/jobs", json=asked)
        assert (refused.status_code, refused.headers["Content-Type"]) == (507, "application/problem+json")
        for one in [jid, *waiting]:
            assert api.get(f"/jobs/{one}", params={"wait": 20}).json()["status"] == "complete"
        assert api.get("/jobs").json()["total"] == 4
    finally:
        jobs.rd.config_set("maxmemory", 0)


def test_redis_full_does_not_keep_an_idle_worker_from_what_waits(start_worker):
    job = jobs.add_job(None, None, "sleep", params={"seconds": 0})
    jobs.rd.config_set("maxmemory", 1)
    try:
        start_worker(1)
        eventually(lambda: jobs.get_job_by_id(job["id"])["status"] == "complete")
    finally:
        jobs.rd.config_set("maxmemory", 0)


def test_a_draining_api_answers_its_waiters(start_api, start, live):
    client = start_api()
    jid = client.post("/jobs", json={"start": None, "end": None, "analysis": "sleep"}).json()["id"]
    answers: list[int] = []
    waiter = threading.Thread(
        target=lambda: answers.append(client.get(f"/jobs/{jid}", params={"wait": 60}).status_code)
    )
    waiter.start()
    time.sleep(1)
    gunicorn = start.started[-1]

    assert gunicorn.stop(seconds=15) == 0

    waiter.join(10)
    assert answers == [200]
