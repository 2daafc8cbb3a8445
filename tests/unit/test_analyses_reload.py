"""Tests that changed files of analyses are loaded again, by the API and by a worker, and that broken ones are named."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import analyses
from analyses import get_analysis, get_registry, reload_if_changed
from api import create_app
from config.events import Event
from config.settings import Settings

OPEN = {"start": None, "end": None}


def answer(number: int) -> str:
    return f"def run():\n    return {{'answer': {number}}}\n"


def result(name: str) -> Any:
    return get_analysis(name).run(None, {}, lambda fraction, message=None: None).result["answer"]


@pytest.fixture
def save(analyses_folder: Path) -> Callable[[str, str], Path]:
    """Saves a file in the folder of analyses; no two have the same time."""
    saved = 0

    def write(name: str, text: str) -> Path:
        nonlocal saved
        saved += 1
        path = analyses_folder / name
        path.write_text(text)
        # Less than a second apart, by which Python tells compiled files apart.
        os.utime(path, ns=(10**18, 10**18 + saved * 10**6))
        return path

    return write


def test_new_changed_and_removed_files_are_loaded_once(save):
    # Given a registry
    reload_if_changed()
    before = get_registry()

    # When a file is added, and changed within the same second to one of the same size, its latest version is used
    path = save("late.py", answer(1))
    assert reload_if_changed()
    assert result("late") == 1
    save("late.py", answer(2))
    assert reload_if_changed()
    assert result("late") == 2

    # And nothing is loaded without a change
    after = get_registry()
    assert not reload_if_changed()
    assert get_registry() is after

    # When it is removed, it is unknown
    path.unlink()
    assert reload_if_changed()
    assert get_registry().analyses.keys() == before.analyses.keys()


def test_a_change_of_a_module_that_an_analysis_imports_is_a_change_of_the_analysis(save, analyses_folder):
    (analyses_folder / "_parts").mkdir()
    save("_parts/__init__.py", "")
    save("_parts/numbers.py", "ANSWER = 1\n")
    save("late.py", "from analyses._parts.numbers import ANSWER\n\ndef run():\n    return {'answer': ANSWER}\n")
    reload_if_changed()
    assert result("late") == 1

    save("_parts/numbers.py", "ANSWER = 2\n")

    assert reload_if_changed()
    assert result("late") == 2


def test_the_files_of_editors_are_no_change(save):
    reload_if_changed()
    save(".late.py.swp", "")
    assert not reload_if_changed()


def test_the_registry_is_complete_while_the_files_are_loaded_again(save, monkeypatch):
    # Given an analysis that looks at the registry, and asks for another reload, while it is loaded
    seen: list[Any] = []
    monkeypatch.setattr(analyses, "look", lambda: seen.append((get_registry(), reload_if_changed())), raising=False)
    reload_if_changed()
    before = get_registry()

    # When the files are loaded again
    save("curious.py", f"import analyses\nanalyses.look()\n{answer(1)}")
    reload_if_changed()

    # Then it has seen the registry as it was
    assert seen == [(before, False)]
    assert "curious" in get_registry().analyses


def test_the_api_loads_changed_files_before_a_request(rd, save, caplog):
    # Given an API with RELOAD
    caplog.set_level(logging.INFO)
    client = create_app(Settings(reload=True), redis_client=rd).test_client()
    names = [each["name"] for each in client.get("/analyses").json["analyses"]]

    # When a file is added, its analysis takes jobs
    save("late.py", answer(1))
    assert client.post("/jobs", json={**OPEN, "analysis": "late"}).status_code == 202
    assert [each["name"] for each in client.get("/analyses").json["analyses"]] == sorted([*names, "late"])

    # When it is broken, it is listed with its error, and jobs of it are refused with the error
    save("late.py", "import of_another_package\n")
    reason = "analyses/late.py cannot be loaded: ModuleNotFoundError: No module named 'of_another_package'"
    late = {"name": "late", "description": "", "params": {}, "error": reason}
    assert client.get("/analyses/late").json == late
    assert late in client.get("/analyses").json["analyses"]
    jobs = [{**OPEN, "analysis": "sleep", "params": {"seconds": 0}}, {**OPEN, "analysis": "late"}]
    refused = client.post("/jobs", json=jobs)
    assert (refused.status_code, refused.json["type"]) == (422, "/problems/invalid")
    assert refused.json["errors"] == [{"pointer": "/1/analysis", "detail": f"This analysis is unavailable: {reason}"}]

    # And it stops no other
    assert client.post("/jobs", json=jobs[0]).status_code == 202
    assert "late" not in client.get("/help").text
    assert [record.message for record in caplog.records if record.name in ("api", "analyses")] == [
        Event.ANALYSES_RELOADED,
        Event.ANALYSES_RELOADED,
        Event.ANALYSIS_UNAVAILABLE,
    ]
    assert "of_another_package" in caplog.text


def test_an_api_without_reload_keeps_what_it_loaded(rd, save, caplog):
    save("late.py", "def run(:\n")
    reload_if_changed()
    client = create_app(Settings(), redis_client=rd).test_client()
    assert Event.ANALYSIS_UNAVAILABLE in [record.message for record in caplog.records]

    save("late.py", answer(1))

    assert "SyntaxError" in client.get("/analyses/late").json["error"]
