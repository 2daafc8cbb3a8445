"""Processes are killed at random moments; no job is lost, and none has two results."""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

import jobs
from jobs import Submission
from tests.conftest import LEASE_SECONDS, Server, eventually, free_port


def _sleep(count: int, seconds: float, **options) -> list[str]:
    asked = [
        Submission(start=None, end=None, analysis="sleep", params={"seconds": seconds}, **options) for _ in range(count)
    ]
    return [job["id"] for job in jobs.add_jobs(asked)[0]]


def _job(jid: str) -> jobs.Job:
    return jobs.get_job_by_id(jid)


def _has_status(jid: str, status: str):
    return lambda: _job(jid)["status"] == status


def _child_of(jid: str) -> int:
    return next(worker["pid"] for worker in jobs.get_workers() if worker["job"] == jid)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_idle(pid: int) -> bool:
    """Return whether the process has used no CPU for a while, after it used some."""

    def used() -> int:
        return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))

    before = used()
    time.sleep(0.5)
    return before == used() > 10


def test_a_job_whose_child_is_killed_runs_again_at_once_in_a_standby_child(start_worker):
    parent = start_worker(1).process.pid
    busy = jobs.get_workers()[0]["pid"]
    [standby] = eventually(lambda: [pid for pid in _children(parent) if pid != busy])
    eventually(lambda: _is_idle(standby))
    jid = _sleep(1, 1.0)[0]
    eventually(_has_status(jid, "in progress"))

    os.kill(busy, signal.SIGKILL)

    eventually(lambda: _job(jid)["attempt"] == 2, seconds=1.5)
    assert _child_of(jid) == standby
    eventually(_has_status(jid, "complete"))
    assert jobs.get_results(jid)["attempt"] == 2
    assert jobs.rd.hget(f"job.{jid}", "failed_attempts") == b"1"


def test_a_job_whose_child_is_killed_runs_again_without_a_standby_child(start_worker):
    start_worker(1, STANDBY_CHILDREN=0)
    jid = _sleep(1, 1.0)[0]
    eventually(_has_status(jid, "in progress"))

    os.kill(_child_of(jid), signal.SIGKILL)

    eventually(_has_status(jid, "complete"))
    assert (_job(jid)["attempt"], jobs.rd.hget(f"job.{jid}", "failed_attempts")) == (2, b"1")


def test_a_drain_ends_the_standby_child(start_worker):
    worker = start_worker(1, STANDBY_CHILDREN=1)
    children = eventually(lambda: pids if len(pids := _children(worker.process.pid)) == 2 else None)

    assert worker.stop() == 0

    assert not any(_alive(pid) for pid in children)


def test_a_job_that_kills_every_process_fails_with_the_reason(start_worker):
    start_worker(1)
    jid = _sleep(1, 60, max_attempts=2)[0]
    for attempt in (1, 2):
        eventually(lambda attempt=attempt: _job(jid)["attempt"] == attempt and _job(jid)["status"] == "in progress")
        os.kill(_child_of(jid), signal.SIGKILL)

    eventually(_has_status(jid, "failed"))
    error = _job(jid)["error"]
    assert (error["reason"], error["type"]) == ("killed", "ProcessDied")
    assert "signal 9" in error["message"]


@pytest.mark.long
def test_five_hundred_jobs_survive_twenty_kills_of_children(start_worker):
    start_worker(2)
    ids = _sleep(500, 0.01, max_attempts=20)
    dice = random.Random(20)

    for _ in range(20):
        time.sleep(dice.uniform(0.05, 0.3))
        pids = [worker["pid"] for worker in jobs.get_workers()]
        if pids:
            with suppress(ProcessLookupError):  # it is the one that was killed just before
                os.kill(dice.choice(pids), signal.SIGKILL)

    eventually(lambda: jobs.get_stats()["jobs"]["complete"] == 500, seconds=60)
    for jid in ids:
        job, results = _job(jid), jobs.get_results(jid)
        assert (job["status"], results["attempt"]) == ("complete", job["attempt"])
    assert jobs.get_stats()["jobs"]["in progress"] == 0
    kept = {key.decode().split(".")[1] for key in jobs.q._client.keys("hotqueue:*")}
    assert kept <= {"wake", "epoch", "totals", "reserving", "rate", "housekeeper", "stops"}


@pytest.mark.long
def test_a_whole_worker_is_killed_and_another_takes_over_after_the_lease(start_worker):
    doomed = start_worker(1)
    jid = _sleep(1, 8.0)[0]
    eventually(_has_status(jid, "in progress"))
    child = _child_of(jid)
    start_worker(1)

    doomed.stop(signal.SIGKILL)

    eventually(lambda: not _alive(child), seconds=2)
    eventually(lambda: _job(jid)["attempt"] == 2, seconds=2 * LEASE_SECONDS + 3)
    eventually(_has_status(jid, "complete"))
    assert jobs.rd.hget(f"job.{jid}", "failed_attempts") == b"1"


def test_a_worker_that_stalls_past_its_lease_is_refused_when_it_wakes(start_worker):
    stalled = start_worker(1)
    jid = _sleep(1, 2.0)[0]
    eventually(_has_status(jid, "in progress"))
    late = [stalled.process.pid, _child_of(jid)]
    for pid in late:
        os.kill(pid, signal.SIGSTOP)
    start_worker(1)

    eventually(lambda: _job(jid)["attempt"] == 2, seconds=2 * LEASE_SECONDS + 4)
    for pid in late:
        os.kill(pid, signal.SIGCONT)

    eventually(_has_status(jid, "complete"))
    assert jobs.get_results(jid)["attempt"] == 2
    eventually(lambda: not _alive(late[1]), seconds=5)
    eventually(lambda: len(jobs.get_workers()) == 2)


def test_a_drained_worker_lets_its_job_end(start_worker):
    worker = start_worker(2)
    jid, waiting = _sleep(2, 1.0)
    third = _sleep(1, 0)[0]
    eventually(_has_status(waiting, "in progress"))

    assert worker.stop() == 0

    assert {_job(jid)["status"], _job(waiting)["status"]} == {"complete"}
    assert _job(third)["status"] == "submitted"
    assert jobs.get_workers() == []


def test_a_job_longer_than_the_drain_is_released_uncharged(start_worker):
    worker = start_worker(1, DRAIN_SECONDS=1)
    jid = _sleep(1, 60, max_attempts=1)[0]
    eventually(_has_status(jid, "in progress"))

    assert worker.stop() == 0

    assert (_job(jid)["status"], _job(jid)["worker"]) == ("submitted", None)
    assert jobs.rd.hget(f"job.{jid}", "failed_attempts") is None


def test_an_idle_worker_drains_at_once(start_worker):
    worker = start_worker(2)
    begun = time.monotonic()

    assert worker.stop() == 0

    assert time.monotonic() - begun < 10
    assert jobs.q._client.keys("*") == [b"hotqueue:queue.epoch"]


@pytest.mark.parametrize("how", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.long)])
def test_redis_is_restarted_while_a_job_runs(start_worker, live: Server, how):
    live_client = jobs.rd
    live_client.config_set("appendfsync", "always")
    start_worker(1)
    running, waiting = _sleep(2, 2.0)
    eventually(_has_status(running, "in progress"))

    live.stop(how)
    time.sleep(LEASE_SECONDS + 1)
    live.start()

    eventually(lambda: _job(waiting)["status"] == "complete", seconds=30)
    for jid in (running, waiting):
        assert (_job(jid)["status"], _job(jid)["attempt"]) == ("complete", 1)


def test_children_are_recycled_and_lose_nothing(start_worker):
    start_worker(1, MAX_JOBS_PER_CHILD=5)
    first = jobs.get_workers()[0]["id"]

    ids = _sleep(23, 0)

    eventually(lambda: jobs.get_stats()["jobs"]["complete"] == 23, seconds=40)
    assert all(_job(jid)["attempt"] == 1 for jid in ids)
    eventually(lambda: jobs.get_workers() and jobs.get_workers()[0]["id"] != first)


def test_a_signal_between_a_childs_death_and_its_reaping_ends_no_supervisor(start_worker):
    worker = start_worker(2)
    for one in jobs.get_workers():
        os.kill(one["pid"], signal.SIGKILL)

    assert worker.stop() == 0
    assert jobs.get_workers() == []


def test_a_signal_while_children_start_reaches_all_of_them(start):
    worker = start("worker.py", WORKERS=2)
    eventually(lambda: len(_children(worker.process.pid)) == 2)

    assert worker.stop(seconds=15) == 0
    assert jobs.get_workers() == []


def test_a_server_that_became_a_replica_is_left(start_worker, live: Server):
    start_worker(1)

    def connections() -> int:
        return jobs.rd.info("stats")["total_connections_received"]

    jobs.rd.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
    before = connections()
    eventually(lambda: connections() >= before + 3)
    jobs.rd.execute_command("REPLICAOF", "NO", "ONE")

    jid = _sleep(1, 0)[0]
    eventually(_has_status(jid, "complete"))


@pytest.mark.long
def test_a_large_result_goes_through_a_slow_line(live: Server):
    slow = _slow_line(live.port, bytes_per_second=2_000_000)
    queue = jobs.JobQueue("queue", host="127.0.0.1", port=slow, db=1, socket_timeout=5)
    jobs.register_worker("slow", "host", 1)
    queue.set_worker_id("slow")
    jid = _sleep(1, 0)[0]
    held = queue.get()

    queue.defer_complete(held, b"{}", [("big.bin", bytes(16_000_000))], "")

    assert queue.flush() == "complete"
    assert len(jobs.get_artifact(jid, "big.bin")) == 16_000_000


def _slow_line(port: int, bytes_per_second: int) -> int:
    """Forward to this port at a limited speed; yield the port of the proxy."""
    listener = socket.create_server(("127.0.0.1", 0))

    def carry(source: socket.socket, target: socket.socket, pause: float) -> None:
        with suppress(OSError):
            while part := source.recv(65536):
                target.sendall(part)
                time.sleep(len(part) * pause)

    def accept() -> None:
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", port))
            for pair in ((client, server, 1 / bytes_per_second), (server, client, 0.0)):
                threading.Thread(target=carry, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return int(listener.getsockname()[1])
