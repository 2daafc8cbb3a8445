"""The probes of Redis against a real server: Kubernetes restarts one that does not respond, and no other."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess

import pytest
import redis

from tests.conftest import Server, eventually
from tests.manifests.rendered import of_kind, rendered


class Probes:
    """Runs the probes of the container against a server with a password."""

    def __init__(self, server: Server) -> None:
        if shutil.which("redis-cli") is None:
            missing = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
            missing("no redis-cli: install Debian's package redis-tools")
        pod = of_kind(rendered("prod"), "StatefulSet")["redis"]["spec"]["template"]["spec"]
        self._container = pod["containers"][0]
        self._port = server.port
        self.password = "secret"

    def _passes(self, kind: str) -> bool:
        probe = self._container[f"{kind}Probe"]
        line = probe["exec"]["command"][-1].replace("redis-cli", f"redis-cli -p {self._port}")
        line = line.replace("$(cat /secrets/redis-password)", self.password)
        try:
            return subprocess.run(["sh", "-c", line], timeout=probe["timeoutSeconds"]).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def __call__(self) -> tuple[bool, bool]:
        """Return whether it is alive, and whether it is ready."""
        return self._passes("liveness"), self._passes("readiness")


@pytest.fixture
def server(tmp_path):
    running = Server(tmp_path, "--requirepass", "secret")
    yield running
    running.process.send_signal(signal.SIGCONT)
    running.stop(signal.SIGKILL)


@pytest.fixture
def probes(server):
    return Probes(server)


@pytest.fixture
def client(server):
    return redis.Redis(port=server.port, password="secret")


def test_a_server_that_answers_is_alive_and_ready(probes):
    assert probes() == (True, True)


def test_a_server_that_is_frozen_or_gone_is_neither(server, probes):
    server.process.send_signal(signal.SIGSTOP)
    assert probes() == (False, False)
    server.process.send_signal(signal.SIGCONT)
    server.stop(signal.SIGKILL)
    assert probes() == (False, False)


def test_with_a_full_disk_it_is_not_restarted_and_answers_reads(server, client, probes):
    # Given a server that cannot write its log
    used = client.info("persistence")["aof_current_size"]
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (max(1, used), resource.RLIM_INFINITY))

    def rejects_writes() -> bool:
        try:
            client.set("more", 1)
        except redis.ResponseError as error:
            return "MISCONF" in str(error)
        return False

    eventually(rejects_writes)

    assert probes() == (True, True)


def test_with_too_many_connections_it_is_not_restarted(client, probes):
    client.config_set("maxclients", 1)
    assert probes() == (True, False)


def test_with_another_password_it_is_not_restarted(probes):
    probes.password = "replaced"
    assert probes() == (True, False)
