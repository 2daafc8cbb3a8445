"""Tests that the gallery shows every analysis, and that the guide and the template work as written."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from analyses import get_analyses, get_analysis, load_analyses, render
from analyses.kit import try_analysis
from docs.gallery import PAGE, PICTURES, page
from docs.new_analysis import Refused, copy_template

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "write-an-analysis.md").read_text()


@pytest.fixture
def checkout(analyses_folder: Path) -> Path:
    """A folder for new analyses and their tests, whose analyses the registry finds."""
    (analyses_folder.parent / "tests" / "unit").mkdir(parents=True)
    return analyses_folder.parent


def test_the_gallery_is_what_make_gallery_writes() -> None:
    assert PAGE.read_text() == page(), "run: make gallery"


def test_the_gallery_names_every_analysis_with_its_parameters() -> None:
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL))
    assert sections.keys() == get_analyses().keys()
    for name, analysis in get_analyses().items():
        named = re.findall(r"^\| `(\w+)` \|", sections[name], re.MULTILINE)
        assert named == list(analysis.params_schema().get("properties", {}))
        assert f'"analysis": "{name}"' in sections[name]


def test_the_gallery_shows_every_picture_once() -> None:
    shown = re.findall(r"\]\(gallery/([^)]+)\)", PAGE.read_text())
    assert sorted(shown) == sorted(path.name for path in PICTURES.iterdir())
    assert all((PICTURES / name).read_bytes().startswith(b"\x89PNG") for name in shown)


def test_the_guide_works_as_written(checkout: Path) -> None:
    # Given the guide's analysis and its test, saved as it says
    *_, analysis, test, in_batches = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    (checkout / "analyses" / "binned.py").write_text(analysis)
    (checkout / "analyses" / "mean.py").write_text(in_batches)
    load_analyses()

    # When the guide's test runs, it passes
    namespace: dict[str, Callable[[], None]] = {}
    exec(test, namespace)
    namespace["test_binned_counts_the_rows_of_each_bin"]()

    # And so does the analysis that reads batches
    assert try_analysis("mean", pl.DataFrame({"x": [1.0, 4.0, None]}), column="x").result == {"mean": 2.5}

    # And the job that the guide submits is taken
    rows = pl.DataFrame({"magnitude": [0.1, 0.2, 0.7, None]})
    params = {"column": "magnitude", "width": 0.5}
    assert render(get_analysis("binned").run(rows, params, lambda fraction, message=None: None)).result == {"bins": 2}


def test_a_copy_of_the_template_passes_its_test_lint_and_types(checkout: Path) -> None:
    # When the template is copied
    analysis, test = copy_template("moving_mean", checkout)
    load_analyses()

    # Then the copy runs and its test passes
    source = test.read_text()
    namespace: dict[str, Callable[[], None]] = {}
    exec(source, namespace)
    names = [name for name in namespace if name.startswith("test_")]
    assert len(names) == 3
    for name in names:
        namespace[name]()

    # And style and types have nothing to say
    ruff = ["ruff", "check", "--config", str(ROOT / "pyproject.toml"), str(analysis), str(test)]
    mypy = ["mypy", "--config-file", str(ROOT / "pyproject.toml"), str(analysis)]
    for command in (ruff, [*ruff[:1], "format", "--check", *ruff[2:]], mypy):
        done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["", "Upper", "with-dash", "2fast", "_private", "class", "../up", "a b", "a" * 51])
def test_a_name_that_is_none_for_a_module_is_refused(checkout: Path, name: str) -> None:
    with pytest.raises(Refused):
        copy_template(name, checkout)
    assert list((checkout / "analyses").iterdir()) == []


def test_what_is_there_is_not_written_over(checkout: Path) -> None:
    (checkout / "analyses" / "mine.py").write_text("mine")
    with pytest.raises(Refused, match=r"analyses/mine.py already exists"):
        copy_template("mine", checkout)
    assert (checkout / "analyses" / "mine.py").read_text() == "mine"
    assert list((checkout / "tests" / "unit").iterdir()) == []
