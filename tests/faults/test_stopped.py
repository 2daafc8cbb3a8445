"""Jobs are cancelled or exceed their time-out, even those that never release the interpreter's lock."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

import jobs
from jobs import Submission
from tests.conftest import eventually

STUBBORN = '''"""Catch whatever is raised, and go on."""

import time


def run() -> dict:
    print("begun", flush=True)
    while True:
        try:
            time.sleep(60)
        except BaseException:
            print("caught")
'''
POLITE = '''"""Sleep, and clean up when stopped."""

import time
from pathlib import Path


def run() -> dict:
    print("begun")
    try:
        time.sleep(60)
    finally:
        Path(__file__).with_suffix(".cleaned").touch()
    return {}
'''
# A single call that holds the interpreter's lock: no exception can be raised inside it.
LOCKED = '''"""Add up a range in one call of C code."""


def run() -> dict:
    return {"sum": sum(range(10**11))}
'''


def _submit(analysis: str, **options) -> str:
    jid = jobs.add_jobs([Submission(start=None, end=None, analysis=analysis, **options)])[0][0]["id"]
    eventually(lambda: jobs.get_job_by_id(jid)["status"] == "in progress")
    return jid


def _pid() -> int:
    return jobs.get_workers()[0]["pid"]


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_cancelled_job_is_stopped_by_an_exception_and_its_child_lives_on(worker_with):
    added = worker_with("polite", POLITE)
    jid, pid = _submit("polite"), _pid()
    eventually(lambda: "begun" in jobs.get_log(jid))

    assert jobs.cancel_job(jid)["status"] == "cancelled"

    eventually(added.with_suffix(".cleaned").exists, seconds=2)
    time.sleep(1.5)
    assert (_pid(), jobs.get_job_by_id(jid)["status"]) == (pid, "cancelled")
    other = _submit("polite")
    assert jobs.get_job_by_id(other)["attempt"] == 1


@pytest.mark.parametrize(("name", "text"), [("stubborn", STUBBORN), ("locked", LOCKED)])
def test_a_cancelled_job_that_never_yields_is_killed_within_two_seconds(worker_with, name, text):
    worker_with(name, text)
    jid, pid = _submit(name), _pid()

    jobs.cancel_job(jid)

    eventually(lambda: _gone(pid), seconds=2)
    eventually(lambda: jobs.get_workers() and _pid() != pid)
    assert jobs.get_job_by_id(jid)["status"] == "cancelled"


@pytest.mark.parametrize(("name", "text"), [("polite", POLITE), ("locked", LOCKED)])
def test_a_job_over_its_time_waits_out_a_back_off_and_fails_in_the_end(worker_with, name, text):
    worker_with(name, text)
    jid = _submit(name, timeout=0.5, max_attempts=2)

    eventually(lambda: jobs.get_job_by_id(jid)["status"] == "scheduled")
    assert jobs.get_job_by_id(jid)["error"]["reason"] == "timeout"
    eventually(lambda: jobs.get_job_by_id(jid)["status"] == "failed")

    failed = jobs.get_job_by_id(jid)
    assert (failed["attempt"], failed["error"]["reason"]) == (2, "timeout")


def test_a_job_that_ends_its_process_quietly_is_charged_and_fails(worker_with):
    worker_with("quitting", '"""End the process."""\n\nimport os\n\n\ndef run() -> dict:\n    os._exit(0)\n')
    jid = jobs.add_jobs([Submission(start=None, end=None, analysis="quitting")])[0][0]["id"]

    eventually(lambda: jobs.get_job_by_id(jid)["status"] == "failed")

    failed = jobs.get_job_by_id(jid)
    assert (failed["attempt"], failed["error"]["reason"]) == (3, "killed")


def test_what_an_analysis_started_is_stopped_with_it(worker_with):
    worker_with(
        "spawning",
        '"""Start another process."""\n\nimport subprocess\n\n\ndef run() -> dict:\n'
        '    other = subprocess.Popen(["sleep", "300"])\n    print(other.pid, flush=True)\n'
        "    return {'sum': sum(range(10**11))}\n",
    )
    jid, pid = _submit("spawning"), _pid()
    time.sleep(0.3)
    grandchild = eventually(lambda: _children_of(pid))[0]

    jobs.cancel_job(jid)

    eventually(lambda: _gone(pid), seconds=2)
    eventually(lambda: _gone(grandchild), seconds=2)


def _children_of(pid: int) -> list[int]:
    return [int(task) for task in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _fail(worker_with, body: str) -> jobs.Job:
    worker_with("failing", f'"""Fail."""\n\n\ndef run(progress) -> dict:\n    {body}\n')
    jid = jobs.add_jobs([Submission(start=None, end=None, analysis="failing", max_attempts=1)])[0][0]["id"]
    eventually(lambda: jobs.get_job_by_id(jid)["status"] == "failed")
    return jobs.get_job_by_id(jid)


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ("raise ValueError('a\\ud800b')", "ValueError", "a?b"),
        ("raise type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})", "Mute", "cannot be read"),
        ("raise GeneratorExit", "GeneratorExit", ""),
        ("return {'x': 10**5000}", "ValueError", "4,000 digits"),
        ("return {'x': object()}", "TypeError", "result['x']"),
        ("raise type('Panic', (BaseException,), {})('boom')", "Panic", "boom"),
        ("raise SystemExit(3)", "SystemExit", "3"),
        ("raise ValueError('x' * 100_000)", "ValueError", "x" * 10_000),
    ],
)
def test_any_exception_of_an_analysis_becomes_the_jobs_error(worker_with, body, kind, message):
    failed = _fail(worker_with, body)

    assert (failed["error"]["type"], failed["error"]["reason"]) == (kind, "error")
    assert message in failed["error"]["message"]
    assert len(failed["error"]["message"]) <= 10_000


def test_a_message_that_is_not_text_does_not_end_the_reports(worker_with):
    worker_with(
        "reporting",
        '"""Report oddly."""\n\nimport time\n\n\ndef run(progress) -> dict:\n'
        '    progress(0.25, {"a": 1})\n    time.sleep(1)\n    progress(0.5, "a\\ud800b")\n    time.sleep(60)\n',
    )
    jid = _submit("reporting")

    eventually(lambda: jobs.get_job_by_id(jid)["message"] == "{'a': 1}")
    eventually(lambda: jobs.get_job_by_id(jid)["message"] == "a?b")
