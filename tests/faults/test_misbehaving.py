"""Analyses do what they should not do, in real processes: their jobs end with the reason, and no other job notices."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import jobs
from checks import find_broken
from tests.conftest import ROOT, Process, eventually

MISBEHAVING = (Path(__file__).parent / "misbehaving.py").read_text()
LIMIT_MB = 300


@pytest.fixture
def misbehaving(worker_with) -> Iterator[Callable[..., None]]:
    """Starts a worker that knows the analysis; whatever it does, the invariants hold."""

    def run(workers: int = 1, **settings: Any) -> None:
        worker_with("misbehaving", MISBEHAVING, workers, **settings)

    yield run
    assert find_broken(jobs.rd, jobs.q._client) == []


def _submit(how: str, size: int = 0, file: object = "", **options: Any) -> str:
    params = {"how": how, "size": size, "file": str(file)}
    options = {"max_attempts": 1, **options}
    return jobs.add_job(None, None, "misbehaving", params=params, **options)["id"]


def _ended(jid: str, seconds: float = 20) -> jobs.Job:
    eventually(lambda: jobs.Status(jobs.get_job_by_id(jid)["status"]).ended, seconds)
    return jobs.get_job_by_id(jid)


def _error(jid: str) -> tuple[str, str, str]:
    job = _ended(jid)
    assert job["status"] == "failed"
    return job["error"]["reason"], job["error"]["type"], job["error"]["message"]


def _look_around() -> dict[str, Any]:
    jid = _submit("look_around")
    assert _ended(jid)["status"] == "complete"
    return jobs.get_results(jid)["result"]


def _pids() -> set[int]:
    return {worker["pid"] for worker in jobs.get_workers()}


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


# Memory


def test_analyses_that_eat_memory_end_with_the_reason_and_others_do_not_notice(misbehaving):
    # Given four children, one of them busy
    misbehaving(4, MEMORY_LIMIT_MB=LIMIT_MB)
    other = jobs.add_job(None, None, "sleep", params={"seconds": 4.0})["id"]

    # When the others' jobs eat memory, by themselves or by all that they start
    hoarding = [_submit(how) for how in ("hoard_slowly", "hoard_shared", "hoard_among_many")]

    # Then those fail for it, and the other completes in its first attempt
    for reason, kind, message in map(_error, hoarding):
        assert reason in ("error", "killed")
        assert kind == "MemoryError"
        assert "MEMORY_LIMIT_MB" in message
    assert (_ended(other)["status"], _ended(other)["attempt"]) == ("complete", 1)
    eventually(lambda: len(jobs.get_workers()) == 4)


def test_what_is_asked_for_at_once_is_refused_before_it_is_used(misbehaving):
    misbehaving(1, MEMORY_LIMIT_MB=LIMIT_MB)
    before = _pids()

    reason, kind, message = _error(_submit("hoard_at_once"))

    assert (reason, kind) == ("error", "MemoryError")
    assert "MEMORY_LIMIT_MB" in message
    assert _pids() == before

    # A library that is not Python's may end the process instead.
    reason, _, message = _error(_submit("panic_for_memory"))

    assert reason in ("error", "killed")
    assert "memory" in message.lower()


def test_memory_that_processes_share_is_counted_once(misbehaving):
    misbehaving(1, MEMORY_LIMIT_MB=LIMIT_MB)

    assert _ended(_submit("share_among_many"))["status"] == "complete"


def test_a_job_that_eats_memory_is_charged_each_time(misbehaving):
    misbehaving(1, MEMORY_LIMIT_MB=LIMIT_MB)
    jid = _submit("hoard_shared", max_attempts=2)

    assert _error(jid)[0] == "killed"
    assert jobs.get_job_by_id(jid)["attempt"] == 2


# Ends of the process


def test_an_analysis_that_ends_its_process_is_charged_and_told_how(misbehaving):
    misbehaving(2)
    before = _pids()
    words = {
        "crash": "signal 11 (SIGSEGV)",
        "abort": "signal 6 (SIGABRT)",
        "leave": "exit status 7",
        "leave_quietly": "exit status 0",
        "close_descriptors": "closed descriptors",
        "scribble": "wrote into descriptors",
    }

    submitted = {how: _submit(how) for how in words}

    for how, jid in submitted.items():
        reason, _, message = _error(jid)
        assert reason == "killed"
        assert words[how] in message
    assert _look_around()["pid"] not in before


def test_deep_recursion_harms_its_own_job_only(misbehaving):
    misbehaving()

    reason, kind, _ = _error(_submit("dive"))

    assert (reason, kind) in (("killed", "ProcessDied"), ("error", "RecursionError"), ("error", "MemoryError"))
    assert _look_around()["depth"] == 1000


def test_a_child_without_descriptors_is_stopped_all_the_same(misbehaving):
    misbehaving()
    jid = _submit("close_and_wait", timeout=1)

    assert _error(jid)[0] in ("timeout", "killed")
    _look_around()


def test_the_parent_outlives_an_analysis_that_cuts_off_what_they_share(misbehaving, start):
    misbehaving()

    _ended(_submit("cut_off"))

    _look_around()
    assert [process.process.poll() for process in start.started] == [None]


# Processes and threads


def _started(file: Path) -> list[int]:
    eventually(lambda: file.exists() and len(file.read_text().split()) == 3)
    return [int(pid) for pid in file.read_text().split()]


def test_what_an_attempt_started_is_gone_when_the_next_one_runs(misbehaving, tmp_path):
    misbehaving()
    before = _pids()

    jid = _submit("start_processes", file=tmp_path / "pids")

    assert _ended(jid)["status"] == "complete"
    assert {_look_around()["pid"]} == before
    assert not any(map(_alive, _started(tmp_path / "pids")))


@pytest.mark.parametrize("how", ["cancelled", "timeout", "killed", "crash"])
def test_what_an_attempt_started_goes_with_it(misbehaving, tmp_path, how):
    misbehaving()
    options = {"timeout": 1.5} if how == "timeout" else {}
    wrong = "start_and_crash" if how == "crash" else "start_processes"
    jid = _submit(wrong, size=60, file=tmp_path / "pids", **options)
    pids = _started(tmp_path / "pids")

    if how == "cancelled":
        jobs.cancel_job(jid)
    if how == "killed":
        os.kill(_pids().pop(), signal.SIGKILL)

    _ended(jid)
    eventually(lambda: not any(map(_alive, pids)), seconds=2)


def test_what_runs_when_the_worker_stops_is_gone_with_it(misbehaving, start, tmp_path):
    misbehaving(DRAIN_SECONDS=0)
    _submit("start_processes", size=60, file=tmp_path / "pids")
    pids = _started(tmp_path / "pids")

    worker: Process = start.started[0]
    assert worker.stop() == 0

    assert not any(map(_alive, pids))


def test_a_forked_copy_of_a_child_sends_nothing(misbehaving):
    misbehaving()

    for jid in [_submit("fork_a_copy") for _ in range(5)]:
        assert _ended(jid)["status"] == "complete"
        assert jobs.get_results(jid)["result"] == {"copy": False}
    _look_around()


def test_threads_that_outlive_an_attempt_do_not_meet_the_next_one(misbehaving):
    misbehaving()
    calm = _look_around()

    assert _ended(_submit("start_threads"))["status"] == "complete"

    after = _look_around()
    assert after["threads"] == calm["threads"]
    assert after["pid"] != calm["pid"]


# Words


def test_a_flooded_log_keeps_its_end(misbehaving):
    misbehaving()
    jid = _submit("flood_the_log")

    assert _ended(jid)["status"] == "complete"
    log = jobs.get_log(jid)
    assert log.endswith("the end\n")
    assert len(log.encode()) <= 64 * 1024 + 100


def test_a_flood_of_progress_is_cut_short(misbehaving):
    misbehaving()
    jid = _submit("flood_progress")

    eventually(lambda: jobs.get_job_by_id(jid)["message"])
    assert len(jobs.get_job_by_id(jid)["message"]) <= 1000
    assert _ended(jid)["status"] == "complete"


# Signals


def test_analyses_that_do_not_hear_are_killed(misbehaving):
    misbehaving(3)
    before = _pids()
    deaf = [_submit(how, size=60) for how in ("block_signals", "ignore_signals", "catch_everything")]
    eventually(lambda: {jobs.get_job_by_id(jid)["status"] for jid in deaf} == {"in progress"})

    for jid in deaf:
        assert jobs.cancel_job(jid)["status"] == "cancelled"

    eventually(lambda: not any(map(_alive, before)), seconds=2.5)
    _look_around()


def test_a_child_that_was_made_deaf_hears_again_in_the_next_job(misbehaving):
    misbehaving()
    before = _pids()
    for how in ("block_signals", "ignore_signals"):
        assert _ended(_submit(how))["status"] == "complete"

        sleeper = jobs.add_job(None, None, "sleep", params={"seconds": 60})["id"]
        eventually(lambda sleeper=sleeper: jobs.get_job_by_id(sleeper)["status"] == "in progress")
        jobs.cancel_job(sleeper)

        around = _look_around()
        assert (around["pid"] in before, around["blocked"]) == (True, 0)


# The process' own state


def test_a_job_hands_no_state_on_to_the_next_one(misbehaving, tmp_path):
    misbehaving()
    before = _look_around()
    (tmp_path / "folder").mkdir()

    assert _ended(_submit("change_everything", file=tmp_path / "folder"))["status"] == "complete"

    jid = _submit("look_around")
    assert _ended(jid)["status"] == "complete"
    assert jobs.get_results(jid)["result"] == before
    assert "heard" in jobs.get_log(jid)
    assert before["folder"] == str(ROOT)


# Results


def test_numbers_that_are_none_become_null(misbehaving):
    misbehaving()
    jid = _submit("return_odd_numbers")

    assert _ended(jid)["status"] == "complete"
    assert jobs.get_results(jid)["result"] == {"nan": None, "infinities": [None, None], "small": 0.0, "null": 1}


def test_the_largest_result_goes_through_and_a_larger_one_is_told_the_setting(misbehaving):
    misbehaving(MAX_RESULT_BYTES=1_000_000)

    assert _ended(_submit("return_too_much", size=999_000))["status"] == "complete"
    reason, kind, message = _error(_submit("return_too_much", size=1_000_000))
    assert (reason, kind) == ("error", "ValueError")
    assert "MAX_RESULT_BYTES (1000000)" in message


def test_what_is_no_json_fails_with_the_reason(misbehaving):
    misbehaving()
    before = _pids()
    words = {
        ("return_a_generator", 0): "must return a dict or an Outcome, not generator",
        ("return_generators", 0): "result['numbers']: a generator cannot be written as JSON",
        ("return_bytes", 0): "result['bytes']: a bytes cannot be written as JSON",
        ("return_surrogates", 0): "surrogates not allowed",
        ("return_a_circle", 0): "something holds itself",
        ("return_depths", 100_000): "nested too deeply",
        ("return_depths", 300): "depth exceeded",
        ("return_nothing", 0): "must return a dict or an Outcome, not int",
    }

    submitted = {case: _submit(*case) for case in words}

    for case, jid in submitted.items():
        reason, _, message = _error(jid)
        assert reason == "error"
        assert words[case] in message
    assert {_look_around()["pid"]} == before


def test_results_that_redis_never_takes_fail_the_attempt(misbehaving):
    # Given a Redis that takes no value above a megabyte
    misbehaving()
    jobs.rd.config_set("proto-max-bulk-len", 2**20)
    try:
        # When what belongs to a result in one piece is larger: the list of its artifacts
        jid = _submit("return_too_many", size=9_000)

        # Then the job fails with that reason, and its child goes on
        reason, kind, message = _error(jid)
        assert (reason, kind) == ("error", "ResultsRefused")
        assert "proto-max-bulk-len" in message
        assert _look_around()["blocked"] == 0
    finally:
        jobs.rd.config_set("proto-max-bulk-len", 512 * 2**20)
