"""The command line and the client as others have them: real processes, a real API, kills, and a wheel."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path

import pytest

from client import ApiError, Client
from tests.conftest import ROOT, eventually, free_port

TIMEOUT = 60.0  # seconds; only a broken command takes so long
UV = Path(sys.executable).with_name("uv")
GUNICORN = ("-m", "gunicorn", "--config", "python:web.server.gunicorn_conf", "api:create_app()")


class Shell:
    """Runs ``jobs`` as a user does, for one API."""

    def __init__(self, url, folder):
        self.folder = folder
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("JOBS_API_")}
        self.environ |= {"JOBS_API_URL": url, "PYTHONPATH": str(ROOT), "COLUMNS": "120", "TZ": "Asia/Tokyo"}

    def start(self, *words, **options):
        return subprocess.Popen(
            [sys.executable, "-m", "cli", *words],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def __call__(self, *words, status=0, stdin=""):
        """Return what the command prints; ``error`` is what standard error got."""
        with self.start(*words, stdin=subprocess.PIPE) as process:
            output, self.error = process.communicate(stdin, TIMEOUT)
        assert process.returncode == status, (words, output, self.error)
        return output

    def json(self, *words, **options):
        return json.loads(self(*words, "--json", **options))


class OwnApi:
    """The API on one port, which can be killed and started again."""

    def __init__(self, start, **settings):
        self._settings = settings
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._start = start
        self.start()

    def start(self):
        self._process = self._start(*GUNICORN, API_PORT=self.port, **self._settings).process
        with Client(self.url, retry_seconds=0) as api:
            eventually(lambda: _answers(api))

    def kill(self):
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(TIMEOUT)


def _answers(api):
    try:
        return api.request("GET", "/ready")
    except ApiError:
        return None


@pytest.fixture
def shell(live, shared_api, tmp_path):
    return Shell(shared_api.url, tmp_path)


def test_the_tour(shell, start_worker, tmp_path):
    # Given a worker and a sample
    start_worker(1)
    sample = str(ROOT / "samples" / "earthquakes.csv")

    # When a user loads it, submits a job and waits for it
    assert shell("load", "-", stdin=Path(sample).read_text()).startswith("1,707 records, identified by id")
    assert shell.json("load", sample, "--dry-run")["count"] == 1707
    number = shell("submit", "groups", "-p", "by=network", "-p", "column=magnitude", "--wait").strip()

    # Then the job and its results are there, for humans and for programs
    assert shell.error.splitlines()[-1] == f"groups {number[:8]}: complete, 100%"
    assert "297" in shell("results", number, "--save", "out")
    assert (tmp_path / "out" / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert shell("results", number, "--artifact", "table.csv") == (tmp_path / "out" / "table.csv").read_text()
    [listed] = shell.json("list", "--analysis", "groups")
    assert listed == shell.json("show", number[:6])
    # and times are those of this machine's zone, or RFC 3339
    hour = f"{(int(listed['created'][11:13]) + 9) % 24:02}"
    assert f" {hour}:" in shell("list", "--status", "complete")
    assert listed["created"].endswith("Z")

    # And a job that fails is status 1, with the reason
    assert shell("submit", "sleep", "-p", "seconds=30", "--timeout", "0.2", "--max-attempts", "1", "-w", status=1)
    assert "failed: " in shell.error
    shell("results", shell.json("list", "--status", "failed")[0]["id"], status=3)
    assert "409: " in shell.error


def test_a_log_is_followed_and_a_running_job_cancelled(shell, start_worker):
    start_worker(1)
    number = shell("submit", "sleep", "-p", "seconds=60").strip()
    with shell.start("logs", "-f", number, "--json") as follower, shell.start("wait", number[:8]) as waiter:
        eventually(lambda: shell.json("show", number)["status"] == "in progress", every=0.2)
        assert shell("cancel", number) == f"{number}\n"
        assert waiter.wait(TIMEOUT) == 1
        assert follower.wait(TIMEOUT) == 0
        for line in follower.stdout:
            assert json.loads(line)["job"] == number
        assert waiter.stdout.read() == f"{number} cancelled\n"


def test_many_that_match_are_cancelled_retried_and_deleted(shell):
    # Given more jobs than one request acts on
    with Client(shell.environ["JOBS_API_URL"]) as api:
        api.submit([{"analysis": "sleep", "tags": ["many"]}] * 1500)
    shell("submit", "sleep")
    # when all that match are cancelled, submitted again, cancelled and deleted
    many = {"matched": 1500, "done": 1500, "skipped": 0}
    assert shell.json("cancel", "--all", "--tag", "many") == many
    assert shell.json("retry", "--all", "--tag", "many", "--status", "cancelled") == many
    assert shell("cancel", "--all", "--status", "submitted") == "1,501 matched, 1,501 cancelled, 0 skipped\n"
    assert shell.json("delete", "--all", "--status", "cancelled")["done"] == 3001
    # then none is left
    assert shell.json("list") == []


def test_the_key_of_the_environment_is_sent(start, tmp_path):
    # Given an API that wants a key, of a role that only reads
    digest = hashlib.sha256(b"sesame").hexdigest()
    (tmp_path / "keys").write_text(f"ann read {digest}\n")
    (tmp_path / "keys").chmod(0o600)
    api = OwnApi(start, API_KEYS_FILE=tmp_path / "keys")
    shell = Shell(api.url, tmp_path)
    # when there is none, or one with too small a role, then the reason is printed
    shell("list", status=3)
    assert "401: " in shell.error
    shell.environ["JOBS_API_KEY"] = "sesame"
    assert shell.json("list") == []
    shell("submit", "sleep", status=3)
    assert "403: " in shell.error
    assert "sesame" not in shell.error


def test_a_wait_outlives_a_restart_of_the_api(start, start_worker, tmp_path):
    # Given a wait for a job
    start_worker(1)
    api = OwnApi(start)
    shell = Shell(api.url, tmp_path)
    number = shell("submit", "sleep", "-p", "seconds=4").strip()
    with shell.start("wait", number) as waiter:
        assert "in progress" in waiter.stderr.readline() + waiter.stderr.readline()
        # when the API is killed and started again
        api.kill()
        api.start()
        # then the wait goes on
        output, _ = waiter.communicate(timeout=TIMEOUT)
    assert (waiter.returncode, output) == (0, f"{number} complete\n")


@pytest.mark.long
def test_an_api_that_stays_away_is_status_4_and_what_it_held_is_not_lost(start, tmp_path):
    api = OwnApi(start)
    shell = Shell(api.url, tmp_path)
    number = shell("submit", "sleep").strip()
    api.kill()
    began = time.monotonic()
    shell("show", number, status=4)
    assert time.monotonic() - began < 30
    assert "does not answer" in shell.error
    api.start()
    assert shell.json("show", number)["status"] == "submitted"


@pytest.mark.parametrize("words", [["wait"], pytest.param(["logs", "-f"], marks=pytest.mark.long)])
def test_ctrl_c_is_quiet(shell, words):
    number = shell("submit", "sleep").strip()
    with shell.start(*words, number) as process:
        if words == ["wait"]:
            process.stderr.readline()
        else:
            time.sleep(2)  # nothing is printed that could be waited for
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert "Error" not in error


def test_a_reader_that_goes_away_is_quiet(shell):
    shell("load", str(ROOT / "samples" / "earthquakes.csv"))
    with shell.start("data", "--format", "csv") as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(TIMEOUT) == 141


def test_colours_are_for_terminals_that_want_them(shell):
    number = shell("submit", "sleep").strip()
    shell("cancel", number)
    assert "\x1b" not in shell("list")
    assert "\x1b[" in _on_terminal(shell, {"NO_COLOR": ""}, "list")
    plain = _on_terminal(shell, {"NO_COLOR": "1"}, "list")
    assert number[:8] in plain
    assert "\x1b[3" not in plain  # no colour


def test_q_ends_top_and_the_terminal_is_as_before(shell):
    shell("submit", "sleep")
    ours, theirs = pty.openpty()
    environ = shell.environ | {"TERM": "xterm"}
    words = [sys.executable, "-m", "cli", "top", "--interval", "0.2"]
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, env=environ) as process:
        seen = b""
        while b"1 waiting" not in seen:
            seen += os.read(ours, 65536)
        os.write(ours, b"q")
        assert process.wait(TIMEOUT) == 0
    seen += os.read(ours, 65536)
    assert seen.count(b"\x1b[?1049h") == seen.count(b"\x1b[?1049l") == 1  # the other screen was left
    os.close(theirs)
    os.close(ours)


def _on_terminal(shell, environ, *words):
    """Return what a command prints on a terminal."""
    ours, theirs = pty.openpty()
    environ = {name: value for name, value in (shell.environ | {"TERM": "xterm"} | environ).items() if value}
    with subprocess.Popen([sys.executable, "-m", "cli", *words], stdin=theirs, stdout=theirs, env=environ) as process:
        assert process.wait(TIMEOUT) == 0
    os.close(theirs)
    parts = []
    try:
        while part := os.read(ours, 65536):
            parts.append(part)
    except OSError:  # the end, on Linux
        pass
    os.close(ours)
    return b"".join(parts).decode()


@pytest.mark.parametrize("options", [(), ("--editable",)])
def test_the_package_has_a_jobs_command_that_works_outside_the_tree(shell, tmp_path, options):
    # Given an environment without network that sees the packages of this one
    folder = tmp_path / "venv"
    _uv("venv", "--python", sys.executable, "--system-site-packages", folder)
    python = folder / "bin" / "python"
    [packages] = (folder / "lib").glob("python*/site-packages")
    (packages / "shared.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")

    # When the package is installed
    _uv("pip", "install", "--python", python, "--no-deps", *options, ROOT)

    # Then its command works anywhere
    environ = {name: value for name, value in shell.environ.items() if name != "PYTHONPATH"}
    words = [folder / "bin" / "jobs", "list", "--json"]
    done = subprocess.run(words, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=TIMEOUT, check=True)
    assert json.loads(done.stdout) == []


def test_the_wheel_has_the_client_and_the_command_line_alone(tmp_path):
    _uv("build", "--wheel", "--out-dir", tmp_path, ROOT)
    [path] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        [metadata] = [wheel.read(name).decode() for name in names if name.endswith("METADATA")]
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == {"client", "cli"}
    assert "client/py.typed" in names
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in project["optional-dependencies"]["cli"]:
        assert f"Requires-Dist: {requirement.split('>')[0]}" in metadata


def _uv(*words):
    done = subprocess.run(
        [UV, *words, "--offline", "--quiet"], capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert done.returncode == 0, done.stderr
