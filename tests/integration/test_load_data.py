"""Large and malicious bodies against a real API: it releases their memory and keeps serving other requests."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fakeredis
import httpx
import polars as pl
import pytest

from benchmarks.quakes import generate
from dataset import DatasetError, LoadOptions, Store, ingest, ingest_in_subprocess
from tests.conftest import ROOT, eventually
from tests.workbooks import workbook

MIB = 2**20
TABLE = generate(30_000)  # three megabytes: ingested in a subprocess
SAMPLE = (ROOT / "samples" / "earthquakes.csv").read_bytes()
FILES = ROOT / "tests" / "datasets"


@pytest.fixture
def api(start_api, start) -> tuple[httpx.Client, int]:
    """Start an API with one process; return a client and the id of the process."""
    client = start_api(API_PROCESSES=1)
    arbiter = start.started[-1].process.pid
    return client, children(arbiter)[0]


def children(pid: int) -> list[int]:
    """Return the child processes of all threads of a process."""
    listed = [thread.read_text() for thread in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for child in " ".join(listed).split()]


def resident(pid: int) -> int:
    """Return the resident memory of a process in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def post(
    client: httpx.Client, body: bytes, media_type: str | None = None, path: str = "/data", **headers: str
) -> httpx.Response:
    return client.post(path, content=body, headers=headers | ({"Content-Type": media_type} if media_type else {}))


def zip_of(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def stream_of(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_ipc_stream(file, compression="zstd")
    return file.getvalue()


def parquet_of(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


def gzip_of_zeros(size: int) -> bytes:
    compressor = zlib.compressobj(wbits=31)
    return b"".join(compressor.compress(bytes(MIB)) for _ in range(size // MIB)) + compressor.flush()


@pytest.mark.long
def test_memory_is_released_after_rejected_bodies(start_api, start):
    # Given an API that has loaded a dataset and replaced it by another
    client = start_api(API_PROCESSES=1, MAX_BODY_BYTES=32 * MIB)
    pid = children(start.started[-1].process.pid)[0]
    assert post(client, TABLE, "text/csv").status_code == 201
    version = post(client, SAMPLE, "text/csv").json()["version"]
    before = resident(pid)
    # when malicious bodies of all kinds are rejected
    rows = json.dumps([{"id": 1, "text": "x" * 50, "number": n} for n in range(200_000)]).encode()
    nested = gzip.decompress((ROOT / "tests" / "bombs" / "nested.parquet.gz").read_bytes())  # 2.4 GB of zeros
    rejected = [
        post(client, gzip_of_zeros(200 * MIB), "text/csv", **{"Content-Encoding": "gzip"}),
        post(client, gzip_of_zeros(200 * MIB), "application/octet-stream"),
        post(client, TABLE + TABLE.partition(b"\n")[2] * 4, "text/csv", "/data?id=id"),
        post(client, rows, "application/json", "/data?id=id"),
        post(client, rows[:-20], "application/json"),
        post(client, b"[" * 20 * MIB, "application/json"),
        post(client, bytes(20 * MIB), "text/csv"),
        post(client, parquet_of(pl.select(z=pl.repeat(0, 10**8))), "application/vnd.apache.parquet"),
        post(client, nested, "application/vnd.apache.parquet"),
        post(client, b"a\n" + b"1\n" * 20 * MIB, "text/csv"),
        post(client, zip_of("x.csv", bytes(200 * MIB))),
        post(client, workbook({"s": [["a"], [1]]}, far="XFD1048576")),
        post(client, stream_of(pl.select(z=pl.repeat(0, 10**8)))),
    ]
    # then each got its status of the contract, the dataset stayed, and the memory was released
    assert [answer.status_code for answer in rejected] == [413] * 2 + [422] * 2 + [400] * 3 + [413] * 6
    assert client.get("/data?limit=1").json()["dataset"]["version"] == version
    del rows, rejected
    eventually(lambda: resident(pid) < before + 48 * MIB)


def test_memory_is_released_after_deleting_datasets(api):
    # Given the memory of an API without a dataset
    client, pid = api
    post(client, TABLE, "text/csv")
    client.get("/data?search=nevada")
    client.delete("/data")
    before = resident(pid)
    # when datasets of all kinds are loaded and deleted
    for seed in range(3):
        assert post(client, generate(30_000, seed), "text/csv").status_code == 201
        assert client.get("/data?search=nevada&limit=1").json()["total"] > 0
        client.delete("/data")
    names = "typed.parquet typed.parquet.gz typed.arrow typed.xlsx comma.csv.zip latin-1.csv points.geojson"
    for name in names.split():
        answer = client.post("/data", files={"file": (name, (FILES / name).read_bytes())})
        assert answer.json()["count"] == 3
        assert client.get("/data?search=KÖLN&reviewed=true").json()["total"] == 1
    # then the memory does not grow
    client.delete("/data")
    eventually(lambda: resident(pid) < before + 48 * MIB)


def test_ingesting_a_large_body_does_not_affect_other_requests(api):
    client, pid = api
    version = post(client, SAMPLE, "text/csv").json()["version"]
    # Given a large body that is being ingested
    with ThreadPoolExecutor(1) as threads:
        loading = threads.submit(post, client, TABLE, "text/csv")
        reader = eventually(lambda: children(pid))[0]
        # when another request arrives, then it is served
        assert client.get("/data?search=alaska&limit=1").json()["dataset"]["version"] == version
        assert not loading.done()
        # When the subprocess is killed, as by the OOM killer
        os.kill(reader, signal.SIGKILL)
        answer = loading.result()
    # then the client gets a 413, and nothing else changes
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
def test_the_subprocess_gives_the_same_table(body, media_type):
    here = ingest(body, media_type, options=LoadOptions(index="id"))
    there = read_in_subprocess(body, media_type, options=LoadOptions(index="id"))

    assert there.frame.equals(here.frame)
    assert there.frame.schema == here.frame.schema
    assert vars_without_time(there) == vars_without_time(here)


@pytest.mark.parametrize("options", [{"id": "nope"}, {"index": "nope"}, {"id": "network"}])
def test_the_subprocess_raises_the_same_errors(options):
    failures = []
    for read in (ingest, read_in_subprocess):
        with pytest.raises(DatasetError) as error:
            read(TABLE, "text/csv", options=LoadOptions(**options))
        failures.append((type(error.value), vars(error.value)))

    assert failures[0] == failures[1]


def read_in_subprocess(body, media_type, **options):
    """Ingest a body in a subprocess, publish it, and return the table from the store."""
    loaded = ingest_in_subprocess([body[:1000], body[1000:]], media_type, **options)
    store = Store(fakeredis.FakeRedis(server=fakeredis.FakeServer(server_type="valkey")))
    return store.table(store.publish(loaded).version)


def vars_without_time(table):
    return table.description.as_json() | {"loaded": None}
