"""Back-ups of a real server under load, restored into an empty real server."""

from __future__ import annotations

import dataclasses
import random
import re
import signal
import subprocess
import sys
import threading
import time

import httpx
import pytest
import redis

import jobs
from jobstore import Submission, open_client
from ops.backup import BackupFailed, BackupStore, NotEmpty, StoreFailed, newest, prune, restore, save
from ops.invariants import find_violations
from tests.conftest import ROOT, Server, eventually
from tests.object_store import s3_server


@pytest.fixture
def empty(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    server = Server(folder)
    yield server
    if server.process.poll() is None:
        server.stop(signal.SIGKILL)


def test_what_was_saved_at_work_is_one_moment_and_goes_on_elsewhere(
    live, empty, start, start_worker, monkeypatch, tmp_path
):
    # Given a server with running jobs, and a queue in another database
    added, _ = jobs.add_jobs([_nap() for _ in range(400)])
    worker = start_worker(workers=2)
    eventually(lambda: jobs.get_stats()["jobs"]["complete"] >= 20)

    # When it is backed up while jobs run, and restored into an empty server
    made = save(jobs.rd, tmp_path / "backups")
    still_at_work = jobs.get_stats()["jobs"]["complete"] < 400
    target = open_client("127.0.0.1", empty.port, 0)
    restore(target, made)
    worker.stop()

    # Then every job exists in exactly one place, consistent with one moment
    assert still_at_work
    jobs.connect(dataclasses.replace(jobs.settings, redis_port=empty.port))
    counts = jobs.get_stats()["jobs"]
    assert sum(counts.values()) == 400
    assert 20 <= counts["complete"] < 400
    waiting = set(redis.Redis(port=empty.port, db=1).lrange("hotqueue:queue", 0, -1))
    held = {worker["job"] for worker in jobs.get_workers()} - {None}
    assert len(waiting) + len(held) + counts["complete"] == 400
    assert all(jobs.get_results(job["id"]) is not None for job in jobs.get_jobs(status="complete", limit=400).jobs)

    # And a worker there finishes all of them, held ones after their lease has expired
    start("worker.py", port=empty.port, WORKERS=1)
    eventually(lambda: jobs.get_stats()["jobs"]["complete"] == 400, 60)
    assert {jobs.get_job_by_id(job["id"])["status"] for job in added} == {"complete"}


def test_an_action_on_many_jobs_goes_on_where_it_was_restored(live, empty, start_api, tmp_path):
    # Given an operation that has come half-way, on the jobs of two owners
    for owner in ("ann", "bob"):
        jobs.add_jobs([dataclasses.replace(_nap(), owner=owner) for _ in range(150)])
    about = {"owner": "", "role": "", "request_id": "r", "fingerprint": ""}
    operations = jobs.operations("gone")
    operation = operations.start(jobs.Action.CANCEL, jobs.Filters(owner="ann"), about)
    stretch, matched = operations.next_slice(operation)
    assert operations.advance(operation, stretch, matched=len(matched), ids=[job.id for job in matched]).done == 100

    # when it is saved, and restored into an empty server with an API
    restore(open_client("127.0.0.1", empty.port, 0), save(jobs.rd, tmp_path))
    api = start_api(port=empty.port)
    place = f"/operations/{operation.id}"
    eventually(lambda: api.get(place).json()["status"] == "complete")

    # then it is completed there
    shown = api.get(place).json()
    assert (shown["matched"], shown["done"], shown["skipped"]) == (150, 150, 0)
    totals = [api.get(f"/jobs?{query}").json()["total"] for query in ("owner=ann", "owner=bob", "status=cancelled")]
    assert totals == [150, 150, 150]
    jobs.connect(dataclasses.replace(jobs.settings, redis_port=empty.port))
    assert find_violations(jobs.rd, jobs.q._client) == []


def test_what_was_restored_is_on_the_disk_of_its_server(live, empty, tmp_path):
    job = jobs.add_job(None, None, "sleep", params={"seconds": 0})
    jobs.rd.set("data.folder", "of the Redis that is backed up")
    restore(open_client("127.0.0.1", empty.port, 0), save(jobs.rd, tmp_path))
    client = redis.Redis(port=empty.port)
    assert not client.exists("data.folder")
    assert client.info("replication")["role"] == "master"
    eventually(lambda: not client.info("persistence")["aof_rewrite_in_progress"])

    empty.stop(signal.SIGKILL)
    empty.start()

    assert client.hget(f"job.{job['id']}", "status") == b"submitted"


def test_the_first_of_several_servers_is_restored_before_it_has_a_replica(live, empty, tmp_path):
    # Given the first of several servers, which rejects writes without a replica
    jobs.rd.set("old", 1)
    jobs.rd.set("data.folder", "of the Redis that is backed up")
    client = redis.Redis(port=empty.port)
    client.config_set("min-replicas-to-write", 1)

    restore(open_client("127.0.0.1", empty.port, 0), save(jobs.rd, tmp_path))

    # Then it has the data, without the folder of the other, and rejects writes as before
    assert client.get("old") == b"1"
    assert not client.exists("data.folder")
    with pytest.raises(redis.ResponseError, match="NOREPLICAS"):
        client.set("new", 1)


def test_a_server_that_is_not_up_yet_is_waited_for(live, empty, tmp_path):
    # Given a back-up, and a server that is not running
    jobs.rd.set("old", 1)
    made = save(jobs.rd, tmp_path)
    empty.stop(signal.SIGKILL)

    # when a restore begins before the server does
    later = threading.Timer(1, empty.start)
    later.start()
    try:
        keys = restore(open_client("127.0.0.1", empty.port, 0), made)
    finally:
        later.join()

    # then it restores
    assert keys == 1
    assert redis.Redis(port=empty.port).get("old") == b"1"


def test_a_server_with_keys_is_rejected(live, empty, tmp_path):
    jobs.rd.set("old", 1)
    made = save(jobs.rd, tmp_path)
    other = redis.Redis(port=empty.port, db=7)
    other.set("precious", 1)

    with pytest.raises(NotEmpty):
        restore(open_client("127.0.0.1", empty.port, 0), made)

    assert other.get("precious") == b"1"


def test_a_server_that_goes_away_leaves_no_half_file(live, tmp_path):
    gone = open_client("127.0.0.1", 1, 0)

    with pytest.raises(BackupFailed):
        save(gone, tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_user_without_the_permission_gets_a_message(live, tmp_path):
    jobs.rd.acl_setuser("narrow", enabled=True, nopass=True, categories=["+@all"], commands=["-sync"], keys=["*"])
    narrow = redis.Redis(port=live.port, username="narrow", password="any")

    with pytest.raises(BackupFailed, match="Redis refuses a snapshot: -NOPERM"):
        save(narrow, tmp_path)

    jobs.rd.acl_deluser("narrow")


def test_the_newest_are_kept(tmp_path):
    names = [f"jobs-2026112{day}T000000Z.rdb" for day in range(1, 6)]
    for name in [*names, "other.txt"]:
        (tmp_path / name).touch()

    prune(tmp_path, keep=2)

    assert sorted(path.name for path in tmp_path.iterdir()) == [*names[-2:], "other.txt"]
    assert newest(tmp_path).name == names[-1]


def test_the_command_saves_and_restores(live, empty, start, tmp_path):
    jobs.rd.set("kept", "here")

    saved = start("-m", "ops.backup", "save", BACKUP_DIR=tmp_path / "b")
    assert saved.process.wait(30) == 0
    restored = start("-m", "ops.backup", "restore", "newest", BACKUP_DIR=tmp_path / "b", port=empty.port)
    assert restored.process.wait(60) == 0, restored.log.read_text()

    assert redis.Redis(port=empty.port).get("kept") == b"here"
    again = start("-m", "ops.backup", "restore", "newest", BACKUP_DIR=tmp_path / "b", port=empty.port)
    assert again.process.wait(60) == 1
    assert "This Redis has keys" in again.log.read_text()


def test_what_a_restore_would_take_is_found_without_redis(live, empty, start, tmp_path):
    made = save(jobs.rd, tmp_path / "b")
    (tmp_path / "garbled.rdb").write_text("no snapshot")
    empty.stop(signal.SIGKILL)

    def find(which: object) -> tuple[int, str]:
        found = start("-m", "ops.backup", "find", str(which), BACKUP_DIR=tmp_path / "b", port=empty.port)
        return found.process.wait(30), found.log.read_text()

    for which in ("newest", made):
        code, log = find(which)
        assert code == 0, log
        assert log == f"{made}\n"
    for which in (tmp_path / "garbled.rdb", tmp_path / "missing.rdb"):
        code, log = find(which)
        assert code == 1
        assert f"there is no back-up {which}" in log


def test_a_schedule_saves_at_once_and_stops_on_sigterm(live, start, tmp_path):
    jobs.rd.set("kept", "here")
    schedule = start("-m", "ops.backup", "every", BACKUP_DIR=tmp_path / "b", BACKUP_INTERVAL_SECONDS=3600)
    eventually(lambda: newest(tmp_path / "b"))

    well = subprocess.run(
        [sys.executable, "-m", "ops.health", "backup"], cwd=ROOT, env={"BACKUP_DIR": str(tmp_path / "b")}, timeout=30
    )

    assert well.returncode == 0
    assert schedule.stop() == 0


def test_the_time_of_the_last_back_up_is_a_metric(live, start, start_api, tmp_path):
    def metric() -> float:
        return float(re.findall("^jobs_last_backup_timestamp_seconds (.+)$", api.get("/metrics").text, re.M)[0])

    api = start_api()
    assert metric() == 0

    assert start("-m", "ops.backup", "save", BACKUP_DIR=tmp_path).process.wait(30) == 0

    assert abs(metric() - time.time()) < 60
    assert find_violations(jobs.rd, jobs.q._client) == []


@pytest.fixture(scope="module")
def s3():
    with s3_server("backups") as environment:
        yield environment


def test_back_ups_are_copied_to_object_storage_and_restored_from_there(live, empty, start, s3, tmp_path, monkeypatch):
    # Given two back-ups of which one is kept, of more than one part of an upload each
    url = "s3://backups/one/service"
    jobs.rd.set("kept", random.Random(1).randbytes(12 * 2**20))
    settings = {"BACKUP_STORE": url, "BACKUP_KEEP": 1, **s3}
    for turn in ("first", "second"):
        jobs.rd.set("turn", turn)
        saved = start("-m", "ops.backup", "save", BACKUP_DIR=tmp_path / "lost", **settings)
        assert saved.process.wait(60) == 0, saved.log.read_text()
        time.sleep(1.1)  # the names have seconds
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    [name] = BackupStore(url).names()
    assert BackupStore("s3://backups/another").names() == []

    # when the host is lost, and the newest is restored on another one
    other = tmp_path / "other host"
    restored = start("-m", "ops.backup", "restore", "newest", BACKUP_DIR=other, port=empty.port, **settings)
    assert restored.process.wait(60) == 0, restored.log.read_text()

    # then all is there, and the file is the one that was saved
    client = redis.Redis(port=empty.port)
    assert (client.get("turn"), client.strlen("kept")) == (b"second", 12 * 2**20)
    assert (other / name).read_bytes() == (tmp_path / "lost" / name).read_bytes()

    # and it is also found by its address
    client.flushall()
    named = start("-m", "ops.backup", "restore", f"{url}/{name}", BACKUP_DIR=tmp_path / "third", port=empty.port, **s3)
    assert named.process.wait(60) == 0, named.log.read_text()
    assert client.get("turn") == b"second"


def test_a_copy_that_fails_fails_the_back_up_and_is_not_counted(live, start, s3, tmp_path):
    jobs.rd.set("kept", "here")

    saved = start("-m", "ops.backup", "save", BACKUP_DIR=tmp_path, BACKUP_STORE="s3://no-such-bucket", **s3)

    assert saved.process.wait(60) == 1
    assert "s3://no-such-bucket: " in saved.log.read_text()
    assert newest(tmp_path)
    assert jobs.get_last_backup() == 0


def test_a_schedule_copies_a_back_up_again_whose_copy_failed_and_makes_no_other(live, start, s3, tmp_path, monkeypatch):
    # Given a storage that does not take the copy, and retries at once
    jobs.rd.set("kept", "here")
    monkeypatch.setenv("BACKUP_DIR", str(tmp_path / "b"))
    code = "import sys; import ops.backup.__main__ as m; m._RETRY_SECONDS = 0.2; sys.exit(m.main(['every']))"
    schedule = start("-c", code, BACKUP_STORE="s3://later", **s3)
    eventually(lambda: schedule.log.read_text().count("s3://later: ") >= 2)

    # when it does
    httpx.put(f"{s3['AWS_ENDPOINT_URL']}/later", trust_env=False).raise_for_status()
    eventually(lambda: jobs.get_last_backup())

    # then it has the one that was made
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    assert BackupStore("s3://later").names() == [path.name for path in (tmp_path / "b").iterdir()]
    assert schedule.stop() == 0


def test_a_copy_that_is_gone_is_reported_and_leaves_nothing(tmp_path):
    store = BackupStore(str(tmp_path / "mounted"))

    with pytest.raises(StoreFailed, match=r"not found|No such file"):
        store.download("jobs-20261127T000000Z.rdb", tmp_path / "b")

    assert list((tmp_path / "b").iterdir()) == []


def test_a_folder_of_another_host_is_a_storage_too(tmp_path):
    store = BackupStore(str(tmp_path / "mounted"))
    files = [tmp_path / f"jobs-2026112{day}T000000Z.rdb" for day in range(1, 4)]
    for file in files:
        file.write_text(file.name)
        store.upload(file)

    assert store.prune(2) == [files[0].name]
    assert store.names() == [file.name for file in files[1:]]
    assert store.download(files[2].name, tmp_path / "b").read_text() == files[2].name


def _nap() -> Submission:
    return Submission(start=None, end=None, analysis="sleep", params={"seconds": 0.005})
