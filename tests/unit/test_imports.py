"""What the three modules at the top import of ours: a line each of the design's table.

import-linter holds the rooms to it (pyproject.toml), but reads packages only.
"""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MAY_IMPORT = {
    "api": {"jobs", "pages", "submission", "data_views", "dataset", "analyses", "web", "config", "flask", "werkzeug"},
    "jobs": {"redis", "hotqueue", "jobstore", "config"},
    "worker": {"jobs", "runtime", "dataset", "analyses", "config"},
}


def imported(source: str, package: str = "") -> set[str]:
    """The full names of the modules and of what is imported from them; ``package`` is where relative imports begin."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


def imports_the_framework(source: str) -> bool:
    ours = {name for name in imported(source, "analyses") if name.split(".")[0] == "analyses"}
    return not all(f"{name}.".startswith("analyses.kit.") for name in ours)


@pytest.mark.parametrize("module", MAY_IMPORT)
def test_a_module_at_the_top_imports_only_what_the_design_allows(module):
    names = {name.split(".")[0] for name in imported((ROOT / f"{module}.py").read_text())}
    assert names - sys.stdlib_module_names <= MAY_IMPORT[module]


def test_exactly_three_modules_stand_at_the_top():
    assert {path.stem for path in ROOT.glob("*.py")} == set(MAY_IMPORT)


def test_analyses_import_only_the_kit():
    framework = {"__init__", "__main__", "kit"}
    for path in (*(ROOT / "analyses").glob("*.py"), ROOT / "docs" / "template" / "analysis.py"):
        assert path.stem in framework or not imports_the_framework(path.read_text()), path.name


@pytest.mark.parametrize(
    "source",
    [
        "import analyses",
        "import analyses.framework.plotting",
        "from analyses import framework",
        "from analyses.framework import plotting",
        "from . import framework",
        "from .framework.plotting import label",
        "def run():\n    from .framework import plotting",
    ],
)
def test_an_import_of_the_framework_is_found_however_it_is_written(source):
    assert imports_the_framework(source)
    assert not imports_the_framework("from .kit import Params\nimport analyses.kit\nfrom analyses import kit\n")


def test_a_supervisor_imports_neither_analyses_nor_what_computes():
    code = "import sys, worker; print(*{name.partition('.')[0] for name in sys.modules})"
    imported = set(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).split())
    assert "runtime" in imported
    assert not imported & {"analyses", "dataset", "matplotlib", "numpy", "polars", "pydantic", "pyarrow"}


def test_a_child_imports_what_draws_and_reads_files_only_when_it_needs_it():
    code = "import sys, runtime.executor, analyses; analyses.get_registry(); print(*sys.modules)"
    imported = set(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).split())
    assert "polars" in imported
    assert not imported & {"matplotlib", "numpy", "fastexcel", "pyarrow"}
