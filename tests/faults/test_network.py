"""The network between our processes and Redis fails, in every way and at every call; no job ends because of it."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

import jobs
from ops.invariants import find_violations
from tests.conftest import LEASE_SECONDS, Server, eventually
from tests.faults.raw_http import RawConnection
from tests.faults.tcp_proxy import HOWS, TcpProxy, command, transition

pytestmark = pytest.mark.long

SEED = int(os.environ.get("SEED", "3"))
# With FAULTS=all, the slower tests try all ways; each silent connection costs them a time-out of 5 s.
ALL = os.environ.get("FAULTS") == "all"
FEW = list(HOWS) if ALL else ["answered", "late"]
CALLS = {
    "api": {
        "upload": command("SET"),
        "replay": command("HMGET"),
        "add": transition("add"),
        "read": command("HGETALL"),
        "subscribe": command("SUBSCRIBE"),
        "results": command("HGET"),
        "cancel": transition("cancel"),
    },
    "worker": {
        "wait": command("BLPOP"),
        "take": transition("claim"),
        "finish": transition("finish_claim"),
        "release": transition("release"),
        "renew": transition("renew"),
        "dataset": command("HGET"),
        "chunk": command("GET"),
        "report": transition("report"),
    },
}


@pytest.fixture
def open_proxy(live: Server) -> Iterator[Callable[[], TcpProxy]]:
    """Open proxies to the server; check the invariants at the end of the test."""
    proxies: list[TcpProxy] = []

    def run() -> TcpProxy:
        proxies.append(TcpProxy(live.port, seed=SEED))
        return proxies[-1]

    yield run
    for proxy in proxies:
        proxy.close()
    assert find_violations(jobs.rd, jobs.q._client) == []


class Client:
    """A client that repeats requests as the responses demand; its posts have idempotency keys."""

    def __init__(self, api: httpx.Client, dice: random.Random) -> None:
        self.api = api
        self.dice = dice
        self.accepted: list[str] = []

    def call(self, method: str, path: str, **options) -> httpx.Response:
        """Return the first response other than 503."""
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up:
            answer = self.api.request(method, path, **options)
            if answer.status_code != 503:
                return answer
            assert "Retry-After" in answer.headers
            time.sleep(0.1)
        pytest.fail(f"only 503 from {method} {path}")

    def post_job(self, **asked) -> str:
        body = {"start": None, "end": None, **asked}
        headers = {"Idempotency-Key": f"{self.dice.random()}"}
        answer = self.call("POST", "/jobs", json=body, headers=headers)
        assert answer.status_code == 202, answer.text
        self.accepted.append(answer.json()["id"])
        return self.accepted[-1]

    def sleep(self, seconds: float, **options) -> str:
        return self.post_job(analysis="sleep", params={"seconds": seconds}, **options)

    def wait(self, jid: str) -> str:
        """Return the status when the job has ended."""
        while True:
            job = self.call("GET", f"/jobs/{jid}", params={"wait": 10}).json()
            if jobs.Status(job["status"]).ended:
                return job["status"]


def _charged(jid: str) -> int:
    return int(jobs.rd.hget(f"job.{jid}", "failed_attempts") or 0)


def _assert_one_result_each(ids: list[str]) -> None:
    for jid in ids:
        job, results = jobs.get_job_by_id(jid), jobs.get_results(jid)
        assert (job["status"], results and results["attempt"]) == ("complete", job["attempt"])
        assert _charged(jid) == 0


def _main_job(client: Client) -> None:
    """Load, submit, wait, fetch; run a long job with progress, one over its time, and one that is cancelled."""
    rows = [f"{n},{client.dice.random()}" for n in range(50)]
    loaded = client.call("POST", "/data", content="id,value\n" + "\n".join(rows), headers={"Content-Type": "text/csv"})
    assert loaded.status_code == 201
    jid = client.post_job(analysis="histogram", params={"column": "value"})
    slow = client.sleep(0.4)
    late = client.sleep(60, timeout=0.1, max_attempts=1)
    cancelled = client.sleep(60)
    assert client.call("POST", f"/jobs/{cancelled}/cancel").json()["status"] == "cancelled"
    assert [client.wait(one) for one in (jid, slow, late)] == ["complete", "complete", "failed"]
    assert jobs.get_job_by_id(cancelled)["status"] == "cancelled"
    results = client.call("GET", f"/jobs/{jid}/results").json()
    assert results["count"] == 50
    for artifact in results["artifacts"]:
        assert len(client.call("GET", artifact["url"]).content) == artifact["bytes"]
    _assert_one_result_each([jid, slow])


@contextmanager
def _under_load(api: httpx.Client, work: Callable[[Client], None], clients: int = 3) -> Iterator[list[Client]]:
    """Run clients that repeat ``work`` until the body ends; their errors fail the test."""
    over = threading.Event()
    found = [Client(api, random.Random(f"{SEED} {n}")) for n in range(clients)]

    def repeat(client: Client) -> None:
        while not over.is_set():
            work(client)

    with ThreadPoolExecutor(clients) as pool:
        loops = [pool.submit(repeat, client) for client in found]
        try:
            yield found
        finally:
            over.set()
        for loop in loops:
            loop.result()


def _cut_everywhere(proxy: TcpProxy, calls: dict[str, bytes]) -> int:
    """Trigger a failure at each call in each way; return the number of failures."""
    faults = [(call, how) for call in calls for how in HOWS]
    random.Random(SEED).shuffle(faults)
    for call, how in faults:
        with proxy.trap(calls[call], how) as trap:
            assert trap.sprung.wait(30), f"nothing was {how} at {call}"
    return len(faults)


def test_every_call_of_the_main_job_is_cut_at_every_place(open_proxy, start_worker, start_api):
    proxies = {"api": open_proxy(), "worker": open_proxy()}
    start_worker(4, port=proxies["worker"].port)
    api = start_api(port=proxies["api"].port)

    with _under_load(api, _main_job) as clients, ThreadPoolExecutor() as pool:
        cut = list(pool.map(lambda side: _cut_everywhere(proxies[side], CALLS[side]), CALLS))

    assert cut == [len(CALLS[side]) * len(HOWS) for side in CALLS]
    assert jobs.get_jobs(limit=1).total == sum(len(client.accepted) for client in clients)


@pytest.mark.parametrize("how", FEW)
def test_the_calls_around_a_childs_death_are_cut(open_proxy, start_worker, how):
    proxy = open_proxy()
    start_worker(1, port=proxy.port)
    jid = jobs.add_job(None, None, "sleep", params={"seconds": 1.5})["id"]

    with proxy.trap(transition("deregister"), how) as dismissed, proxy.trap(transition("register"), how) as registered:
        os.kill(eventually(lambda: _holder_of(jid))["pid"], signal.SIGKILL)
        eventually(lambda: dismissed.sprung.is_set() and registered.sprung.is_set())
        eventually(lambda: jobs.get_job_by_id(jid)["status"] == "complete")

    assert (jobs.get_results(jid)["attempt"], _charged(jid)) == (2, 1)
    eventually(lambda: len(jobs.get_workers()) == 1)


@pytest.mark.parametrize("how", FEW)
def test_the_calls_of_a_drain_are_cut(open_proxy, start_worker, how):
    proxy = open_proxy()
    worker = start_worker(1, port=proxy.port)
    jid = jobs.add_job(None, None, "sleep", params={"seconds": 1})["id"]
    eventually(lambda: _holder_of(jid))

    with proxy.trap(transition("finish"), how) as finished, proxy.trap(transition("deregister"), how) as dismissed:
        assert worker.stop() == 0
        assert finished.sprung.is_set()
        assert dismissed.sprung.is_set()

    _assert_one_result_each([jid])
    eventually(lambda: jobs.get_workers() == [])


def _holder_of(jid: str) -> dict | None:
    return next((worker for worker in jobs.get_workers() if worker["job"] == jid), None)


@pytest.fixture
def two_hosts(open_proxy, start_worker):
    """Start two workers with one child each, each on its own proxy."""
    proxies = [open_proxy(), open_proxy()]
    for proxy in proxies:
        start_worker(1, port=proxy.port)
    return proxies


@pytest.mark.parametrize("how", [TcpProxy.go_down, TcpProxy.fall_silent])
def test_an_outage_longer_than_the_lease_ends_no_job(two_hosts, how):
    ids = [job["id"] for job in jobs.add_jobs([_slow(LEASE_SECONDS), _slow(2.5 * LEASE_SECONDS)])[0]]
    eventually(lambda: all(_holder_of(jid) for jid in ids))

    for proxy in two_hosts:
        how(proxy)
    time.sleep(1.7 * LEASE_SECONDS)
    for proxy in two_hosts:
        proxy.come_up()

    eventually(lambda: all(jobs.get_job_by_id(jid)["status"] == "complete" for jid in ids))
    assert [jobs.get_job_by_id(jid)["attempt"] for jid in ids] == [1, 1]
    _assert_one_result_each(ids)


def _slow(seconds: float) -> jobs.Submission:
    return jobs.Submission(start=None, end=None, analysis="sleep", params={"seconds": seconds})


def test_a_disconnected_host_loses_its_job_and_its_late_result_is_rejected(two_hosts):
    cut_off, well = two_hosts
    well.go_down()
    jid = jobs.add_jobs([_slow(1.7 * LEASE_SECONDS)])[0][0]["id"]
    first = eventually(lambda: _holder_of(jid))["id"]
    well.come_up()

    cut_off.fall_silent()
    second = eventually(lambda: (now := _holder_of(jid)) and now["id"] != first and now, seconds=4 * LEASE_SECONDS)
    cut_off.come_up()

    eventually(lambda: jobs.get_job_by_id(jid)["status"] == "complete", seconds=30)
    assert (jobs.get_job_by_id(jid)["worker"], jobs.get_results(jid)["attempt"]) == (second["id"], 2)
    assert _charged(jid) == 1
    eventually(lambda: len(jobs.get_workers()) == 2)


def _sleep_a_little(client: Client) -> None:
    ids = [client.sleep(client.dice.choice((0, 0.02))) for _ in range(5)]
    assert {client.wait(jid) for jid in ids} == {"complete"}


def test_redis_kills_connections_of_all_kinds_again_and_again(open_proxy, start_worker, start_api):
    start_worker(3)
    api = start_api()
    killed = 0

    with _under_load(api, _sleep_a_little) as clients:
        for _ in range(30):
            for kind in ("normal", "pubsub"):
                killed += jobs.rd.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
            time.sleep(0.1)

    assert killed > 30
    _assert_one_result_each([jid for client in clients for jid in client.accepted])
    assert jobs.get_jobs(limit=1).total == sum(len(client.accepted) for client in clients) > 0


@pytest.mark.parametrize("kind", ["ALL", "WRITE"] if ALL else ["ALL"])
def test_redis_pauses_for_longer_than_the_lease(two_hosts, start_api, kind):
    api = start_api()
    jid = jobs.add_jobs([_slow(2.5 * LEASE_SECONDS)])[0][0]["id"]
    eventually(lambda: _holder_of(jid))

    with _under_load(api, _sleep_a_little) as clients:
        time.sleep(1)
        jobs.rd.execute_command("CLIENT", "PAUSE", int((LEASE_SECONDS + 1.5) * 1000), kind)
        time.sleep(LEASE_SECONDS + 3)

    eventually(lambda: jobs.get_job_by_id(jid)["status"] == "complete")
    assert jobs.get_job_by_id(jid)["attempt"] == 1
    _assert_one_result_each([jid, *(one for client in clients for one in client.accepted)])
    assert jobs.get_jobs(limit=1).total == 1 + sum(len(client.accepted) for client in clients)


def test_a_slow_line_costs_nothing_but_time(open_proxy, start_worker, start_api):
    proxies = [open_proxy(), open_proxy()]
    start_worker(2, port=proxies[0].port)
    api = start_api(port=proxies[1].port)
    for proxy in proxies:
        proxy.delay = 0.05

    with _under_load(api, _main_job, clients=1) as clients:
        time.sleep(2)

    assert jobs.get_jobs(limit=1).total == sum(len(client.accepted) for client in clients) > 0


ROUTES = ["GET /jobs", "GET /data", "GET /data/1", "GET /stats", "GET /workers", "GET /ready", "GET /jobs/ID"]
ROUTES += ["GET /jobs/ID?wait=30", "GET /jobs/ID/results", "GET /jobs/ID/log", "POST /jobs", "POST /jobs/ID/cancel"]
ROUTES += ["POST /jobs/ID/retry", "DELETE /jobs/ID", "DELETE /data", "POST /data"]


def test_a_frozen_redis_is_503_in_time_on_every_route_and_for_everybody(start_api, live):
    # Given an API with a waiting client, and a Redis that accepts connections but does not respond
    port = start_api().base_url.port
    jid = jobs.add_job(None, None, "sleep")["id"]
    with ThreadPoolExecutor(201) as pool:
        waiter = pool.submit(_timed, port, f"GET /jobs/{jid}?wait=60")
        time.sleep(1)
        live.process.send_signal(signal.SIGSTOP)
        frozen = time.monotonic()
        try:
            # When 200 clients repeatedly send requests of all kinds
            calls = [pool.submit(_timed, port, ROUTES[n % len(ROUTES)].replace("ID", jid)) for n in range(600)]
            found = [call.result() for call in calls]
            waiter.result()
            waited = time.monotonic() - frozen
        finally:
            live.process.send_signal(signal.SIGCONT)

    # Then each of them gets a 503 in time
    assert {status for _, status, _ in found} == {503}
    assert max(seconds for seconds, _, _ in found) < 3, sorted(found)[-5:]
    assert waited < 4
    # And everything works again as soon as Redis does
    # (each process of the API finds that out for itself, hence several requests)
    eventually(lambda: {_timed(port, f"GET /jobs/{jid}")[1] for _ in range(10)} == {200}, seconds=3)
    assert _timed(port, f"GET /jobs/{jid}?wait=0.1")[1] == 200


def _timed(port: int, call: str) -> tuple[float, int, str]:
    bodies = {"POST /data": b"id,n\n1,2\n", "POST /jobs": b'{"start": null, "end": null, "analysis": "sleep"}'}
    words = (call.encode(), b" HTTP/1.1\r\nHOST\r\nContent-Type: text/csv\r\nContent-Length: ")
    begun = time.monotonic()
    with RawConnection(port).send(*words, b"%d\r\n\r\n" % len(body := bodies.get(call, b"")), body) as raw:
        answer = raw.answer()
    assert answer.status != 503 or "retry-after" in answer.headers
    return time.monotonic() - begun, answer.status, call
