"""Measure listing, searching and acting on all jobs that match, with a million jobs.

    make bench SUITE=listing

On a fresh Redis, behind one API process: each page many times, then actions that walk through all jobs.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator

import jobs
from benchmarks.harness import machine, markdown
from benchmarks.many_jobs import fill, job_id
from benchmarks.processes import own_redis, running
from ops.devserver.processes import free_ports

JOBS = 1_000_000
REQUESTS = 40
PAGES = 200
_SECONDS = 120
_QUERIES = {
    "the newest": "",
    "by status": "status=complete",
    "by status and analysis": "status=complete&analysis=sleep",
    "by owner": "owner=ann",
    "by tag": "tag=night",
    "a search that matches all": "search=SECONDS",
    "a search that matches one in a thousand": "search=ann",
    "a search that matches none": "search=absent",
}


class _Client:
    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)

    def request(self, path: str, method: str = "GET") -> tuple[float, int, bytes]:
        """Return the seconds that it took, the status and the body."""
        began = time.perf_counter()
        self._connection.request(method, path, headers={"Host": "localhost"})
        response = self._connection.getresponse()
        body = response.read()
        return time.perf_counter() - began, response.status, body

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()


def _wait_until_ready(client: _Client) -> None:
    while True:
        try:
            if client.request("/ready")[1] == 200:
                return
        except OSError:
            client.close()
            time.sleep(0.1)


def _row(label: str, taken: list[float]) -> tuple[str, ...]:
    return label, f"{1000 * statistics.median(taken):.0f} ms", f"{1000 * max(taken):.0f} ms"


def _pages(client: _Client) -> Iterator[tuple[str, ...]]:
    for path in ("/jobs", "/ui/jobs"):
        for what, query in _QUERIES.items():
            client.request(f"{path}?{query}")
            taken = [client.request(f"{path}?{query}") for _ in range(REQUESTS)]
            assert {status for _, status, _ in taken} == {200}
            yield _row(f"`{path}`, {what}", [seconds for seconds, _, _ in taken])
    for what, query in (("the newest", "limit=1000"), ("a search that matches none", "limit=1000&search=absent")):
        address, walked = f"/jobs?{query}", list[float]()
        while address and len(walked) < PAGES:
            seconds, _, body = client.request(address)
            walked.append(seconds)
            address = json.loads(body)["next"]
        yield _row(f"`/jobs`, {what}, {len(walked)} pages of `limit=1000`, one after the other", walked)


def _actions(client: _Client, count: int) -> Iterator[tuple[str, ...]]:
    for what, query in (
        ("one job, found by a search", f"search={job_id(count // 2)}"),
        ("those of an owner", "owner=ann"),
        ("none, by a tag", "tag=absent"),
        ("none, by a search", "search=absent"),
    ):
        seconds, status, body = client.request(f"/jobs/cancel?{query}", "POST")
        yield f"`POST /jobs/cancel`, {what}: {status}, {json.loads(body)['done']} done", f"{seconds:.1f} s", ""


def main() -> None:
    """Measure and print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else JOBS
    [port] = free_ports(1)
    words = [sys.executable, "-m", "gunicorn", "--config", "python:web.server.gunicorn_conf", "api:create_app()"]
    with own_redis("--appendonly", "no"):
        fill(jobs.rd, count)
        with running(*words, API_PORT=port):
            client = _Client(port)
            _wait_until_ready(client)
            rows = [(f"{count:,} jobs", "median", "longest"), *_pages(client), *_actions(client, count)]
    print(f"{machine()}, load {os.getloadavg()[0]:.1f}\n\n{markdown(rows)}")


if __name__ == "__main__":
    main()
