"""The probes: a worker whose loop has stalled is unhealthy, a worker without Redis is healthy."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from ops.health import STALE_SECONDS, main
from runtime.heartbeat_file import HeartbeatFile
from tests.conftest import ROOT, eventually, free_port


def probe(what: str, **settings: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "ops.health", what],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_a_worker_at_work_is_well_and_a_stalled_one_is_not(start_worker, tmp_path, monkeypatch):
    stamp = tmp_path / "stamp"
    worker = start_worker(HEALTH_FILE=stamp)
    assert probe("worker", HEALTH_FILE=str(stamp)).returncode == 0

    # When its supervisor is stopped but its process exists
    os.kill(worker.process.pid, signal.SIGSTOP)
    monkeypatch.setenv("HEALTH_FILE", str(stamp))
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + STALE_SECONDS + 1)

    assert main(["worker"]) == 1
    os.kill(worker.process.pid, signal.SIGCONT)


def test_a_worker_that_waits_for_redis_is_healthy_and_stops_on_sigterm(start, tmp_path):
    stamp = tmp_path / "stamp"
    worker = start("worker.py", HEALTH_FILE=stamp, port=free_port())

    eventually(lambda: stamp.exists() and probe("worker", HEALTH_FILE=str(stamp)).returncode == 0)
    first = stamp.read_text()
    eventually(lambda: stamp.read_text() != first)

    assert worker.stop() == 0


def test_a_worker_that_cannot_stamp_says_so(start, tmp_path):
    worker = start("worker.py", HEALTH_FILE=tmp_path / "nowhere" / "stamp")

    assert worker.process.wait(30) == 1
    assert "HEALTH_FILE=" in worker.log.read_text()


@pytest.mark.parametrize("stamp", ["", "nonsense", f"{9e6:020.3f}", f"{0:020.3f}"])
def test_a_stamp_that_tells_nothing_is_not_well(stamp, tmp_path, monkeypatch, capsys):
    file = tmp_path / "stamp"
    file.write_text(stamp)
    monkeypatch.setenv("HEALTH_FILE", str(file))
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)

    assert main(["worker"]) == 1
    assert "worker" in capsys.readouterr().err


def test_a_stamp_is_renewed_in_place(tmp_path, monkeypatch):
    file = tmp_path / "stamp"
    monkeypatch.setenv("HEALTH_FILE", str(file))
    heartbeat_file = HeartbeatFile(str(file))

    for now in (9.5, 123456.25):
        heartbeat_file.touch(now)
        monkeypatch.setattr(time, "monotonic", lambda now=now: now + 1)
        assert main(["worker"]) == 0


def test_the_api_is_well_without_redis_and_not_when_it_is_gone(start_api, live):
    client = start_api()
    port = str(client.base_url.port)
    assert probe("api", API_PORT=port).returncode == 0

    gone = probe("api", API_PORT=str(free_port()))

    assert gone.returncode == 1
    assert "does not answer" in gone.stderr


@pytest.mark.parametrize("host", ["::1", "[::1]", "::", "localhost"])
def test_the_api_listens_on_any_kind_of_address_and_is_found_there(start, host):
    port = str(free_port())
    start(
        "-m",
        "gunicorn",
        "--config",
        "python:web.server.gunicorn_conf",
        "api:create_app()",
        API_HOST=host,
        API_PORT=port,
    )

    eventually(lambda: probe("api", API_HOST=host, API_PORT=port).returncode == 0)


def test_a_back_up_that_is_late_is_not_well(tmp_path):
    settings = {"BACKUP_DIR": str(tmp_path), "BACKUP_INTERVAL_SECONDS": "3600"}
    assert probe("backup", **settings).returncode == 1

    made = tmp_path / "jobs-20261124T000000Z.rdb"
    made.touch()
    assert probe("backup", **settings).returncode == 0

    long_ago = time.time() - 3 * 3600
    os.utime(made, (long_ago, long_ago))
    assert probe("backup", **settings).returncode == 1
