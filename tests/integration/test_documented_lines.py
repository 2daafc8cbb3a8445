"""Every line of ``/help``, of the README and of the pages on client and command line, as if pasted into a terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT

TIMEOUT = 110.0  # seconds; only a broken line takes so long
README = (ROOT / "README.md").read_text()
# Lines of make, which install, run for minutes or until Ctrl-C: other tests run what their recipes run.
RECIPES = {
    "make demo": "exec .venv/bin/python -m ops.devserver.demo",
    "make run": "exec .venv/bin/python -m ops.devserver.run",
    "make test": '.venv/bin/python -m pytest -n 2 --dist loadfile -m "not long"',
}


def blocks(page, language):
    """Return the code of a page in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


class Terminal:
    """A shell in a folder with the samples, in which a request that the API refuses is an error."""

    def __init__(self, folder, api):
        self.folder = folder
        self.address = str(api.base_url).rstrip("/")
        for name in ("samples", "cli", "client"):
            (folder / name).symlink_to(ROOT / name)
        (folder / ".venv").symlink_to(sys.prefix)
        programs = folder / "bin"
        programs.mkdir()
        # Of an error, curl only prints the body.
        _program(programs / "curl", f'exec {_which("curl")} --fail-with-body --no-progress-meter "$@"')
        _program(programs / "dataset-jobs", f'exec "{sys.executable}" -m cli "$@"')
        self.environ = os.environ | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "JOBS_API_URL": self.address,
            "PYTHONPATH": str(ROOT),
        }

    def run(self, lines):
        """Run the lines, for localhost:5000 the API of this test; the first that fails ends them."""
        text = lines.replace("localhost:5000", self.address.removeprefix("http://"))
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert done.returncode == 0, f"{lines}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def _program(path, line):
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def _which(name):
    [found, *_] = [Path(folder, name) for folder in os.get_exec_path() if Path(folder, name).exists()] or [None]
    assert found, f"{name} is not installed"
    return found


@pytest.fixture
def api(live, shared_api, start_worker) -> httpx.Client:
    start_worker(2)
    return shared_api.client


@pytest.fixture
def terminal(api, tmp_path):
    return Terminal(tmp_path, api)


def test_every_line_of_the_readme_runs(terminal):
    # Given the blocks of the README
    example, makes, tour, commands = blocks(README, "sh")

    # Then the example prints what stands below it, and the tour runs to its end
    assert terminal.run(example).endswith(blocks(README, "csv")[0])
    assert '"status":"cancelled"' in terminal.run(tour).replace(" ", "")
    assert (terminal.folder / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert re.fullmatch(r"[0-9a-f-]{36}", terminal.run(commands).splitlines()[-1])
    # and so does what the text names
    for line in re.findall(r"`(curl [^`]+)`", README):
        terminal.run(line)
    # and what make runs is known
    for line in re.findall(r"^(make \w+)", makes, re.MULTILINE):
        if line == "make help":
            assert (
                "make demo"
                in subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
            )
        else:
            dry = ["make", "--dry-run", "--old-file=.venv/runtime", "--old-file=.venv/development", line.split()[1]]
            recipe = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=True).stdout
            assert RECIPES[line] in recipe


def test_every_line_of_the_help_runs_from_top_to_bottom(terminal, api):
    lines = [line for line in api.get("/help").text.splitlines() if line.startswith("curl ")]
    assert len(lines) > 30
    # one shell for each line, as no line needs another's variables
    for line in lines:
        terminal.run(line)


@pytest.mark.long
def test_the_tour_of_the_command_line_runs(terminal):
    [tour] = blocks((ROOT / "docs" / "command-line.md").read_text(), "sh")
    printed = terminal.run(tour)
    assert "cancelled" in printed
    assert (terminal.folder / "results" / "plot.png").exists()


def test_the_lines_about_many_jobs_run(terminal):
    page = (ROOT / "docs" / "jobs.md").read_text()
    [counts] = blocks(page, "json")
    minimal, few, many = blocks(page, "sh")
    terminal.run(minimal)
    assert len(json.loads((terminal.folder / "ids.json").read_text())["ids"]) == 2
    assert terminal.run(few).endswith(counts)
    ended = json.loads(terminal.run(many).splitlines()[-1])
    assert ended["status"] in ("cancelled", "complete")
    assert ended["done"] <= ended["matched"] <= 1500


def test_the_examples_of_the_python_client_run(api, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    examples = "\n".join(blocks((ROOT / "docs" / "python-client.md").read_text(), "python"))
    exec(compile(examples.replace("http://localhost:5000", str(api.base_url)), "python-client.md", "exec"), {})
    assert "/problems/invalid" in capsys.readouterr().out
