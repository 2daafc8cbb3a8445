"""Back-ups of a real server under load, restored into an empty real server."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
import threading

import pytest
import redis

import jobs
from jobstore import Submission, open_client
from ops.backup import BackupFailed, NotEmpty, newest, prune, restore, save
from ops.invariants import find_violations
from tests.conftest import ROOT, Server, eventually


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
    restore(open_client("127.0.0.1", empty.port, 0), save(jobs.rd, tmp_path))
    client = redis.Redis(port=empty.port)
    assert client.info("replication")["role"] == "master"
    eventually(lambda: not client.info("persistence")["aof_rewrite_in_progress"])

    empty.stop(signal.SIGKILL)
    empty.start()

    assert client.hget(f"job.{job['id']}", "status") == b"submitted"


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


def test_a_schedule_saves_at_once_and_stops_on_sigterm(live, start, tmp_path):
    jobs.rd.set("kept", "here")
    schedule = start("-m", "ops.backup", "every", BACKUP_DIR=tmp_path / "b", BACKUP_INTERVAL_SECONDS=3600)
    eventually(lambda: newest(tmp_path / "b"))

    well = subprocess.run(
        [sys.executable, "-m", "ops.health", "backup"], cwd=ROOT, env={"BACKUP_DIR": str(tmp_path / "b")}, timeout=30
    )

    assert well.returncode == 0
    assert schedule.stop() == 0


def _nap() -> Submission:
    return Submission(start=None, end=None, analysis="sleep", params={"seconds": 0.005})
