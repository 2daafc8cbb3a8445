"""Measure loading, searching and summarizing 300,000 rows, also as ratios to reading the file with `csv.reader`.

    python -m benchmarks.dataset [rounds]

Starts the service on free ports. Each round reads the same CSV once with `csv.reader`, posts it (with another seed each
round, so that nothing is cached), requests the first page of two searches, and runs a `summary` of half the rows.
"""

from __future__ import annotations

import csv
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from benchmarks.quakes import ROWS, generate
from ops.devserver.client import Api
from ops.devserver.processes import Stack, free_ports

_HALF = "2016-06-05T00:00:00Z"  # half of the earthquakes are earlier
_MAX_SECONDS = {"POST /data": 3.0, "GET /data?search=nevada": 0.2, "GET /data?search=12.5": 0.2, "summary": 1.5}


def _timed(do: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    do()
    return time.perf_counter() - begun


def _read_by_standard_library(body: bytes) -> None:
    for _ in csv.reader(io.TextIOWrapper(io.BytesIO(body), newline="")):
        pass


def _summary(api: Api) -> None:
    job = api.post("/jobs", {"start": None, "end": _HALF, "analysis": "summary"})
    ended = api.get(f"/jobs/{job['id']}?wait=60")
    assert ended["status"] == "complete", ended
    count = api.get(f"/jobs/{job['id']}/results")["count"]
    assert abs(count / ROWS - 0.5) < 0.01, count


def _round(api: Api, seed: int) -> tuple[float, dict[str, float]]:
    body = generate(ROWS, seed)
    yardstick = _timed(lambda: _read_by_standard_library(body))
    taken = {"POST /data": _timed(lambda: api.fetch("/data", body, "text/csv"))}
    for path in ("/data?search=nevada", "/data?search=12.5"):
        taken[f"GET {path}"] = _timed(lambda path=path: api.fetch(path))  # type: ignore[misc]
    taken["summary"] = _timed(lambda: _summary(api))
    return yardstick, taken


def main() -> None:
    """Print a line for each measurement: the median, its promise, and the median ratio."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    api_port, redis_port = free_ports(2)
    with tempfile.TemporaryDirectory() as folder:
        environ = {"API_PORT": str(api_port), "REDIS_PORT": str(redis_port), "DATA_DIR": folder, "WORKERS": "2"}
        with Stack({**os.environ, "REDIS_IP": "", **environ}) as stack:
            stack.wait_until_ready()
            measured = [_round(stack.api, seed) for seed in range(rounds)]
    print(
        f"{ROWS:,} rows; csv.reader takes {statistics.median(yard for yard, _ in measured):.2f} s (median of {rounds})"
    )
    for name, most in _MAX_SECONDS.items():
        seconds = statistics.median(taken[name] for _, taken in measured)
        ratio = statistics.median(taken[name] / yardstick for yardstick, taken in measured)
        print(f"{name:24} {seconds:6.3f} s  (promised {most:.1f} s)   ratio to csv.reader {ratio:5.2f}", flush=True)


if __name__ == "__main__":
    main()
