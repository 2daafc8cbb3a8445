"""The compose file on a real container engine."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from typing import Any

import httpx

from tests.conftest import ROOT, eventually, free_port

__all__ = ["Compose", "docker", "is_well"]


def docker(*words: str, check: bool = True) -> str:
    """Run a docker command and return its output."""
    run = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=300)
    assert not check or run.returncode == 0, f"docker {' '.join(words)}: {run.stderr}"
    return run.stdout.strip()


def is_well(container: str) -> bool:
    """Return whether the container's health check passes."""
    return docker("inspect", "--format", "{{.State.Health.Status}}", container) == "healthy"


class Compose:
    """One project of the compose file; ``settings`` are added to its environment."""

    def __init__(self, name: str, **settings: str) -> None:
        self.name = name
        self.port = free_port()
        self.program = shlex.join(_program())
        # The engine may have no network for builds.
        self.environ = {**os.environ, "BUILD_NETWORK": "host", "API_PORT": str(self.port), **settings}
        self.api = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=90, trust_env=False)

    def __call__(self, *words: str) -> str:
        """Run a compose command, with Compose v2 or docker-compose, and return its output."""
        run = subprocess.run(
            [*_program(), "--project-name", self.name, *words],
            cwd=ROOT,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert run.returncode == 0, f"{words}: {run.stdout[-2000:]}{run.stderr[-4000:]}"
        return run.stdout

    def up(self, *options: str) -> None:
        """Start the containers and wait until the API is ready and every container is healthy."""
        self("up", "--detach", *options)
        eventually(self.is_ready, 120)
        self.api.headers["Authorization"] = f"Bearer {self.key()}"
        eventually(lambda: all(is_well(c) for c in self.containers()), 120, every=0.5)

    def key(self) -> str:
        """Return the key that was made at the first start."""
        return self("run", "--rm", "--no-deps", "-T", "password", "cat", "/secrets/admin-key").strip()

    def is_ready(self) -> bool:
        try:
            return self.api.get("/ready").status_code == 200
        except httpx.TransportError:
            return False

    def containers(self, service: str | None = None) -> list[str]:
        """Return the ids of the running containers."""
        labels = [f"label=com.docker.compose.project={self.name}"]
        labels += [f"label=com.docker.compose.service={service}"] if service else []
        return docker("ps", "--quiet", *(word for label in labels for word in ("--filter", label))).split()

    def charged(self) -> list[str]:
        """Return the ids of the jobs that were charged an attempt."""
        find = (
            "local found = {} for _, name in ipairs({'jobs', 'jobs.complete', 'jobs.failed', 'jobs.cancelled'}) do "
            "for _, id in ipairs(redis.call('ZRANGE', name, 0, -1)) do "
            "if tonumber(redis.call('HGET', 'job.' .. id, 'charged') or 0) > 0 then found[#found + 1] = id end end end "
            "return found"
        )
        read = 'REDISCLI_AUTH="$(cat /secrets/redis-password)" redis-cli --raw eval "$1" 0'
        [container] = self.containers("redis")
        return docker("exec", container, "sh", "-c", read, "sh", find).split()

    def inspect(self, container: str) -> dict[str, Any]:
        abouts: list[dict[str, Any]] = json.loads(docker("inspect", container))
        return abouts[0]


def _program() -> list[str]:
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        return ["docker", "compose"]
    program = shutil.which("docker-compose")
    assert program, "there is neither Compose v2 nor docker-compose"
    return [program]
