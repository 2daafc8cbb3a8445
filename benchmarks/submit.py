"""Measure how many jobs a second an HTTP server accepts, one a request, from 16 connections.

    python -m benchmarks.submit [--quick]

Beside this project: HotQueue and RQ behind Flask, as their users write it. Each server has an append-only Redis of its
own, and no worker. ``default`` is the server as configured here; the others run under the same gunicorn.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks.figures import HERE, Figure, report
from benchmarks.harness import ROOT, cpu_seconds, processes_of
from benchmarks.http_load import rate, request, wait_until_ready
from benchmarks.peers.peers import PEERS
from benchmarks.processes import fresh_redis, running
from config.cpu import usable_cores
from ops.devserver.processes import free_ports

__all__ = ["measure"]

CONNECTIONS = 16
SECONDS, QUICK_SECONDS = 4.0, 1.5
WARMING = 0.25
"""Share of the seconds that are not measured."""
_OURS = {"analysis": "sleep", "params": {"seconds": 0}}
_TAUGHT = {"start": "2026-01-01", "end": "2026-02-01"}
_SYNC = ("--workers", "2", "--worker-class", "sync")
_THREADS = ("--worker-class", "gthread", "--threads", "8", "--workers")
_AS_MANY = str(min(4, usable_cores()))
"""The processes of the default."""
_DEFAULT = ("--config", "python:web.server.gunicorn_conf")


@dataclass(frozen=True)
class _Server:
    lines: tuple[str, ...]
    peer: str
    options: tuple[str, ...]
    environ: dict[str, str] = field(default_factory=dict)


_SERVERS = (
    _Server(("submit-sync", "submit-rq"), "ours", _SYNC),
    _Server(("submit-sync",), "hotqueue", _SYNC),
    _Server(("submit-rq",), "rq", _SYNC),
    _Server(("submit-process",), "ours", _DEFAULT, {"API_PROCESSES": "1"}),
    _Server(("submit-default", "submit-processes"), "ours", _DEFAULT),
    _Server(("submit-process", "submit-default"), "hotqueue", (*_THREADS, "1")),
    _Server(("submit-processes",), "hotqueue", (*_THREADS, _AS_MANY)),
)


def measure(quick: bool) -> Iterator[Figure]:
    """Yield the figures of all servers in random order."""
    for server in random.sample(_SERVERS, len(_SERVERS)):
        [peer] = (peer for peer in PEERS if peer.name == server.peer)
        side = HERE if peer.name == "ours" else peer.title
        accepted, cpu = _accepted(server, peer.python, QUICK_SECONDS if quick else SECONDS)
        for line in server.lines:
            yield Figure(line, side, accepted, "jobs/s")
        if server.options == _SYNC:
            yield Figure("submit-cpu", side, cpu * 1e6, "µs")


def _accepted(server: _Server, python: str, seconds: float) -> tuple[float, float]:
    """Return the jobs per second, and the CPU seconds of the server for each."""
    app = "api:create_app()" if server.peer == "ours" else f"benchmarks.peers.web:create_app('on_{server.peer}')"
    post = request("POST", "/jobs", json.dumps(_OURS if server.peer == "ours" else _TAUGHT))
    [port] = free_ports(1)
    with ExitStack() as stack:
        redis_port = stack.enter_context(fresh_redis("--appendonly", "yes"))
        words = (python, "-m", "gunicorn", *server.options, "--bind", f"127.0.0.1:{port}", app)
        environ = {"REDIS_IP": "127.0.0.1", "REDIS_PORT": str(redis_port), "PYTHONPATH": str(ROOT), **server.environ}
        processes = stack.enter_context(running(*words, **environ))
        wait_until_ready(port, post)
        rate(port, post, CONNECTIONS, seconds * WARMING)
        served = processes_of(processes.pid)
        before = cpu_seconds(served)
        accepted = rate(port, post, CONNECTIONS, seconds)
        return accepted, (cpu_seconds(served) - before) / (accepted * seconds)


if __name__ == "__main__":
    report(measure)
