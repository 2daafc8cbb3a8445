"""The docs agree with the code."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import polars as pl
import pytest

from analyses import get_analyses, get_analysis, render
from config.settings import OLD_NAMES, TABLE, InvalidSetting, load
from dataset import ingest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_page_of_settings_has_each_with_its_default_and_help():
    table = [f"| `{s.name}` | {f'`{s.default}`' if s.default != '' else ''} | {s.help} |" for s in TABLE]

    page = (ROOT / "docs" / "settings.md").read_text()
    assert "\n".join(table) in page
    assert "\n".join(f"| `{name}` | `{old}` |" for name, old in OLD_NAMES.items()) in page


def test_each_dependency_is_listed_with_its_version_and_its_purpose():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    page = (ROOT / "docs" / "dependencies.md").read_text()
    rows = re.findall(r"^\| ([a-z, -]+) \| (\S+) \| [^|]+ \| [^|]+ \|$", page, re.M)
    listed = {name.strip(): version for names, version in rows for name in names.split(",")}

    for requirement in sum(project["dependency-groups"].values(), project["project"]["dependencies"]):
        name, extras, version = re.fullmatch(r"([\w-]+)(?:\[([\w,]+)\])?==(\S+)", requirement).groups()
        assert listed[name] == version
        assert name in ("fakeredis", "moto") or extras is None or extras in listed


def test_the_example_of_the_readme_has_its_answer():
    [answer] = re.findall(r"```csv\n(.*?)```", README, re.DOTALL)
    [posted] = re.findall(r"localhost:5000/jobs -d '([^']+)' \| cut", README)
    job = json.loads(posted)
    rows = ingest((ROOT / "samples" / "earthquakes.csv").read_bytes(), "text/csv").frame
    rows = rows.filter(pl.col("time") >= pl.lit(job["start"]).str.to_datetime(time_zone="UTC"))

    outcome = get_analysis(job["analysis"]).run(rows, job["params"], lambda fraction, message=None: None)

    [table] = [artifact.content.decode() for artifact in render(outcome).artifacts if artifact.type == "text/csv"]
    assert table == answer


def test_every_link_of_the_docs_leads_somewhere():
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readme_names_every_room():
    rooms = [path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests"]

    assert [room for room in rooms if f"`{room}/`" not in README] == []


def test_contributing_names_existing_files():
    page = (ROOT / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| a new .+? \| (.+?) \|", page, re.M)
    named = [path for row in rows for path in re.findall(r"`([a-z_/]+(?:\.py|/))`", row)]

    assert len(rows) == 7
    assert len(named) >= 7
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_target_of_make_that_the_docs_name_exists():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        if page.name != "CHANGELOG.md":
            for target in re.findall(r"(?:`|^\s*|&& )make ([a-z-]+)", page.read_text(), re.M):
                assert target in targets, f"{page.name}: make {target}"


def test_every_analysis_has_a_description():
    assert all(analysis.description for analysis in get_analyses().values())


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({"API_PORT": "five"}, "API_PORT='five': expected a whole number"),
        ({"LEASE_SECONDS": "0"}, "LEASE_SECONDS='0': expected 1 or more"),
        ({"LEASE_SECONDS": "nan"}, "LEASE_SECONDS='nan': expected 1 or more"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(environ, complaint):
    with pytest.raises(InvalidSetting, match=re.escape(complaint)):
        load(environ)
