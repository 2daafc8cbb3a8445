"""``make demo``, run as a subprocess."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from analyses import get_analyses

ROOT = Path(__file__).parents[2]
TIMEOUT = 90.0  # seconds; only a broken demo takes so long


@pytest.fixture
def demo(tmp_path):
    (tmp_path / "tmp").mkdir()
    environ = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "tmp"), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "ops.devserver.demo"],
        cwd=tmp_path,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    yield process
    process.terminate()
    process.wait(TIMEOUT)


def test_the_demo_runs_one_job_of_each_analysis_and_saves_the_plots(demo, tmp_path):
    output, _ = demo.communicate(timeout=TIMEOUT)

    assert demo.returncode == 0, output
    for analysis in get_analyses():
        assert f"{analysis}: complete, 100%" in output
    for analysis in ("correlation", "groups", "histogram", "map", "outliers", "timeseries", "trend"):
        assert (tmp_path / "demo-plots" / f"{analysis}-plot.png").read_bytes().startswith(b"\x89PNG")
    assert str(tmp_path / "demo-plots") in output
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.long
def test_the_demo_runs_with_added_analyses_that_have_required_parameters(tmp_path):
    # Given the analysis of the README, the template, and one with a parameter without example
    code = tmp_path / "code"
    (code / "analyses").mkdir(parents=True)
    for source in ROOT.iterdir():
        if source.suffix == ".py":  # Python resolves links to programs
            shutil.copy(source, code)
        elif source.name != "analyses" and not source.name.startswith("."):
            (code / source.name).symlink_to(source)
    for source in (ROOT / "analyses").iterdir():
        if source.name == "__pycache__":
            continue
        (code / "analyses" / source.name).symlink_to(source)
    [commonest] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    template = (ROOT / "docs" / "template" / "analysis.py").read_text()
    added = {
        "commonest": commonest,
        "template": template,
        "spread": commonest.replace("CommonestParams", "SpreadParams").replace("column: Column", "bins: int"),
    }
    for name, text in added.items():
        (code / "analyses" / f"{name}.py").write_text(text)

    # When the demo runs
    words = [sys.executable, "-m", "ops.devserver.demo"]
    done = subprocess.run(words, cwd=code, capture_output=True, text=True, timeout=TIMEOUT, check=False)

    # Then it runs all that it can, and names the others
    assert done.returncode == 0, done.stdout + done.stderr
    assert "commonest: complete, 100%" in done.stdout
    assert "template: complete, 100%" in done.stdout
    assert "Left out spread: no example of bins is known." in done.stdout


def test_ctrl_c_ends_the_demo_and_leaves_nothing(demo, tmp_path):
    # Given a demo with running jobs
    seen = ""
    while "in progress" not in seen:
        seen = demo.stdout.readline()
        assert seen

    # When it is interrupted twice
    os.killpg(demo.pid, signal.SIGINT)
    os.killpg(demo.pid, signal.SIGINT)

    # Then it prints a message, and its folder is removed
    output, _ = demo.communicate(timeout=TIMEOUT)
    assert demo.returncode == 130, output
    assert "everything is stopped" in output
    assert list((tmp_path / "tmp").iterdir()) == []
