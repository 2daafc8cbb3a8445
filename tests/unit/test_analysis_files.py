"""That a supervisor notices changed files of the analyses, which it does not import."""

from __future__ import annotations

import os
from importlib.util import cache_from_source
from pathlib import Path

import pytest

import analyses
from runtime.analysis_files import AnalysisFiles


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(analyses.__spec__, "submodule_search_locations", [str(tmp_path)])
    (tmp_path / "helpers").mkdir()
    (tmp_path / "one.py").write_text("first")
    return tmp_path


def test_files_that_are_added_changed_and_removed_are_noticed_once(folder):
    files = AnalysisFiles()
    assert not files.have_changed()

    steps = [
        lambda: (folder / "helpers" / "table.csv").write_text("a,b"),
        lambda: (folder / "one.py").write_text("other"),
        lambda: os.utime(folder / "one.py", ns=(1, 1)),
        lambda: (folder / "one.py").unlink(),
    ]
    for change in steps:
        change()
        assert files.have_changed()
        assert not files.have_changed()


def test_compiled_code_hidden_files_and_broken_links_are_not_looked_at(folder):
    files = AnalysisFiles()

    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "one.pyc").write_bytes(b"code")
    (folder / ".one.py.swp").write_text("of an editor")
    (folder / "broken").symlink_to("nothing")

    assert not files.have_changed()


def test_compiled_code_that_may_be_that_of_the_old_file_is_removed(folder):
    compiled = Path(cache_from_source(str(folder / "one.py")))
    compiled.parent.mkdir(exist_ok=True)
    compiled.write_bytes(b"code")
    files = AnalysisFiles()

    (folder / "one.py").write_text("other")
    assert files.have_changed()

    assert not compiled.exists()
