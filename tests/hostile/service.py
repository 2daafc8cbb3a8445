"""The service under attack: the API under a memory limit, with a Redis and a worker outside of the limit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import redis

from tests.conftest import ROOT, Server, free_port
from tests.hostile.client import Client
from tests.hostile.limit import Limit

__all__ = ["Service"]

_START_SECONDS = 60.0
_QUICK_ANSWERS, _QUICK_SECONDS = 5, 0.1
_SETTINGS = {"MAX_QUEUED_JOBS": "100000", "LOG_LEVEL": "WARNING", "WORKERS": "1", "STANDBY_CHILDREN": "0"}


class Service:
    """Starts the service with one added analysis; ``client`` sends requests to the API."""

    def __init__(self, limit: Limit, folder: Path) -> None:
        self.limit = limit
        self.folder = folder
        self._code = _with_bulky_analysis(folder / "code")
        (folder / "redis").mkdir()
        self.server = Server(folder / "redis")
        self.redis = redis.Redis(port=self.server.port)
        self.client = Client(free_port())
        self._api: subprocess.Popen[bytes] | None = None
        self._worker = self._start([sys.executable, "worker.py"], "worker")
        self.revive()

    def revive(self) -> None:
        """Start the API if it is not running, and wait until it is ready and idle.

        :raises RuntimeError: if it does not become ready.
        """
        give_up = time.monotonic() + _START_SECONDS
        quiet = Client(self.client.port)
        quick = 0
        while quick < _QUICK_ANSWERS:
            answer = quiet.ask("/ready", timeout=5)
            quick = quick + 1 if answer.status == 200 and answer.seconds < _QUICK_SECONDS else 0
            if self._api is None or self._api.poll() is not None:
                words = [
                    "-m",
                    "gunicorn",
                    "--config",
                    "python:web.server.gunicorn_conf",
                    "api:create_app()",
                ]
                self._api = self._start(self.limit.words([sys.executable, *words]), "api")
            if time.monotonic() > give_up:
                raise RuntimeError(f"the API does not become ready; see {self.folder}/api.log")
            time.sleep(0.05)

    def empty(self) -> None:
        """Remove all data and jobs; the worker registers again by itself."""
        self.redis.flushall()

    def api_pids(self) -> list[int]:
        """Return the API's serving processes: the children of the started one."""
        assert self._api is not None
        try:
            return [int(pid) for pid in _children(self._api.pid)]
        except OSError:
            return []

    def resident(self) -> int:
        """Return the resident bytes of the API and its descendants that are not backed by files."""
        assert self._api is not None
        return _private(self._api.pid)

    def freeze_redis(self, seconds: float) -> None:
        """Stop Redis for ``seconds`` in the background."""
        pid = self.server.process.pid
        os.kill(pid, signal.SIGSTOP)
        subprocess.Popen(["/bin/sh", "-c", f"sleep {seconds}; kill -CONT {pid}"])

    def stop(self) -> None:
        """End all processes."""
        self.server.process.send_signal(signal.SIGCONT)
        for process in (self._worker, self._api):
            if process is not None and process.poll() is None:
                process.terminate()
        for process in (self._worker, self._api):
            if process is not None:
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self.redis.close()
        self.server.stop()

    def _start(self, words: list[str], log: str) -> subprocess.Popen[bytes]:
        environ: dict[str, Any] = {**os.environ, **_SETTINGS, "REDIS_IP": "127.0.0.1"}
        # Otherwise Python would resolve the link and import from the original folder.
        environ |= {"PYTHONPATH": str(self._code), "PYTHONSAFEPATH": "1"}
        environ |= {"REDIS_PORT": str(self.server.port), "API_PORT": str(self.client.port)}
        with (self.folder / f"{log}.log").open("ab") as out:
            return subprocess.Popen(words, cwd=self._code, env=environ, stdout=out, stderr=out)


def _with_bulky_analysis(folder: Path) -> Path:
    """Create a folder with this project's code and one added analysis."""
    (folder / "analyses").mkdir(parents=True)
    for source in ROOT.iterdir():
        if source.name != "analyses" and not source.name.startswith("."):
            (folder / source.name).symlink_to(source)
    for source in [*(ROOT / "analyses").iterdir(), Path(__file__).parent / "analyses" / "bulky.py"]:
        if source.name != "__pycache__":
            (folder / "analyses" / source.name).symlink_to(source)
    return folder


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def _private(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        kib = sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon:", "RssShmem:")))
        return kib * 1024 + sum(_private(int(child)) for child in _children(pid))
    except OSError:
        return 0
