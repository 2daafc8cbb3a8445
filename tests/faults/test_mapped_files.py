"""Processes of one host share the file of a version: whoever is killed, rows are right, and files are deleted."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.conftest import Process, eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")

ROWS = 200_000
BUSY = {"Content-Type": "text/csv"}


def body(marker: str, rows: int = ROWS) -> bytes:
    return b"n,s\n" + b"".join(f"{row},{marker} of row {row}\n".encode() for row in range(rows))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the files, of processes that are started with the settings below."""
    return tmp_path / f"dataset-{os.geteuid()}"


@pytest.fixture
def api(start_api, tmp_path) -> httpx.Client:
    client: httpx.Client = start_api(API_PROCESSES=2, TMPDIR=tmp_path)
    return client


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder)) if folder.exists() else []


def post(api: httpx.Client, content: bytes) -> str:
    answer = api.post("/data", content=content, headers=BUSY)
    assert answer.status_code == 201, answer.text
    version: str = answer.json()["version"]
    return version


def processes(start: Callable[..., Process]) -> list[int]:
    """Return the processes that were started, with their children."""
    found = [each.process.pid for each in start.started]  # type: ignore[attr-defined]
    for pid in found:
        listed = [thread.read_text() for thread in Path(f"/proc/{pid}/task").glob("*/children")]
        found += [int(child) for child in " ".join(listed).split()]
    return found


def users(start: Callable[..., Process], path: Path) -> set[int]:
    """Return the processes that map a file."""

    def maps(pid: int) -> str:
        try:
            return Path(f"/proc/{pid}/maps").read_text()
        except OSError:
            return ""

    return {pid for pid in processes(start) if str(path) in maps(pid)}


def last_text(base_url: httpx.URL) -> str:
    """Return the text of the last row, on a connection of its own: any process of the API may answer."""
    answer = httpx.get(f"{base_url}/data?offset={ROWS - 1}&limit=1", trust_env=False, timeout=20)
    text: str = answer.json()["records"][0]["s"]
    return text


def reader_of(start: Callable[..., Process]) -> int:
    """Return the process that parses a body, once it runs."""

    def find() -> int | None:
        for pid in processes(start):
            try:
                if b"dataset.ingest_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
            except OSError:
                continue
        return None

    found: int = eventually(find)
    return found


def test_all_processes_of_a_host_map_one_file(api, start, start_worker, folder, tmp_path):
    """Given two API processes and a worker, when all of them read a dataset, then each maps the same file."""
    start_worker(1, TMPDIR=tmp_path)
    version = post(api, body("x"))
    (path,) = folder.iterdir()
    assert path.name.startswith(version)
    eventually(lambda: last_text(api.base_url) and len(users(start, path)) == 2)
    job = api.post("/jobs", json={"analysis": "summary", "start": None, "end": None}).json()
    assert api.get(f"/jobs/{job['id']}?wait=30").json()["status"] == "complete"
    assert len(users(start, path)) == 3
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_worker_alone_on_its_host_writes_the_file_that_its_children_map(api, start, start_worker, tmp_path):
    """Given a worker on another host, when two children run jobs, then one of them has written a file for both."""
    other = tmp_path / "other"
    other.mkdir()
    start_worker(2, TMPDIR=other)
    post(api, body("x"))
    for _ in range(8):
        jobs = [api.post("/jobs", json={"analysis": "summary", "start": 1, "end": None}).json() for _ in range(2)]
        for job in jobs:
            assert api.get(f"/jobs/{job['id']}?wait=30").json()["status"] == "complete"
    (path,) = (other / f"dataset-{os.geteuid()}").iterdir()
    assert users(start, path)


def test_a_replaced_file_is_deleted_and_the_rows_of_unfinished_jobs_stay(api, start, folder):
    """Given a job that waits, when its dataset is replaced, then its file stays until the job has ended."""
    first = post(api, body("x"))
    job = api.post("/jobs", json={"analysis": "summary", "start": None, "end": None}).json()
    second = post(api, body("y"))
    assert last_text(api.base_url).startswith("y")
    assert [name.split(".")[0] for name in names(folder)] == sorted([first, second])
    api.post(f"/jobs/{job['id']}/cancel")
    third = post(api, body("z"))
    eventually(lambda: last_text(api.base_url).startswith("z"))
    assert f"{first}" not in {name.split(".")[0] for name in names(folder)}
    assert third in {name.split(".")[0] for name in names(folder)}


@pytest.mark.parametrize("part", ["reader", "api"])
def test_a_process_that_is_killed_while_it_loads_leaves_a_file_that_the_next_load_deletes(api, start, folder, part):
    """Given a load that stands still, when a process of it is killed, then the old dataset stays, and no file."""
    post(api, body("x"))
    kept = names(folder)
    url, content = f"{api.base_url}/data", body("y", 3 * ROWS)
    with httpx.Client(trust_env=False, timeout=60) as client:
        failed: list[object] = []

        def load() -> None:
            try:
                failed.append(client.post(url, content=content, headers=BUSY).status_code)
            except httpx.HTTPError as error:
                failed.append(error)

        loading = threading.Thread(target=load)
        loading.start()
        reader = reader_of(start)
        os.kill(reader, signal.SIGSTOP)
        eventually(lambda: len(names(folder)) == len(kept) + 1)
        parent = int(Path(f"/proc/{reader}/stat").read_text().rsplit(")", 1)[1].split()[1])
        os.kill(reader if part == "reader" else parent, signal.SIGKILL)
        loading.join(30)
        if part == "api":
            os.kill(reader, signal.SIGKILL)
        else:
            assert failed == [413]
    time.sleep(0.2)
    assert eventually(lambda: last_text(api.base_url)).startswith("x")
    version = post(api, body("z"))
    eventually(lambda: not any(name.endswith(".tmp") for name in names(folder)))
    assert version in {name.split(".")[0] for name in names(folder)}


def test_files_that_a_crash_left_are_deleted_at_the_start(start_api, tmp_path, folder):
    """Given files of versions that are gone and a torn one, when the API starts, then they are deleted."""
    folder.mkdir(0o700)
    for name in ("0" * 32 + ".00000000.arrow", "0" * 32 + ".tmp"):
        (folder / name).write_bytes(b"torn")
    start_api(API_PROCESSES=2, TMPDIR=tmp_path)
    eventually(lambda: not names(folder))


def test_with_a_folder_that_cannot_be_written_each_process_has_its_copy(start_api, tmp_path, folder):
    """Given a folder of somebody else, when a dataset is loaded, then it is served all the same."""
    folder.mkdir(0o755)
    api = start_api(API_PROCESSES=2, TMPDIR=tmp_path)
    post(api, body("x"))
    for _ in range(6):
        assert last_text(api.base_url).startswith("x")
    assert names(folder) == []
