"""Measure 1,000 changes of single records in a table of 100,000 rows, also as ratios to a bare SET of the same size.

    python -m benchmarks.records [changes]

Starts the service on free ports. PATCH, append and DELETE alternate with nothing else; then each PATCH is followed by a
page of `GET /data` and by a search, which have to show it. Prints the keys and bytes in Redis before and after.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from benchmarks.quakes import generate
from ops.devserver.data_dir import read_password
from ops.devserver.processes import Stack, free_ports

_ROWS = 100_000
_PROMISED_SECONDS = 0.020


class _Client:
    """A kept connection to the API."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)

    def call(self, method: str, path: str, body: Any = None) -> None:
        """Send one request and read its answer, which has to be a success."""
        self._connection.request(method, path, None if body is None else json.dumps(body))
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status < 300, (method, path, answer.status, content[:200])


def _timed(call: Callable[[int], object], times: int) -> list[float]:
    taken = []
    for number in range(times):
        begun = time.perf_counter()
        call(number)
        taken.append(time.perf_counter() - begun)
    return taken


def _show(name: str, taken: list[float], bare: float) -> None:
    taken = sorted(taken)
    median, high, longest = (taken[int((len(taken) - 1) * part)] * 1e3 for part in (0.5, 0.99, 1))
    print(
        f"{name:28} median {median:6.2f} ms   99 % {high:6.2f} ms   longest {longest:6.2f} ms   "
        f"ratio to SET {median / bare / 1e3:6.1f}",
        flush=True,
    )


def _kept(client: redis.Redis) -> str:
    keys: Any = list(client.scan_iter("data.*"))
    size = sum(client.memory_usage(key, samples=0) or 0 for key in keys)
    return f"{len(keys)} keys of the dataset, {size:,} bytes"


def main() -> None:
    """Print a line for each kind of change, and what Redis keeps."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    api_port, redis_port = free_ports(2)
    with tempfile.TemporaryDirectory() as folder:
        environ = {"API_PORT": str(api_port), "REDIS_PORT": str(redis_port), "DATA_DIR": folder, "WORKERS": "1"}
        with Stack({**os.environ, "REDIS_IP": "", **environ}) as stack:
            stack.wait_until_ready()
            stack.api.fetch("/data", generate(_ROWS), "text/csv")
            password = read_password(Path(folder) / "redis-password")
            with redis.Redis(port=redis_port, password=password) as client:
                _measure(_Client(api_port), client, count)


def _measure(api: _Client, client: redis.Redis, count: int) -> None:
    def path(number: int) -> str:
        return f"/data/q{number * 7919 % _ROWS:07}"

    def change(number: int) -> dict[str, Any]:
        return {"magnitude": round(number / 100 + 3, 2), "place": f"{number} km N of Nowhere"}

    def then(address: str) -> Callable[[int], None]:
        def both(number: int) -> None:
            api.call("PATCH", path(number), change(-number))
            api.call("GET", address)

        return both

    kept = _kept(client)
    bare = statistics.median(_timed(lambda number: client.set("bare", json.dumps(change(number))), 1000))
    client.delete("bare")
    print(f"{_ROWS:,} rows, {count:,} changes of each kind, promised {_PROMISED_SECONDS * 1e3:.0f} ms for each")
    print(f"bare SET {bare * 1e3:.3f} ms")
    _show("PATCH", _timed(lambda number: api.call("PATCH", path(number), change(number)), count), bare)
    after = _kept(client)
    rows = [change(number) | {"id": f"new{number}", "time": "2026-11-24T02:00:00Z"} for number in range(count)]
    _show("POST /data/records", _timed(lambda number: api.call("POST", "/data/records", rows[number]), count), bare)
    _show("DELETE", _timed(lambda number: api.call("DELETE", f"/data/new{number}"), count), bare)
    _show("PATCH, GET /data", _timed(then("/data"), count // 4), bare)
    _show("PATCH, GET /data?search=", _timed(then("/data?search=Nowhere"), count // 4), bare)
    print(f"before: {kept}\nafter {count:,} PATCH: {after}\nat the end: {_kept(client)}")


if __name__ == "__main__":
    main()
