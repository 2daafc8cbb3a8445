"""The API as several processes: one that is killed is replaced, a reload loses no request, limits are common."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

import jobs
from tests.conftest import eventually
from tests.faults.raw_http import RawConnection, RawResponse

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")

JOB = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0}}
PROCESSES = 3


@pytest.fixture
def api(start_api) -> httpx.Client:
    api: httpx.Client = start_api(API_PROCESSES=PROCESSES)
    return api


@pytest.fixture
def pids(api, start) -> Callable[[], list[int]]:
    main = start.started[-1].process.pid

    def read() -> list[int]:
        return [int(pid) for pid in Path(f"/proc/{main}/task/{main}/children").read_text().split()]

    eventually(lambda: len(read()) == PROCESSES)
    return read


def request_until(over: threading.Event, url: str) -> int:
    """Send requests on connections of their own; return how many were answered."""
    answered = 0
    while not over.is_set():
        assert httpx.get(f"{url}/health", trust_env=False, timeout=20).status_code == 200
        answered += 1
    return answered


def wait_for(pool: ThreadPoolExecutor, api: httpx.Client, jid: str) -> list[Future[RawResponse]]:
    # A client of httpx takes so long to begin, on a busy machine, that it might be sent after the signal.
    request = f"GET /jobs/{jid}?wait=60 HTTP/1.1\r\nHOST\r\n\r\n".encode()
    sent = [RawConnection(api.base_url.port or 0, 70).send(request) for _ in range(12)]
    waits = [pool.submit(_answer, connection) for connection in sent]
    eventually(lambda: jobs.rd.pubsub_numsub(f"job.{jid}")[0][1])
    time.sleep(0.5)
    return waits


def _answer(connection: RawConnection) -> RawResponse:
    with connection:
        return connection.answer()


def test_a_process_that_is_killed_is_replaced_and_the_others_serve_on(api, pids):
    # Given clients that wait at all processes
    jid = api.post("/jobs", json=JOB).json()["id"]
    with ThreadPoolExecutor(12) as pool:
        waits = wait_for(pool, api, jid)
        # when one process is killed
        killed = pids()[0]
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: len(pids()) == PROCESSES and killed not in pids())
        # then requests are answered, and those that wait at the others learn the end
        for _ in range(20):
            assert httpx.get(f"{api.base_url}/stats", trust_env=False).status_code == 200
        httpx.post(f"{api.base_url}/jobs/{jid}/cancel", trust_env=False)
        ended = [wait for wait in waits if wait.exception(30) is None]
        # All may have waited at the one that was killed.
        assert {json.loads(wait.result().body)["status"] for wait in ended} <= {"cancelled"}


def test_a_reload_answers_those_who_wait_and_loses_no_request(api, pids, start):
    before = set(pids())
    jid = api.post("/jobs", json=JOB).json()["id"]
    over = threading.Event()
    with ThreadPoolExecutor(14) as pool:
        asking = pool.submit(request_until, over, str(api.base_url))
        waits = wait_for(pool, api, jid)
        # when the main process is told to reload
        start.started[-1].process.send_signal(signal.SIGHUP)
        # then those who wait are answered now, and new processes serve
        assert {wait.result(30).status for wait in waits} == {200}
        eventually(lambda: len(pids()) == PROCESSES and not before & set(pids()))
        over.set()
        assert asking.result(30) > 0


def test_a_stop_answers_those_who_wait_and_ends_all_processes(api, pids, start):
    running = pids()
    assert httpx.get(f"{api.base_url}/health", trust_env=False).status_code == 200
    jid = api.post("/jobs", json=JOB).json()["id"]
    with ThreadPoolExecutor(12) as pool:
        waits = wait_for(pool, api, jid)
        api.close()
        assert start.started[-1].stop(seconds=15) == 0
        assert {wait.result(5).status for wait in waits} == {200}
    assert not any(Path(f"/proc/{pid}").exists() for pid in running)


def test_metrics_are_those_of_all_processes_and_outlive_one(api, pids):
    # Given requests to all processes
    for _ in range(30):
        httpx.get(f"{api.base_url}/stats", trust_env=False)

    def counted() -> set[str]:
        texts = [httpx.get(f"{api.base_url}/metrics", trust_env=False).text.splitlines() for _ in range(9)]
        name = 'jobs_http_request_duration_seconds_count{method="GET",route="/stats",status="200"}'
        return {line for text in texts for line in text if line.startswith(name)}

    [line] = counted()
    assert line.endswith(" 30.0")
    # when one is killed, then its requests stay counted
    killed = pids()[-1]
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: len(pids()) == PROCESSES and killed not in pids())
    assert counted() == {line}
    # and the memory is that of all
    text = httpx.get(f"{api.base_url}/metrics", trust_env=False).text
    [resident] = [float(line.split()[1]) for line in text.splitlines() if line.startswith("process_resident_memory")]
    eventually(lambda: resident > 0.5 * sum(map(_resident, pids())))


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
