"""Measure bulks: jobs accepted a second over HTTP, 1,000 a request, and the longest script of a bulk of 10,000.

    python -m benchmarks.bulk [--quick]

Each server has an append-only Redis of its own, and no worker. The client asks for ids alone, except for one side
(``Prefer: return=minimal``). The reference is one ``RPUSH`` of 1,000 payloads of the same size by redis-py.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import redis

import jobs
from benchmarks.figures import HERE, Figure, report
from benchmarks.http_load import rate, request, wait_until_ready
from benchmarks.processes import fresh_redis, own_redis, running
from ops.devserver.processes import free_ports

__all__ = ["measure"]

JOBS = 1_000
LARGE = 10_000
CONNECTIONS = 4
SECONDS, QUICK_SECONDS = 4.0, 1.5
WARMING = 0.25
"""Share of the seconds that are not measured."""
_JOB = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0}}
_GUNICORN = ("-m", "gunicorn", "--config", "python:web.server.gunicorn_conf", "api:create_app()")


class _Side(NamedTuple):
    name: str
    minimal: bool
    environ: dict[str, str]


_SIDES = (
    _Side(HERE, True, {}),
    _Side("with whole jobs in the answer", False, {}),
    _Side("one API process", True, {"API_PROCESSES": "1"}),
)


def measure(quick: bool) -> Iterator[Figure]:
    """Yield the figures of all sides in random order, the reference between them."""
    seconds = QUICK_SECONDS if quick else SECONDS
    for side in random.sample(_SIDES, len(_SIDES)):
        yield Figure("bulk-http", side.name, _accepted(side, seconds), "jobs/s")
        yield Figure("bulk-http", "RPUSH of as many payloads", _pushed(seconds / 4), "jobs/s")
    yield Figure("bulk-script", HERE, _longest_script(2 if quick else 5), "ms")


def _accepted(side: _Side, seconds: float) -> float:
    """Return the jobs per second that an API accepts."""
    post = request("POST", "/jobs", json.dumps([_JOB] * JOBS))
    if side.minimal:
        post = post.replace(b"\r\n", b"\r\nPrefer: return=minimal\r\n", 1)
    [port] = free_ports(1)
    with ExitStack() as stack:
        redis_port = stack.enter_context(fresh_redis("--appendonly", "yes"))
        environ = {"REDIS_IP": "127.0.0.1", "REDIS_PORT": redis_port, "MAX_QUEUED_JOBS": 10**9, **side.environ}
        words = (sys.executable, *_GUNICORN, "--bind", f"127.0.0.1:{port}")
        stack.enter_context(running(*words, API_PORT=port, **environ))
        wait_until_ready(port, request("GET", "/ready"))
        rate(port, post, CONNECTIONS, seconds * WARMING)
        return JOBS * rate(port, post, CONNECTIONS, seconds)


def _pushed(seconds: float) -> float:
    """Return the payloads per second that a bare Redis takes."""
    payloads, calls = [json.dumps(_JOB)] * JOBS, 0
    with fresh_redis("--appendonly", "yes") as port, redis.Redis(port=port) as client:
        begun = time.perf_counter()
        while (now := time.perf_counter()) < begun + seconds:
            client.rpush("payloads", *payloads)
            calls += 1
    return calls * JOBS / (now - begun)


def _longest_script(times: int) -> float:
    """Return the milliseconds of the longest script of a bulk of 10,000 jobs, in the best of several tries."""
    tries: list[float] = []
    with own_redis("--appendonly", "yes", "--slowlog-log-slower-than", "200", "--slowlog-max-len", "10000"):
        asked = [jobs.Submission(start=None, end=None, analysis="sleep", params={"seconds": 0}) for _ in range(LARGE)]
        for _ in range(times):
            jobs.rd.slowlog_reset()
            jobs.add_jobs(asked)
            log: Any = jobs.rd.slowlog_get(10_000)
            tries.append(max(entry["duration"] for entry in log if entry["command"].startswith(b"EVAL")))
    return min(tries) / 1000


if __name__ == "__main__":
    report(measure)
