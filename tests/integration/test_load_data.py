"""Great and evil bodies against a real API: its memory comes back, and it answers others meanwhile."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fakeredis
import httpx
import polars as pl
import pytest

from benchmarks.quakes import generate
from dataset import DatasetError, Store, ingest, ingest_in_subprocess
from tests.conftest import ROOT, eventually

MIB = 2**20
TABLE = generate(30_000)  # three megabytes, which are read in a process of their own
SAMPLE = (ROOT / "samples" / "earthquakes.csv").read_bytes()
FILES = ROOT / "tests" / "datasets"


@pytest.fixture
def api(start_api, start) -> tuple[httpx.Client, int]:
    """A client of a running API, and the id of the process that answers it."""
    client = start_api()
    arbiter = start.started[-1].process.pid
    return client, children(arbiter)[0]


def children(pid: int) -> list[int]:
    """The processes that a process, any of its threads, has started."""
    listed = [thread.read_text() for thread in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for child in " ".join(listed).split()]


def resident(pid: int) -> int:
    """The memory that a process holds, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def post(client: httpx.Client, body: bytes, media_type: str | None = None, **headers: str) -> httpx.Response:
    return client.post("/data", content=body, headers=headers | ({"Content-Type": media_type} if media_type else {}))


def parquet_of(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


def gzip_of_zeros(size: int) -> bytes:
    arrow_chunks = zlib.compressobj(wbits=31)
    return b"".join(arrow_chunks.compress(bytes(MIB)) for _ in range(size // MIB)) + arrow_chunks.flush()


def test_memory_comes_back_whatever_was_refused(start_api, start):
    # Given an API that has loaded a dataset before, and serves another
    client = start_api(MAX_BODY_BYTES=32 * MIB)
    pid = children(start.started[-1].process.pid)[0]
    assert post(client, TABLE, "text/csv").status_code == 201
    version = post(client, SAMPLE, "text/csv").json()["version"]
    before = resident(pid)
    # when bodies of all evil kinds are refused
    rows = json.dumps([{"id": 1, "text": "x" * 50, "number": n} for n in range(200_000)]).encode()
    nested = gzip.decompress((ROOT / "tests" / "bombs" / "nested.parquet.gz").read_bytes())  # 2.4 GB of zeros
    refused = [
        post(client, gzip_of_zeros(200 * MIB), "text/csv", **{"Content-Encoding": "gzip"}),
        post(client, gzip_of_zeros(200 * MIB), "application/octet-stream"),
        post(client, TABLE + TABLE.partition(b"\n")[2] * 4, "text/csv"),
        post(client, TABLE[:-30], "text/csv"),
        post(client, rows, "application/json"),
        post(client, rows[:-20], "application/json"),
        post(client, b"[" * 20 * MIB, "application/json"),
        post(client, bytes(20 * MIB), "text/csv"),
        post(client, parquet_of(pl.select(z=pl.repeat(0, 10**8))), "application/vnd.apache.parquet"),
        post(client, nested, "application/vnd.apache.parquet"),
        post(client, b"a\n" + b"1\n" * 20 * MIB, "text/csv"),
    ]
    # then each was refused as the contract says, the dataset is there, and so is the memory
    assert [answer.status_code for answer in refused] == [413, 413, 422, 400, 422, 400, 400, 400, 413, 413, 413]
    assert client.get("/data?limit=1").json()["dataset"]["version"] == version
    del rows, refused
    eventually(lambda: resident(pid) < before + 48 * MIB)


def test_memory_comes_back_when_datasets_go(api):
    # Given an API whose memory is known
    client, pid = api
    post(client, TABLE, "text/csv")
    client.get("/data?search=nevada")
    client.delete("/data")
    before = resident(pid)
    # when datasets of all kinds come and go
    for seed in range(3):
        assert post(client, generate(30_000, seed), "text/csv").status_code == 201
        assert client.get("/data?search=nevada&limit=1").json()["total"] > 0
        client.delete("/data")
    for name in ("typed.parquet", "typed.parquet.gz", "latin-1.csv", "points.geojson"):
        answer = client.post("/data", files={"file": (name, (FILES / name).read_bytes())})
        assert answer.json()["count"] == 3
        assert client.get("/data?search=KÖLN&reviewed=true").json()["total"] == 1
    # then what they took does not add up
    client.delete("/data")
    eventually(lambda: resident(pid) < before + 48 * MIB)


def test_reading_a_great_body_hurts_nobody_else(api):
    client, pid = api
    version = post(client, SAMPLE, "text/csv").json()["version"]
    # Given a great body that is being read
    with ThreadPoolExecutor(1) as threads:
        loading = threads.submit(post, client, TABLE, "text/csv")
        reader = eventually(lambda: children(pid))[0]
        # when others ask, then they are answered
        assert client.get("/data?search=alaska&limit=1").json()["dataset"]["version"] == version
        assert not loading.done()
        # When the process that reads it is killed, as one that takes too much memory is
        os.kill(reader, signal.SIGKILL)
        answer = loading.result()
    # then the sender is told, and all else is as it was
    assert answer.status_code == 413
    assert "memory" in answer.json()["detail"]
    assert client.get("/data?limit=1").json()["dataset"]["version"] == version
    assert post(client, TABLE, "text/csv").status_code == 201


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (TABLE, "text/csv"),
        (TABLE.decode().encode("utf-16"), None),
        (json.dumps([{"id": n, "a": [n], "t": "01/31/2018"} for n in range(30_000)]).encode(), "application/json"),
        ((FILES / "typed.parquet").read_bytes(), None),
    ],
)
def test_what_is_read_apart_is_what_is_read_here(body, media_type):
    here = ingest(body, media_type, index_column="id")
    apart = read_apart(body, media_type, index_column="id")

    assert apart.frame.equals(here.frame)
    assert apart.frame.schema == here.frame.schema
    assert vars_without_time(apart) == vars_without_time(here)


@pytest.mark.parametrize("options", [{"id_column": "nope"}, {"index_column": "nope"}, {"id_column": "network"}])
def test_what_is_refused_apart_is_refused_alike(options):
    refusals = []
    for read in (ingest, read_apart):
        with pytest.raises(DatasetError) as refusal:
            read(TABLE, "text/csv", **options)
        refusals.append((type(refusal.value), vars(refusal.value)))

    assert refusals[0] == refusals[1]


def read_apart(body, media_type, **options):
    """The table that a body becomes by way of another process and of Redis."""
    loaded = ingest_in_subprocess([body[:1000], body[1000:]], media_type, **options)
    store = Store(fakeredis.FakeRedis(server=fakeredis.FakeServer(server_type="valkey")))
    return store.table(store.publish(loaded).version)


def vars_without_time(table):
    return table.description.as_json() | {"loaded": None}
