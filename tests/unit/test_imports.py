"""What the three modules at the top import of ours: a line each of the design's table.

import-linter holds the rooms to it (pyproject.toml), but reads packages only.
"""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MAY_IMPORT = {
    "api": {"jobs", "submission", "data_views", "dataset", "analyses", "web", "config", "flask", "werkzeug"},
    "jobs": {"redis", "hotqueue", "jobstore", "config"},
    "worker": {"jobs", "runtime", "dataset", "analyses", "config"},
}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names


@pytest.mark.parametrize("module", MAY_IMPORT)
def test_a_module_at_the_top_imports_only_what_the_design_allows(module):
    assert imported(ROOT / f"{module}.py") <= MAY_IMPORT[module]


def test_exactly_three_modules_stand_at_the_top():
    assert {path.stem for path in ROOT.glob("*.py")} == set(MAY_IMPORT)


def test_analyses_import_the_kit_alone():
    machinery = {"__init__", "__main__", "kit"}
    for path in (ROOT / "analyses").glob("*.py"):
        assert path.stem in machinery or "analyses.framework" not in path.read_text(), path.name
