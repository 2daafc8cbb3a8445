"""The docs say what the code says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from analyses import get_analyses
from config.settings import TABLE, InvalidSetting, load

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_page_of_settings_has_each_with_its_default_and_help():
    table = [f"| `{s.name}` | {f'`{s.default}`' if s.default != '' else ''} | {s.help} |" for s in TABLE]

    assert "\n".join(table) in (ROOT / "docs" / "settings.md").read_text()


def test_the_readme_says_why_each_dependency_is_there():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = {name.strip() for row in re.findall(r"^\| ([a-z, -]+) \| .+ \|$", README, re.M) for name in row.split(",")}

    for requirement in sum(project["dependency-groups"].values(), project["project"]["dependencies"]):
        assert re.split(r"[\[=]", requirement)[0] in named


def test_every_link_of_the_docs_leads_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readme_names_every_room():
    rooms = [path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests"]

    assert [room for room in rooms if f"`{room}/`" not in README] == []


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
