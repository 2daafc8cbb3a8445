"""Workers are replaced under load, with two versions at the same time: no job is lost, no attempt is charged."""

from __future__ import annotations

from pathlib import Path

import pytest

import jobs
from jobs import Submission
from ops.invariants import find_violations
from tests.conftest import ROOT, Process, eventually

NEWER = '''"""Count to a number."""

from analyses.kit import Params


class NewerParams(Params):
    to: int


def run(params: NewerParams) -> dict:
    return {"counted": params.to}
'''
OLDER = NEWER.replace("    to: int", "    upto: int").replace("params.to", "params.upto")


@pytest.fixture
def start_version(tmp_path: Path, start_worker):
    """Start a worker of a version that has one more analysis, or the same analysis with other parameters."""

    def run(name: str, text: str | None, workers: int = 1) -> Process:
        home = tmp_path / name
        (home / "analyses").mkdir(parents=True)
        for source in (ROOT / "analyses").glob("*.py"):
            (home / "analyses" / source.name).write_text(source.read_text())
        (home / "analyses" / "framework").symlink_to(ROOT / "analyses" / "framework")
        if text is not None:
            (home / "analyses" / "newer.py").write_text(text)
        for module in ("worker.py", "jobs.py", "config", "dataset", "jobstore", "runtime"):
            (home / module).symlink_to(ROOT / module)
        return start_worker(workers, PYTHONPATH=home, PYTHONSAFEPATH="1")

    return run


def _add(count: int, analysis: str, params: dict) -> list[str]:
    asked = [Submission(start=None, end=None, analysis=analysis, params=params) for _ in range(count)]
    return [job["id"] for job in jobs.add_jobs(asked)[0]]


def _broken() -> list:
    return find_violations(jobs.rd, jobs.q._client)


def _charged(ids: list[str]) -> set:
    return {jobs.rd.hget(f"job.{jid}", "failed_attempts") for jid in ids}


def _all_complete(ids: list[str]) -> bool:
    return all(jobs.get_job_by_id(jid)["status"] == "complete" for jid in ids)


def test_a_rolling_restart_under_load_charges_and_loses_nothing(start_worker):
    fleet = [start_worker(1), start_worker(1)]
    ids = []

    for _ in range(3):
        ids += _add(60, "sleep", {"seconds": 0.05})
        leaving = fleet.pop(0)
        fleet.append(start_worker(1))
        assert leaving.stop() == 0
        assert _broken() == []

    eventually(lambda: _all_complete(ids), seconds=60)
    assert _charged(ids) == {None}
    assert {jobs.get_results(jid)["attempt"] for jid in ids} == {1}
    assert _broken() == []


@pytest.mark.long
def test_a_restart_that_does_not_wait_for_jobs_charges_none_of_them(start_worker):
    leaving = start_worker(2, DRAIN_SECONDS=0)
    ids = _add(2, "sleep", {"seconds": 3})
    eventually(lambda: jobs.get_stats()["jobs"]["in progress"] == 2)

    start_worker(2)
    assert leaving.stop() == 0

    eventually(lambda: _all_complete(ids), seconds=40)
    assert _charged(ids) == {None}
    assert _broken() == []


@pytest.mark.parametrize("older", [None, OLDER], ids=["unknown analysis", "unknown parameters"])
def test_a_job_that_an_older_worker_does_not_know_waits_for_a_newer_one(start_version, older):
    start_version("older", older)
    ids = _add(3, "newer", {"to": 3})
    eventually(lambda: all(jobs.get_job_by_id(jid)["attempt"] >= 1 for jid in ids))
    eventually(lambda: jobs.get_job_by_id(ids[0])["status"] == "scheduled")
    assert jobs.get_job_by_id(ids[0])["error"]["reason"] == "invalid"

    start_version("newer", NEWER)

    eventually(lambda: _all_complete(ids), seconds=60)
    assert _charged(ids) == {None}
    assert [jobs.get_results(jid)["result"] for jid in ids] == [{"counted": 3}] * 3
    assert _broken() == []
