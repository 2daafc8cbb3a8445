"""Tests that a running service uses the files of analyses that are added, changed and removed, with ``RELOAD=yes``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import ROOT, eventually

OPEN = {"start": None, "end": None}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of analyses beside those of the package."""
    found = tmp_path / "analyses"
    found.mkdir()
    return found


@pytest.fixture
def api(folder: Path, tmp_path: Path, start_api: Any, start_worker: Any) -> httpx.Client:
    """An API and a worker with two children that load the folder as well."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(f"import analyses\nanalyses.__path__.append({str(folder)!r})\n")
    environ = {"PYTHONPATH": os.pathsep.join([str(site), str(ROOT)]), "RELOAD": "yes"}
    start_worker(2, **environ)
    client: httpx.Client = start_api(**environ)
    return client


def submit(api: httpx.Client, analysis: str, **params: Any) -> str:
    accepted = api.post("/jobs", json={**OPEN, "analysis": analysis, "params": params})
    assert accepted.status_code == 202, accepted.text
    return str(accepted.headers["Location"])


def ended(api: httpx.Client, location: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        job: dict[str, Any] = api.get(location, params={"wait": 20}).json()
        return job if job["status"] in ("complete", "failed") else None

    job: dict[str, Any] = eventually(look, seconds=60)
    assert job["status"] == "complete", job
    return job


def answer(number: int) -> str:
    return f"def run():\n    return {{'answer': {number}}}\n"


def test_files_are_added_changed_broken_and_removed_while_jobs_run(api: httpx.Client, folder: Path) -> None:
    # Given a job that runs
    long = submit(api, "sleep", seconds=6)
    eventually(lambda: api.get(long).json()["status"] == "in progress")

    # When an analysis is added and changed, its next job runs the latest file
    for number in (1, 2, 3):
        (folder / "late.py").write_text(answer(number))
        location = submit(api, "late")
        ended(api, location)
        assert api.get(f"{location}/results").json()["result"] == {"answer": number}

    # When its file is broken, it is unavailable, and no other is
    (folder / "late.py").write_text("def run(:\n")
    assert "SyntaxError" in api.get("/analyses/late").json()["error"]
    assert api.post("/jobs", json={**OPEN, "analysis": "late"}).status_code == 422
    ended(api, submit(api, "sleep", seconds=0))

    # When it is removed, it is unknown
    (folder / "late.py").unlink()
    assert api.get("/analyses/late").status_code == 404

    # And the job that ran was not disturbed
    assert ended(api, long)["attempt"] == 1


def test_the_service_starts_with_a_broken_file(folder: Path, request: pytest.FixtureRequest) -> None:
    (folder / "late.py").write_text("import of_another_package\n")
    api: httpx.Client = request.getfixturevalue("api")

    assert "of_another_package" in api.get("/analyses/late").json()["error"]
    ended(api, submit(api, "sleep", seconds=0))
