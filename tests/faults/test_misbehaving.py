"""Misbehaving analyses in real processes: their jobs end with the reason, and no other job is affected."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import jobs
from ops.invariants import find_violations
from runtime.descendants import descendants_of
from tests.conftest import ROOT, Process, eventually

MISBEHAVING = (Path(__file__).parent / "misbehaving.py").read_text()
LIMIT_MB = 300


@pytest.fixture
def misbehaving(worker_with) -> Iterator[Callable[..., None]]:
    """Start a worker with the misbehaving analysis; check the invariants at the end."""

    def run(workers: int = 1, **settings: Any) -> None:
        worker_with("misbehaving", MISBEHAVING, workers, **settings)

    yield run
    assert find_violations(jobs.rd, jobs.q._client) == []


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

    # When the jobs of the others use too much memory, in their processes or in child processes
    hoarding = [_submit(how) for how in ("hoard_slowly", "hoard_shared", "hoard_among_many")]

    # Then those fail for this reason, and the other one completes in its first attempt
    for reason, kind, message in map(_error, hoarding):
        assert reason in ("error", "killed")
        assert kind == "MemoryError"
        assert "MEMORY_LIMIT_MB" in message
    assert (_ended(other)["status"], _ended(other)["attempt"]) == ("complete", 1)
    eventually(lambda: len(jobs.get_workers()) == 4)


def test_what_is_asked_for_at_once_fails_with_the_reason(misbehaving):
    misbehaving(1, MEMORY_LIMIT_MB=LIMIT_MB)

    # No machine has so much memory; whether the kernel refuses it at once depends on the machine.
    reason, kind, message = _error(_submit("hoard_at_once"))

    assert reason in ("error", "killed")
    assert kind == "MemoryError"
    assert "MEMORY_LIMIT_MB" in message

    # A native library may abort the process instead.
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


# Exits


def test_an_analysis_that_exits_its_process_is_charged_with_the_reason(misbehaving):
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


def test_the_log_has_what_a_process_wrote_before_it_died(misbehaving, start):
    misbehaving(1)

    # of a process that exits, at each attempt
    jid = _submit("leave", max_attempts=2, request_id="a/request")
    assert _error(jid)[0] == "killed"
    assert jobs.get_log(jid).splitlines() == [
        line for number in (1, 2) for line in (f"--- attempt {number} request_id=a/request ---", "before the exit")
    ]
    # and the lines of the worker about it have the id of the request
    eventually(lambda: start.started[0].log.read_text().count("job released") == 2)
    lines = [line for line in start.started[0].log.read_text().splitlines() if "job released" in line]
    assert all("request_id=a/request" in line for line in lines)


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


def test_the_supervisor_outlives_an_analysis_that_closes_shared_descriptors(misbehaving, start):
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


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_multiprocessing_works_in_each_job_as_in_the_first(misbehaving, method):
    # Given one child, in which a job has used multiprocessing, and another one left a process behind
    misbehaving()
    for how in ("use_multiprocessing", "leave_a_process_of_multiprocessing", "use_multiprocessing"):
        jid = _submit(how, file=method)

        # Then each completes without traces of the jobs before
        assert (_ended(jid, 60)["status"], _ended(jid)["attempt"]) == ("complete", 1), jobs.get_log(jid)
        if how == "use_multiprocessing":
            assert jobs.get_results(jid)["result"] == {"doubled": [0, 2, 4, 6], "found": "found", "active": 0}
        assert "Traceback" not in jobs.get_log(jid)


def test_a_job_that_hangs_in_native_code_ends_by_its_timeout(misbehaving):
    misbehaving(MEMORY_LIMIT_MB=LIMIT_MB)

    assert _error(_submit("hang_in_native_code", timeout=1))[0] == "timeout"
    _look_around()


# Output


@pytest.mark.parametrize("limit", [0, LIMIT_MB])
def test_what_is_written_to_descriptors_is_in_the_log_of_the_job_only(misbehaving, start, limit):
    # Given a job that writes 100 MB to descriptor 1, and some lines in every other way
    misbehaving(MEMORY_LIMIT_MB=limit)
    before = jobs.get_workers()[0]["pid"]
    jid = _submit("write_to_descriptors", size=100)

    # Then its log ends with these lines
    assert _ended(jid)["status"] == "complete"
    log = jobs.get_log(jid)
    words = ["of a shell", "of its errors", "of C", "of bytes: ü", "of print 1", "WARNING its.own of logging"]
    assert log.rstrip().splitlines()[-6:] == [log.splitlines()[-6], *words[1:]]
    assert log.splitlines()[-6].endswith("xxof a shell")
    assert len(log.encode()) <= 64 * 1024 + 100

    # and they are neither in the worker's log nor in the next job's
    assert "xxx" not in start.started[0].log.read_text()
    following = _submit("look_around")
    assert _ended(following)["status"] == "complete"
    assert jobs.get_log(following).endswith("heard\n")
    assert "xxx" not in jobs.get_log(following)
    assert jobs.get_results(following)["result"]["pid"] == before


def test_a_flood_that_lets_no_python_run_keeps_its_end_and_no_memory(misbehaving):
    misbehaving(MEMORY_LIMIT_MB=LIMIT_MB)
    jid = _submit("flood_from_locked_native_code", size=2000)

    assert _ended(jid)["status"] == "complete"
    assert set(jobs.get_log(jid).splitlines()[-1]) == {"y"}
    sizes = [file.stat().st_blocks * 512 for file in Path(f"/proc/{_pids().pop()}/fd").iterdir() if _is_output(file)]
    assert sizes
    # of 2,000 MB; how much came between two cuts depends on how busy the machine is
    assert max(sizes) < 2**27


def _is_output(descriptor: Path) -> bool:
    return os.readlink(descriptor).startswith("/memfd:output")


def test_streams_that_a_job_broke_are_whole_in_the_next_one(misbehaving):
    misbehaving()
    before = _pids()
    assert _ended(_submit("break_the_streams"))["status"] == "complete"

    jid = _submit("write_to_descriptors")
    assert _ended(jid)["status"] == "complete"
    assert all(word in jobs.get_log(jid) for word in ("of a shell", "of its errors", "of print 1", "of logging"))
    assert _pids() == before


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


def test_analyses_that_ignore_the_stop_are_killed(misbehaving):
    misbehaving(3)
    before = _pids()
    stubborn = [_submit(how, size=60) for how in ("block_signals", "ignore_signals", "catch_everything")]
    eventually(lambda: {jobs.get_job_by_id(jid)["status"] for jid in stubborn} == {"in progress"})

    for jid in stubborn:
        assert jobs.cancel_job(jid)["status"] == "cancelled"

    eventually(lambda: not any(map(_alive, before)), seconds=2.5)
    _look_around()


def test_ignored_signals_are_restored_for_the_next_job(misbehaving):
    misbehaving()
    before = _pids()
    for how in ("block_signals", "ignore_signals"):
        assert _ended(_submit(how))["status"] == "complete"

        sleeper = jobs.add_job(None, None, "sleep", params={"seconds": 60})["id"]
        eventually(lambda sleeper=sleeper: jobs.get_job_by_id(sleeper)["status"] == "in progress")
        jobs.cancel_job(sleeper)

        around = _look_around()
        assert (around["pid"] in before, around["blocked"]) == (True, 0)


SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_to_a_child_does_nothing(misbehaving, name):
    # Given a child that runs a job, an idle child, and a standby child that is starting
    misbehaving(2)
    jid = _submit("wait_for_signals", size=2)
    eventually(lambda: jobs.get_job_by_id(jid)["message"] == "waiting")
    before = _pids()

    # When an operator sends them all a signal
    for pid in before:
        os.kill(pid, signal.Signals[name])

    # Then the job completes in its first attempt, and its child processes have default handlers
    assert (_ended(jid)["status"], _ended(jid)["attempt"]) == ("complete", 1)
    result = jobs.get_results(jid)["result"]
    assert result == {**{each: -signal.Signals[each] for each in SIGNALS}, "fork": 2}
    assert _pids() == before


@pytest.mark.parametrize(
    "name", ["SIGTERM", "SIGINT", *(pytest.param(each, marks=pytest.mark.long) for each in ("SIGHUP", "SIGQUIT"))]
)
def test_a_stop_of_the_whole_control_group_charges_no_job(misbehaving, start, name):
    # Given a job that ends while the worker drains, and one that does not
    misbehaving(2, DRAIN_SECONDS=3)
    short, long = _submit("wait_for_signals", size=1), _submit("wait_for_signals", size=60)
    eventually(lambda: {jobs.get_job_by_id(jid)["message"] for jid in (short, long)} == {"waiting"})
    parent: Process = start.started[0]

    # When supervisor and children get the signal at once
    for pid in [*_pids(), parent.process.pid]:
        os.kill(pid, signal.Signals[name])

    # Then the worker drains
    assert parent.process.wait(20) == 0
    assert jobs.get_job_by_id(short)["status"] == "complete"
    assert (jobs.get_job_by_id(long)["status"], jobs.get_job_by_id(long)["error"]) == ("submitted", None)
    assert jobs.rd.hget(f"job.{long}", "failed_attempts") is None


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGUSR2"])
def test_a_supervisor_ignores_signals_without_meaning(misbehaving, start, name):
    misbehaving()
    os.kill(start.started[0].process.pid, signal.Signals[name])

    _look_around()
    assert start.started[0].process.poll() is None


@pytest.mark.parametrize("name", SIGNALS)
def test_children_that_start_are_not_ended_by_signals(misbehaving, start, name):
    # Given a worker whose only child is replaced
    misbehaving(STANDBY_CHILDREN=0)
    before = _pids()
    os.kill(before.copy().pop(), signal.SIGKILL)
    jid = _submit("look_around")

    # When all processes below it get the signal repeatedly
    seen: set[int] = set()
    while not jobs.Status(jobs.get_job_by_id(jid)["status"]).ended:
        for pid in descendants_of(start.started[0].process.pid):
            seen.add(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.Signals[name])

    # Then the first new child runs the job
    assert jobs.get_job_by_id(jid)["attempt"] == 1
    assert seen - before == {jobs.get_results(jid)["result"]["pid"]}


def test_signal_handlers_of_a_job_do_not_reach_the_next_one(misbehaving):
    misbehaving()
    before = _pids()
    assert _ended(_submit("handle_signals_itself"))["status"] == "complete"

    jid = _submit("wait_for_signals", size=1)
    eventually(lambda: jobs.get_job_by_id(jid)["message"] == "waiting")
    for name in SIGNALS:
        os.kill(before.copy().pop(), signal.Signals[name])

    assert (_ended(jid)["status"], _ended(jid)["attempt"]) == ("complete", 1)
    assert _pids() == before


# InvalidParams


def test_invalid_params_raised_by_an_analysis_fail_at_once(misbehaving):
    misbehaving()

    job = _ended(_submit("refuse_its_parameters", max_attempts=3), seconds=5)

    assert (job["status"], job["attempt"]) == ("failed", 1)
    assert job["error"]["reason"] == "invalid"
    assert job["error"]["type"] == "InvalidParams"
    assert "too large for these rows" in job["error"]["message"]


def test_an_analysis_that_another_one_does_not_find_is_an_error_of_its_own(misbehaving):
    misbehaving()

    assert _error(_submit("look_up_what_is_not_there"))[:2] == ("error", "UnknownAnalysis")


# Process state


@pytest.mark.long
def test_what_a_job_leaves_in_its_process_costs_the_next_one_nothing(misbehaving, tmp_path):
    # Given a child, and the process state that a well-behaved job finds
    misbehaving()
    honest = _submit("work_honestly", file=tmp_path / "file")
    assert _ended(honest)["status"] == "complete"

    # When another job leaves timers, limits, ignored signals, or changes that cannot be restored
    for how in ("leave_traps", "leave_permanent_changes"):
        assert _ended(_submit(how))["status"] == "complete"
        jid = _submit("work_honestly", file=tmp_path / "file")

        # Then the next job finds the same state
        job = _ended(jid)
        assert (job["status"], job["error"]) == ("complete", None)
        assert jobs.rd.hget(f"job.{jid}", "failed_attempts") is None
        assert jobs.get_results(jid)["result"] == jobs.get_results(honest)["result"]
        assert "heard too" in jobs.get_log(jid)


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


def test_nan_and_infinity_become_null(misbehaving):
    misbehaving()
    jid = _submit("return_odd_numbers")

    assert _ended(jid)["status"] == "complete"
    assert jobs.get_results(jid)["result"] == {"nan": None, "infinities": [None, None], "small": 0.0, "null": 1}


def test_the_largest_result_is_stored_and_the_error_of_a_larger_one_names_the_setting(misbehaving):
    misbehaving(MAX_RESULT_BYTES=1_000_000)

    assert _ended(_submit("return_too_much", size=999_000))["status"] == "complete"
    reason, kind, message = _error(_submit("return_too_much", size=1_000_000))
    assert (reason, kind) == ("error", "ValueError")
    assert "MAX_RESULT_BYTES (1000000)" in message


def test_results_that_are_not_json_fail_with_the_reason(misbehaving):
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


@pytest.mark.long
def test_results_that_redis_never_takes_fail_the_attempt(misbehaving):
    # Given a Redis that rejects values above one megabyte
    misbehaving()
    jobs.rd.config_set("proto-max-bulk-len", 2**20)
    try:
        # When the list of artifacts, which is stored in one piece, is larger
        jid = _submit("return_too_many", size=9_000)

        # Then the job fails with that reason, and its child continues
        reason, kind, message = _error(jid)
        assert (reason, kind) == ("error", "ResultsRefused")
        assert "proto-max-bulk-len" in message
        assert _look_around()["blocked"] == 0
    finally:
        jobs.rd.config_set("proto-max-bulk-len", 512 * 2**20)
