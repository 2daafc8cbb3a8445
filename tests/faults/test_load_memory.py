"""The memory of the API and its ingest subprocess while clients load as much as they can at once."""

from __future__ import annotations

import gzip
import io
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import httpx
import polars as pl
import pytest

from benchmarks.quakes import generate
from tests.conftest import ROOT
from tests.faults.raw_http import assert_is_answered_well

pytestmark = pytest.mark.long

MIB = 2**20
PARQUET = "application/vnd.apache.parquet"
LIMITS = {"LOAD_MEMORY_MB": 400, "DATASET_MEMORY_MB": 100, "REQUEST_MEMORY_MB": 128, "MAX_BODY_BYTES": 64 * MIB}
MAX_MEMORY = (400 + 100 + 128 + 250) * MIB  # the limits of all settings, the program, and overshoot between polls
TABLE = generate(200_000)  # twenty megabytes


class MonitoredApi:
    """A client of an API that records the peak memory of the API and its subprocesses, and its slowest response."""

    def __init__(self, client: httpx.Client, pid: int) -> None:
        self.client = client
        self.pid = pid
        self.peak = 0
        self.slowest = 0.0

    def post(self, body: bytes, media_type: str, **headers: str) -> httpx.Response:
        answer = self.client.post("/data", content=body, headers={"Content-Type": media_type, **headers})
        assert_is_answered_well((answer.status_code, answer.headers, answer.content), media_type)
        return answer

    def at_once(self, count: int, do: Callable[[], httpx.Response]) -> list[int]:
        with ThreadPoolExecutor(count) as threads:
            return [answer.status_code for answer in threads.map(lambda _: do(), range(count))]

    @contextmanager
    def monitor(self) -> Iterator[None]:
        over = Event()

        def poll_memory() -> None:
            while not over.wait(0.01):
                self.peak = max(self.peak, used_memory(self.pid))

        def poll_health() -> None:
            with httpx.Client(base_url=self.client.base_url, timeout=60, trust_env=False) as client:
                while not over.wait(0.05):
                    begun = time.monotonic()
                    assert client.get("/health").status_code == 200
                    self.slowest = max(self.slowest, time.monotonic() - begun)

        threads = [Thread(target=poll_memory), Thread(target=poll_health)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()


def used_memory(pid: int) -> int:
    """Return the memory of a process and its children in bytes, without reclaimable pages of files."""
    try:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        children = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:  # the process has just exited
        return 0
    own = sum(int(status.get(name, "0").split()[0]) for name in ("RssAnon", "RssShmem")) * 1024
    return own + sum(used_memory(int(child)) for some in children for child in some)


@pytest.fixture
def api(start_api, start) -> Iterator[MonitoredApi]:
    client = start_api(**LIMITS)
    arbiter = start.started[-1].process
    monitored = MonitoredApi(client, arbiter.pid)
    before = used_memory(arbiter.pid)
    with monitored.monitor():
        yield monitored
    print(f"before {before // MIB} MiB, peak {monitored.peak // MIB} MiB, slowest /health {monitored.slowest:.2f} s")
    assert arbiter.poll() is None
    assert monitored.peak < MAX_MEMORY
    assert monitored.slowest < 10


def parquet_of(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


def bombs() -> dict[str, tuple[bytes, str, dict[str, str]]]:
    coded = {"Content-Encoding": "gzip"}
    nested = gzip.decompress((ROOT / "tests" / "bombs" / "nested.parquet.gz").read_bytes())
    texts = pl.DataFrame({"t": pl.Series(["x" * 2000]).new_from_index(0, 30_000)})
    lists = pl.DataFrame({"l": pl.Series([[["y" * 100] * 50] * 5]).new_from_index(0, 2000)})
    structs = pl.DataFrame({f"s{n}": [{f"m{m}": "z" * 50 for m in range(100)}] * 20 for n in range(50)})
    members = {str(number): 0 for number in range(50_000)}
    return {
        "gzip": (gzip.compress(bytes(60 * MIB)), "text/csv", coded),
        "gzip over the limit": (gzip.compress(b"1\n" * 40 * MIB), "text/csv", coded),
        "nested": (nested, PARQUET, {}),
        "dictionary": (parquet_of(texts), PARQUET, {}),
        "lists": (parquet_of(lists), PARQUET, {}),
        "structs": (parquet_of(structs), PARQUET, {}),
        "equal values": (parquet_of(pl.select(z=pl.repeat(0, 10**8))), PARQUET, {}),
        "paths": (json.dumps({"a" * 500_000: members}).encode(), "application/json", {}),
        "objects": (b"[" + b"{}," * 4_000_000 + b"{}]", "application/json", {}),
        "lists of lists": (b"[" + b"[]," * 4_000_000 + b"[]]", "application/json", {}),
        "sparse": (json.dumps([{f"k{n}": 1} for n in range(3100)]).encode(), "application/json", {}),
        "wide": ((",".join(f"c{n}" for n in range(9999)) + "\n" + "1," * 9998 + "1\n").encode(), "text/csv", {}),
        "short texts": (b"a,b,c,d\n" + b"w,x,y,z\n" * 7 * MIB, "text/csv", {}),
    }


@pytest.mark.timeout(300)
def test_bombs_are_bounded_and_stored_datasets_can_be_listed(api):
    for name, (body, media_type, headers) in bombs().items():
        # When several clients send a body that expands to many times its size
        statuses = api.at_once(3, lambda sent=(body, media_type, headers): api.post(sent[0], sent[1], **sent[2]))
        # then each is accepted or rejected,
        assert set(statuses) <= {201, 400, 413, 422, 503}, (name, statuses)
        # and accepted datasets can be listed
        for query in ("", "?limit=1000", "?search=zz", "?search=1"):
            answer = api.client.get(f"/data{query}")
            assert answer.status_code in (200, 503), (name, query)
            assert len(answer.content) <= 8 * MIB, (name, query)


def test_concurrent_regular_bodies_are_loaded_in_turn(api):
    # Given a regular table, too large to be ingested in the API process
    assert api.at_once(2, lambda: api.post(TABLE, "text/csv")) == [201, 201]
    # when ten clients send it at once, then each is served or gets a 503
    statuses = api.at_once(10, lambda: api.post(TABLE, "text/csv"))
    assert set(statuses) <= {201, 503}
    assert 201 in statuses
    # and many clients at once can search, look up and list it
    assert api.client.get("/data?limit=1").json()["total"] == 200_000
    for path in ("/data?limit=1000", "/data?search=nevada&limit=1000", "/data?search=12.5", "/data/q0000007"):
        assert set(api.at_once(20, lambda path=path: api.client.get(path))) <= {200, 503}, path
