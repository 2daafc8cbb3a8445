"""The services on their hosts: Redis with Sentinels, the API and workers, with passwords, keys and TLS."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import redis

from benchmarks.cluster.certificates import AUTHORITY, issue, make_authority
from benchmarks.cluster.hosts import FOLDER, Host, set_up_network
from benchmarks.harness import ROOT
from client import ApiError, Client
from config.api_keys import Role
from config.settings import load, redis_auth_settings
from jobstore import RedisAuth, RedisError, open_client
from ops.keys import add_key
from ops.password import ensure_password

__all__ = ["CHILDREN", "Cluster", "NotReached", "eventually"]

CHILDREN = 4
_MASTER = "jobs"
_API_PORT, _REDIS_PORT, _SENTINEL_PORT = 5000, 6379, 26379
_START_SECONDS = 60.0
_KEYS = FOLDER / "api-keys"
_SERVER = """\
bind {host.address}
dir {host.folder}
port 0
tls-port {port}
tls-replication yes
tls-ca-cert-file {shared}/{authority}
tls-cert-file {shared}/{host.name}.crt
tls-key-file {shared}/{host.name}.key
requirepass {password}
"""
_REDIS = """\
masterauth {password}
appendonly yes
save ""
repl-diskless-sync-delay 0
min-replicas-to-write 1
min-replicas-max-lag 2
"""
_SENTINEL = """\
sentinel sentinel-pass {password}
sentinel monitor {master} {first} 6379 2
sentinel auth-pass {master} {of_redis}
sentinel down-after-milliseconds {master} 3000
sentinel failover-timeout {master} 10000
"""


class NotReached(Exception):
    """Something did not happen in time."""


def eventually(what: str, condition: Callable[[], Any], seconds: float = _START_SECONDS) -> Any:
    """Return the first true value of a condition; while its services do not answer, it is not true.

    :raises NotReached: it is not true in time.
    """
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        try:
            if value := condition():
                return value
        except (ApiError, RedisError):
            pass
        time.sleep(0.05)
    raise NotReached(f"{what}: not within {seconds:g} s")


class Cluster:
    """Three Redis hosts with Sentinels, two API hosts and four worker hosts; this process is on the client's host."""

    def __init__(self, lease_seconds: float) -> None:
        own_address = set_up_network()
        self.redis = [Host(f"redis-{n}", 10 + n) for n in (1, 2, 3)]
        self.apis = [Host(f"api-{n}", 20 + n) for n in (1, 2)]
        self.workers = [Host(f"worker-{n}", 30 + n) for n in (1, 2, 3, 4)]
        self.hosts = [*self.redis, *self.apis, *self.workers]
        self._lease_seconds = lease_seconds
        make_authority(FOLDER)
        for name, address in [("client", own_address), *((host.name, host.address) for host in self.hosts)]:
            issue(FOLDER, name, address)
        for kind in ("redis", "sentinel"):
            ensure_password(_password_file(kind), 0o400)
        self._key = add_key(_KEYS, "load", Role.ADMIN)
        self._auth = RedisAuth(**redis_auth_settings(load(self._redis_settings("client"))))

    def start(self) -> None:
        """Start Redis, the Sentinels and the API, and wait until all of them are ready."""
        first, *others = self.redis
        self._start_server(first, "redis", _REDIS_PORT, _REDIS)
        for host in others:
            self._start_server(host, "redis", _REDIS_PORT, f"{_REDIS}replicaof {first.address} {_REDIS_PORT}\n")
        # Before the Sentinels start: they ask for replicas every 10 s.
        eventually("all replicas are in sync", lambda: self.count_replicas(first.address) == len(others))
        for host in self.redis:
            self._start_server(host, "sentinel", _SENTINEL_PORT, _SENTINEL)
        for host in self.apis:
            self.start_api(host)
        for host in self.redis:
            eventually(f"the Sentinel of {host.name} knows all others", partial(self._knows_all, host))
        for host in self.apis:
            with self.client(host) as client:
                eventually(f"{host.name} is ready", partial(client.request, "GET", "/ready"))

    def start_api(self, host: Host) -> None:
        """Start the API on a host."""
        own = {"API_HOST": host.address, "API_PORT": str(_API_PORT), "API_PROCESSES": "1", "API_KEYS_FILE": str(_KEYS)}
        words = ["-m", "gunicorn", "--config", "python:web.server.gunicorn_conf", "api:create_app()"]
        host.start(sys.executable, *words, **self._redis_settings(host.name), **own, ALLOWED_HOSTS=host.address)

    def start_workers(self, *hosts: Host) -> None:
        """Start a worker on each of these hosts, and wait until each child has had a job: this needs a load."""
        for host in hosts:
            self.start_worker(host)
        busy: dict[str, str] = {}
        with self.client(self.apis[-1]) as client:

            def all_work() -> bool:
                busy.update({worker["id"]: worker["host"] for worker in client.workers() if worker["job"]})
                return all(list(busy.values()).count(host.name) == CHILDREN for host in hosts)

            eventually("all children of the workers have jobs", all_work)

    def start_worker(self, host: Host) -> None:
        """Start a worker on a host."""
        own = {"LEASE_SECONDS": str(self._lease_seconds), "STANDBY_CHILDREN": "0", "WORKERS": str(CHILDREN)}
        # All hosts share this machine's cores: the start of one takes them from all others.
        host.start("nice", "-n", "5", sys.executable, "worker.py", **self._redis_settings(host.name), **own)

    def client(self, host: Host, timeout: float = 3.0) -> Client:
        """Return a client of the API of one host, which repeats nothing by itself."""
        return Client(f"http://{host.address}:{_API_PORT}", self._key, timeout=timeout, retry_seconds=0)

    def master(self, seen_by: Host) -> str:
        """Return the address of the master according to the Sentinel of a host."""
        return str(self._ask_sentinel(seen_by)["ip"])

    def count_replicas(self, address: str) -> int:
        """Return the number of replicas that are in sync with the master at this address."""
        with self._connect(address, _REDIS_PORT) as server:
            info: dict[str, Any] = server.info("replication")
        return sum(isinstance(each, dict) and each.get("state") == "online" for each in info.values())

    def check(self) -> tuple[bool, str]:
        """Return whether all invariants hold, and the last line of ``make check``."""
        words, environ = [sys.executable, "-m", "ops.invariants"], {**os.environ, **self._redis_settings("client")}
        done = subprocess.run(words, cwd=ROOT, env=environ, capture_output=True, text=True)
        return done.returncode == 0, (done.stdout + done.stderr).strip().rpartition("\n")[2]

    def _start_server(self, host: Host, kind: str, port: int, more: str) -> None:
        config = host.folder / f"{kind}.conf"
        password, of_redis = (_password_file(each).read_text() for each in (kind, "redis"))
        server = {"host": host, "port": port, "shared": FOLDER, "authority": AUTHORITY, "password": password}
        first = self.redis[0].address
        config.write_text((_SERVER + more).format(**server, of_redis=of_redis, master=_MASTER, first=first))
        host.start("redis-server", str(config), *(["--sentinel"] if kind == "sentinel" else []))

    def _redis_settings(self, name: str) -> dict[str, str]:
        return {
            "LOG_LEVEL": "WARNING",
            "REDIS_CA_FILE": str(FOLDER / AUTHORITY),
            "REDIS_CERT_FILE": str(FOLDER / f"{name}.crt"),
            "REDIS_KEY_FILE": str(FOLDER / f"{name}.key"),
            "REDIS_PASSWORD_FILE": str(_password_file("redis")),
            "REDIS_SENTINELS": ",".join(f"{host.address}:{_SENTINEL_PORT}" for host in self.redis),
            "REDIS_SENTINEL_MASTER": _MASTER,
            "REDIS_SENTINEL_PASSWORD_FILE": str(_password_file("sentinel")),
            "REDIS_TLS": "yes",
        }

    def _connect(self, address: str, port: int) -> redis.Redis:
        file = _password_file("sentinel" if port == _SENTINEL_PORT else "redis")
        return open_client(address, port, 0, auth=replace(self._auth, sentinels=(), password_file=str(file)))

    def _ask_sentinel(self, host: Host) -> dict[str, Any]:
        with self._connect(host.address, _SENTINEL_PORT) as sentinel:
            masters: Any = sentinel.sentinel_masters()
        return dict(masters[_MASTER])

    def _knows_all(self, host: Host) -> bool:
        known = self._ask_sentinel(host)
        return (known["num-slaves"], known["num-other-sentinels"]) == (2, 2)


def _password_file(kind: str) -> Path:
    return FOLDER / f"{kind}-password"
