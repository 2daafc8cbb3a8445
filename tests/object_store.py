"""An S3 server of this machine: moto's, from an environment of its own (`make test` installs it)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.conftest import ROOT, eventually, free_port

__all__ = ["s3_server"]

_PROGRAM = ROOT / ".venv-object-store" / "bin" / "moto_server"


@contextmanager
def s3_server(bucket: str) -> Iterator[dict[str, str]]:
    """Run a server with an empty bucket, and return the environment by which clients reach it."""
    if not _PROGRAM.exists():
        message = f"{_PROGRAM.relative_to(ROOT)} is missing: make test installs it"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        [_PROGRAM, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            eventually(lambda: _creates(f"{url}/{bucket}"), 60)
            yield {
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_REGION": "us-east-1",
                "AWS_ENDPOINT_URL": url,
                "AWS_ALLOW_HTTP": "true",
            }
        finally:
            server.kill()


def _creates(url: str) -> bool:
    try:
        return httpx.put(url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
