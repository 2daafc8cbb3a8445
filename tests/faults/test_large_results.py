"""A result of 52 MB: fetching it, asking whether it changed, or many readers at once take a few mebibytes of the API."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

import jobs
from checks import find_broken
from tests.conftest import eventually

LARGE = 52_000_000
FRAMED = 40 * 2**20
"""What six readers together may add to the API's memory."""

ANALYSIS = f'''"""Return a large result and a large artifact."""

from analyses.kit import Artifact, Outcome, Params


class LargeParams(Params):
    pass


def run(params: LargeParams) -> Outcome:
    return Outcome({{"text": "x" * {LARGE}}}, [Artifact("large.csv", "text/csv", b"y" * 10_000_000)])
'''


def _peak(pid: int) -> int:
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def _gunicorn(start: Callable) -> int:
    """The process that answers: the arbiter's only child."""
    arbiter = next(p for p in start.started if "gunicorn" in p.process.args).process.pid
    return int(Path(f"/proc/{arbiter}/task/{arbiter}/children").read_text().split()[0])


@pytest.fixture
def large(start, start_api, worker_with):
    """The API, its process id, and the address of a complete job with a large result."""
    api = start_api()
    worker_with("large", ANALYSIS)
    jid = jobs.add_job(None, None, "large")["id"]
    eventually(lambda: jobs.get_job_by_id(jid)["status"] in ("complete", "failed"), seconds=60)
    assert jobs.get_job_by_id(jid)["error"] is None
    return api, _gunicorn(start), f"/jobs/{jid}/results"


def _fetch(api: httpx.Client, address: str, sizes: list[int]) -> None:
    with api.stream("GET", address) as answer:
        sizes.append(sum(map(len, answer.iter_bytes())))
        assert int(answer.headers["Content-Length"]) == sizes[-1]


def test_readers_of_a_large_result_hold_a_few_parts_of_it(large):
    api, pid, address = large
    before = _peak(pid)
    # When one asks for its head, and whether it has changed
    head = api.head(address)
    unchanged = api.get(address, headers={"If-None-Match": head.headers["ETag"]})
    # then nothing of it is read
    assert (head.status_code, unchanged.status_code) == (200, 304)
    assert int(head.headers["Content-Length"]) > LARGE
    assert _peak(pid) - before < 2**21
    # and when six read it at once, each with its artifact, then others are answered in between
    sizes: list[int] = []
    readers = [threading.Thread(target=_fetch, args=(api, address, sizes)) for _ in range(6)]
    readers += [threading.Thread(target=_fetch, args=(api, f"{address}/large.csv", sizes)) for _ in range(6)]
    for reader in readers:
        reader.start()
    slowest = 0.0
    while any(reader.is_alive() for reader in readers):
        began = time.monotonic()
        assert api.get("/health").status_code == 200
        slowest = max(slowest, time.monotonic() - began)
    assert sorted(sizes) == [10_000_000] * 6 + [int(head.headers["Content-Length"])] * 6
    print(f"{(_peak(pid) - before) / 2**20:.1f} MiB for six readers, /health within {slowest:.2f} s")
    assert _peak(pid) - before < FRAMED
    assert slowest < 5
    assert find_broken(jobs.rd, jobs.q._client) == []
