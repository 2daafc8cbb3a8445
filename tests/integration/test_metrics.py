"""API and worker are scraped after jobs of every kind of end: each is counted exactly once."""

from __future__ import annotations

import json
import os
import signal
import socket
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

import jobs
from tests.conftest import ROOT, eventually, free_port

EARTHQUAKES = (ROOT / "samples" / "earthquakes.csv").read_bytes()
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


def nap(seconds: float, **options: Any) -> dict[str, Any]:
    return {"analysis": "sleep", "params": {"seconds": seconds}, **options}


def samples(text: str, parse=parse_text) -> dict[str, float]:
    """Return the samples of a scrape by name and values of the labels, such as ``jobs_ended_total failed sleep``."""
    return {
        " ".join([sample.name, *(sample.labels[name] for name in sorted(sample.labels, reverse=True))]): sample.value
        for family in parse(text)
        for sample in family.samples
    }


def counted(found: dict[str, float], start: str) -> dict[str, float]:
    """Return the samples of one name that are not zero."""
    return {name.removeprefix(f"{start} "): value for name, value in found.items() if name.startswith(start) and value}


class Service:
    """An API, and a worker with one child that serves its metrics."""

    def __init__(self, start_api, start_worker) -> None:
        port = free_port()
        self.worker_process = start_worker(1, METRICS_PORT=port, MAX_RESULT_BYTES=2000)
        self.api = start_api()
        self._worker_url = f"http://127.0.0.1:{port}/metrics"

    def submit(self, **job: Any) -> str:
        accepted = self.api.post("/jobs", json=job)
        assert accepted.status_code == 202, accepted.text
        return accepted.json()["id"]

    def ended(self, jid: str) -> str:
        return self.api.get(f"/jobs/{jid}?wait=30").json()["status"]

    def running(self, jid: str, attempt: int = 1) -> None:
        def runs() -> bool:
            job = self.api.get(f"/jobs/{jid}").json()
            return job["status"] == "in progress" and job["attempt"] == attempt and job["progress"] > 0

        eventually(runs)

    def kill_child_of(self, jid: str) -> None:
        worker = self.api.get(f"/jobs/{jid}").json()["worker"]
        [pid] = [each["pid"] for each in jobs.get_workers() if each["id"] == worker]
        os.kill(pid, signal.SIGKILL)

    def scrape(self) -> dict[str, float]:
        return samples(self.api.get("/metrics").text)

    def scrape_worker(self, **headers: str) -> dict[str, float]:
        answer = httpx.get(self._worker_url, headers=headers, trust_env=False)
        assert answer.status_code == 200
        return samples(answer.text, parse_openmetrics if headers else parse_text)


@pytest.fixture
def service(start_api, start_worker) -> Service:
    return Service(start_api, start_worker)


def test_each_end_of_a_job_is_counted_once(service):
    # Given jobs that complete, fail, are cancelled while they wait and while they run, time out, and are killed
    assert service.api.post("/data", content=EARTHQUAKES, headers={"Content-Type": "text/csv"}).status_code == 201
    for _ in range(2):
        assert service.ended(service.submit(**nap(0))) == "complete"
    assert service.ended(service.submit(analysis="histogram", max_attempts=1)) == "failed"  # of too large results
    waiting = service.submit(**nap(0, delay=600))
    assert service.api.post(f"/jobs/{waiting}/cancel").status_code == 200
    running = service.submit(**nap(60))
    service.running(running)
    for _ in range(2):  # the second one changes nothing
        assert service.api.post(f"/jobs/{running}/cancel").status_code == 200
    assert service.ended(service.submit(**nap(60, timeout=0.5, max_attempts=1))) == "failed"
    killed = service.submit(**nap(60, max_attempts=1))
    service.running(killed)
    service.kill_child_of(killed)
    assert service.ended(killed) == "failed"
    repeated = service.submit(**nap(1))
    service.running(repeated)
    service.kill_child_of(repeated)
    assert service.ended(repeated) == "complete"

    # then the API counts jobs by status and analysis, and retries by reason
    found = service.scrape()
    ended = {"complete sleep": 3, "failed histogram": 1, "failed sleep": 2, "cancelled sleep": 2}
    assert counted(found, "jobs_ended_total") == ended
    assert counted(found, "jobs_retries_total") == {"killed": 1}
    assert counted(found, "jobs_submitted_total") == {"sleep": 7, "histogram": 1}
    assert counted(found, "jobs_stored") == {"complete": 3, "failed": 3, "cancelled": 2}
    assert (found["jobs_redis_up"], found["jobs_workers"], found["jobs_oldest_waiting_seconds"]) == (1, 1, 0)
    # and its requests by route, method and status
    requests = counted(found, "jobs_http_request_duration_seconds_count")
    assert requests["202 /jobs POST"] == 8
    assert requests["200 /jobs/<jid>/cancel POST"] == 3
    assert requests["201 /data POST"] == 1
    # and the worker counts attempts by outcome, also those of children that are gone
    expected = {"complete sleep": 3, "cancelled sleep": 1, "timeout sleep": 1, "killed sleep": 2, "error histogram": 1}
    found = eventually(lambda: found if (found := attempts(service)) == expected else None)
    found = service.scrape_worker(**OPENMETRICS)
    for name in ("jobs_waited_seconds", "jobs_run_seconds"):
        assert counted(found, f"{name}_count") == {"histogram": 1, "sleep": 7}
        assert found[f"{name}_bucket +Inf sleep"] == 7
    assert 1.5 < found["jobs_run_seconds_sum sleep"] < 60
    assert counted(found, "jobs_child_exits_total") == {"killed": 2}
    assert found["jobs_leases_lost_total"] == found["jobs_redis_errors_total"] == 0


def attempts(service: Service) -> dict[str, float]:
    return counted(service.scrape_worker(), "jobs_attempts_total")


def test_metrics_answer_while_redis_is_away(service, live):
    live.stop()
    try:
        answer = service.api.get("/metrics")
        assert answer.status_code == 200
        found = samples(answer.text)
        assert found["jobs_redis_up"] == 0
        assert "jobs_workers" not in found
        assert service.api.get("/stats").status_code == 503
        assert service.scrape()["jobs_redis_errors_total"] == 1
        eventually(lambda: service.scrape_worker()["jobs_redis_errors_total"] > 0)
    finally:
        live.start()
    eventually(lambda: service.scrape()["jobs_redis_up"] == 1)


@pytest.mark.long
def test_a_lost_lease_is_counted_by_the_worker_that_releases_the_job(service, start_worker):
    other = start_worker(1)
    busy = [service.submit(**nap(60)) for _ in range(2)]
    for jid in busy:
        service.running(jid)

    os.killpg(other.process.pid, signal.SIGKILL)

    eventually(lambda: service.scrape_worker()["jobs_leases_lost_total"] == 1, seconds=30)
    assert counted(service.scrape(), "jobs_retries_total") == {"lost": 1}


def test_a_worker_whose_port_is_taken_ends_with_a_sentence(start):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        worker = start("worker.py", METRICS_PORT=taken.getsockname()[1])
        assert worker.process.wait(20) == 1
    assert "cannot listen there (Address already in use)" in worker.log.read_text()


def test_one_request_id_is_in_the_answer_the_job_and_each_log_line(start_api, start_worker, start):
    # Given a service that logs JSON
    worker = start_worker(1, LOG_FORMAT="json")
    api = start_api(LOG_FORMAT="json")
    api_process = start.started[-1]
    key = "Bearer do-not-log-this-key"

    # when a job is submitted with a request id, a key and a query that matches nothing
    asked = nap(0, tags=["do-not-log-this-tag"], params={"seconds": 0.0625})
    headers = {"X-Request-Id": "one/request:1", "Authorization": key, "Cookie": "session=do-not-log-this-cookie"}
    job = api.post("/jobs", json=asked, headers=headers)
    assert api.get(f"/jobs/{job.json()['id']}?wait=30").json()["status"] == "complete"
    refused = api.get("/jobs?tag=do-not-log-this-query&nope=1", headers={"X-Request-Id": "two"})

    # then it is in the answer, in the job, in problem details, and in the lines of API and worker
    assert job.headers["X-Request-Id"] == job.json()["request_id"] == "one/request:1"
    assert refused.headers["X-Request-Id"] == refused.json()["request_id"] == "two"
    eventually(lambda: "job completed" in worker.log.read_text())  # it is logged after the outcome is sent
    eventually(lambda: '"two"' in api_process.log.read_text())  # after the answer, too
    lines = [json.loads(line) for process in (api_process, worker) for line in process.log.read_text().splitlines()]
    events = {line["event"] for line in lines if line.get("request_id") == "one/request:1"}
    assert events == {"request", "job started", "job completed"}
    assert {line["path"] for line in lines if line.get("request_id") == "two"} == {"/jobs"}
    assert all(line["request_id"] for line in lines if line["logger"] == "api")
    assert all({"time", "level", "logger", "event"} <= line.keys() for line in lines)
    # and neither secrets nor parameters are
    written = api_process.log.read_text() + worker.log.read_text()
    assert "do-not-log" not in written
    assert "0.0625" not in written


def test_several_api_processes_answer_with_one_sum(start, tmp_path):
    # Given an API of two processes
    folder = tmp_path / "metrics"
    folder.mkdir()
    port = free_port()
    words = ("--config", "python:web.server.gunicorn_conf", "--workers", "2", "api:create_app()")
    process = start("-m", "gunicorn", *words, API_PORT=port, PROMETHEUS_MULTIPROC_DIR=folder)
    url = f"http://127.0.0.1:{port}"
    eventually(lambda: process.log.read_text().count("Booting worker") == 2)

    # when requests on connections of their own reach both
    asked = 0

    def both_have_answered() -> bool:
        nonlocal asked
        try:
            assert httpx.post(f"{url}/jobs", json=nap(0), trust_env=False).status_code == 202
        except httpx.ConnectError:
            return False
        asked += 1
        return len({file.name for file in folder.glob("histogram_*.db")}) == 2

    eventually(both_have_answered)

    # then each scrape has the sum, whichever process answers, also once one of them has died
    def all_counted() -> bool:
        scrapes = [samples(httpx.get(f"{url}/metrics", trust_env=False).text) for _ in range(8)]
        return all(
            (each["jobs_http_request_duration_seconds_count 202 /jobs POST"], each["jobs_submitted_total sleep"])
            == (asked, asked)
            and each["jobs_stored submitted"] == asked
            for each in scrapes
        )

    assert all_counted()
    [pid, _] = [int(file.stem.partition("_")[2]) for file in folder.glob("histogram_*.db")]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: process.log.read_text().count("Booting worker") == 3)
    assert all_counted()


def test_the_api_answers_openmetrics_by_accept(start_api):
    api = start_api()
    text = api.get("/metrics")
    openmetrics = api.get("/metrics", headers=OPENMETRICS)

    assert text.headers["Content-Type"].startswith("text/plain")
    assert openmetrics.headers["Content-Type"].startswith("application/openmetrics-text")
    assert openmetrics.text.endswith("# EOF\n")
    found = samples(openmetrics.text, parse_openmetrics)
    assert found["jobs_redis_up"] == samples(text.text)["jobs_redis_up"] == 1
    assert found["jobs_http_request_duration_seconds_count 200 /metrics GET"] == 1
    for accept, kind in (
        ("APPLICATION/OPENMETRICS-TEXT", "application/openmetrics-text"),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2,*/*;q=0.1", "application/openmetrics-text"),
        ("application/openmetrics-text;q=0.1, text/plain", "text/plain"),
        ("application/openmetrics-text;q=0, text/plain", "text/plain"),
        ("*/*", "text/plain"),
    ):
        assert api.get("/metrics", headers={"Accept": accept}).headers["Content-Type"].startswith(kind), accept
