"""Measure the CPU of requests within the process of the API: WSGI calls without a socket, against a Redis of their own.

    python -m benchmarks.requests [--quick] [--profile cpu-post]

- ``cpu-post``: ``POST /jobs`` of one job without an ``Idempotency-Key``.
- ``cpu-get``: ``GET /jobs/<id>``.

The other side is a Flask application with one route of each kind that parses its body, or takes an id, and answers with
JSON. The sides take turns every few calls; the least time of a turn counts, because other processes only add to it.
``--profile`` prints where the calls of a line spend their time, instead of figures.
"""

from __future__ import annotations

import cProfile
import gc
import io
import json
import pstats
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flask import Flask, Response, request

import jobs
from api import create_app
from benchmarks.figures import HERE, Figure, report
from benchmarks.processes import own_redis

__all__ = ["measure"]

BARE = "bare Flask"
TURNS, QUICK_TURNS = 60, 10
CALLS = 50
PROFILED_CALLS = 3000
JOB = json.dumps({"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0}}).encode()

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def measure(quick: bool) -> Iterator[Figure]:
    """Yield the figures of one round."""
    with own_redis():
        sides = {HERE: create_app(jobs.settings), BARE: _bare()}
        calls = {name: {side: _calls(app)[name] for side, app in sides.items()} for name in ("cpu-post", "cpu-get")}
        for line, ways in calls.items():
            least = dict.fromkeys(ways, float("inf"))
            for _ in range(QUICK_TURNS if quick else TURNS):
                for side, call in ways.items():
                    least[side] = min(least[side], _microseconds(call))
            yield from (Figure(line, side, value, "µs") for side, value in least.items())


def _bare() -> Flask:
    app = Flask("bare", static_folder=None)

    @app.post("/jobs")
    def add() -> Response:
        return Response(json.dumps({"id": "1", **request.get_json()}), 202, content_type="application/json")

    @app.get("/jobs/<jid>")
    def show(jid: str) -> Response:
        return Response(json.dumps({"id": jid}), content_type="application/json")

    return app


def _calls(app: Flask) -> dict[str, Callable[[], bytes]]:
    """Return a function for each line that sends one request to the application."""
    jid = json.loads(_send(app, "POST", "/jobs", JOB))["id"]
    return {
        "cpu-post": lambda: _send(app, "POST", "/jobs", JOB),
        "cpu-get": lambda: _send(app, "GET", f"/jobs/{jid}"),
    }


def _send(app: Wsgi, method: str, path: str, body: bytes = b"") -> bytes:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "5000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost:5000",
        "HTTP_USER_AGENT": "benchmark",
        "HTTP_ACCEPT": "*/*",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,  # as gunicorn has it
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if body:
        environ |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body))}
    statuses: list[str] = []
    parts = app(environ, lambda status, headers, error=None: statuses.append(status))
    try:
        answer = b"".join(parts)
    finally:
        getattr(parts, "close", lambda: None)()
    if not statuses[0].startswith("2"):
        raise RuntimeError(f"{method} {path}: {statuses[0]}: {answer[:200]!r}")
    return answer


def _microseconds(call: Callable[[], bytes]) -> float:
    """Return the CPU time of a call, on average of a turn."""
    gc.collect()
    gc.disable()
    begun = time.process_time()
    for _ in range(CALLS):
        call()
    used = time.process_time() - begun
    gc.enable()
    return used / CALLS * 1e6


def _print_profile(line: str) -> None:
    with own_redis():
        call = _calls(create_app(jobs.settings))[line]
        profile = cProfile.Profile()
        with profile:
            for _ in range(PROFILED_CALLS):
                call()
        pstats.Stats(profile).sort_stats("tottime").print_stats(50)


if __name__ == "__main__":
    if "--profile" in sys.argv:
        _print_profile(sys.argv[sys.argv.index("--profile") + 1])
    else:
        report(measure)
