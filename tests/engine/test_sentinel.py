"""The component `sentinel` on an engine: its scripts, three Redis servers and three Sentinels."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, eventually
from tests.engine.stack import docker
from tests.manifests.rendered import of_kind, rendered

SERVICE, REDIS = "dataset-jobs:0.1.0", "redis:7-bookworm"
SCRIPTS = ROOT / "kubernetes" / "components" / "sentinel"
NAME = "dataset-jobs-sentinel"
CONNECT = "import jobs; from config.settings import load; jobs.connect(load())"
ADD = f"""
{CONNECT}
try:
    print(jobs.add_job(None, None, "sleep")["id"])
except jobs.RedisError:
    pass
"""
SENTINELS = ",".join(f"redis-{n}.redis:26379" for n in range(3))


class Pods:
    """The containers that the StatefulSet would run."""

    def __init__(self, secrets: Path) -> None:
        self._secrets = secrets

    def start(self, n: int, *, alone: bool = False) -> None:
        """Start a Redis and its Sentinel; ``alone`` as the base does, without one."""
        shared = f"--read-only --tmpfs /tmp --cap-drop ALL --user 10999:10999 --volume {NAME}-{n}:/data".split()
        shared += ["--volume", f"{self._secrets}:/secrets:ro", "--volume", f"{SCRIPTS}:/scripts:ro"]
        place = f"--name {NAME}-redis-{n} --hostname redis-{n} --network {NAME} --network-alias redis-{n}.redis".split()
        maximum = ["--env", "REDIS_MAXMEMORY=64mb"]
        pod = of_kind(rendered("prod", "" if alone else "sentinel"), "StatefulSet")["redis"]["spec"]["template"]["spec"]
        docker("run", "--detach", *place, *maximum, *shared, REDIS, *pod["containers"][0]["command"])
        if alone:
            return
        beside = ["--name", f"{NAME}-sentinel-{n}", "--network", f"container:{NAME}-redis-{n}"]
        docker("run", "--detach", *beside, *shared, REDIS, "sh", "/scripts/sentinel.sh")

    def kill(self, n: int) -> None:
        docker("rm", "--force", f"{NAME}-sentinel-{n}", f"{NAME}-redis-{n}", check=False)

    def master(self) -> int | None:
        """Return the number of the master once all running Sentinels agree."""
        named = set()
        for container in docker("ps", "--filter", f"name={NAME}-sentinel-", "--format", "{{.Names}}").split():
            ask = 'REDISCLI_AUTH="$(cat /secrets/redis-password)" redis-cli -p 26379 --raw "$@"'
            words = ["sentinel", "get-master-addr-by-name", "jobs"]
            named.add(docker("exec", container, "sh", "-c", ask, "sh", *words, check=False).split("\n")[0])
        [one] = named if len(named) == 1 else [""]
        return int(one.removeprefix("redis-").removesuffix(".redis")) if one.startswith("redis-") else None

    def replicas(self) -> int:
        """Return the number of replicas that are in sync with the master."""
        n = self.master()
        if n is None:
            return 0
        ask = 'REDISCLI_AUTH="$(cat /secrets/redis-password)" redis-cli info replication'
        return docker("exec", f"{NAME}-redis-{n}", "sh", "-c", ask, check=False).count("state=online")

    def redis(self, n: int, *words: str, port: int = 6379) -> str:
        """Run redis-cli in a pod."""
        ask = f'REDISCLI_AUTH="$(cat /secrets/redis-password)" redis-cli -p {port} "$@"'
        return docker("exec", f"{NAME}-redis-{n}", "sh", "-c", ask, "sh", *words, check=False)

    def writable(self) -> list[int]:
        """Return the numbers of the servers that accept writes."""
        return [n for n in range(3) if self.redis(n, "set", "written", "1") == "OK"]

    def run(self, code: str) -> str:
        """Run Python code that imports `jobs`, with Redis found through the Sentinels; return its output."""
        words = f"run --rm --network {NAME} --read-only --tmpfs /tmp --volume {self._secrets}:/secrets:ro".split()
        settings = {
            "REDIS_PASSWORD_FILE": "/secrets/redis-password",
            "REDIS_SENTINELS": SENTINELS,
            "REDIS_SENTINEL_MASTER": "jobs",
            "REDIS_SENTINEL_PASSWORD_FILE": "/secrets/redis-password",
        }
        words += [word for name, value in settings.items() for word in ("--env", f"{name}={value}")]
        return docker(*words, SERVICE, "python", "-c", code)

    def add_job(self) -> str:
        """Return the id of a new job, once it is accepted: a new master rejects writes until it has a replica."""
        accepted: str = eventually(lambda: self.run(ADD), 60, every=1)
        return accepted


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    folder = tmp_path_factory.mktemp("secrets")
    for parent in (folder, *folder.parents):
        if parent.name.startswith("pytest-") or parent == folder:
            parent.chmod(0o755)
    (folder / "redis-password").write_text("a-password-for-this-test")
    running = Pods(folder)
    _create(running)
    for n in range(3):
        running.start(n)
    yield running
    _remove(running)


def _create(pods: Pods) -> None:
    """Create the network and an empty volume for each of the pods, of which none runs."""
    _remove(pods)
    docker("network", "create", NAME)
    for n in range(3):
        docker("volume", "create", f"{NAME}-{n}")
        own = ["--volume", f"{NAME}-{n}:/data", "--user", "0"]
        # As fsGroup does; an empty volume would get the image's owner again.
        docker("run", "--rm", *own, REDIS, "sh", "-c", "touch /data/mounted && chown -R 10999:10999 /data")


def _remove(pods: Pods) -> None:
    for n in range(3):
        pods.kill(n)
        docker("volume", "rm", f"{NAME}-{n}", check=False)
    docker("network", "rm", NAME, check=False)


def test_another_one_becomes_the_master_and_all_know_it_after_a_restart_of_all(pods):
    # Given three servers in sync
    eventually(lambda: pods.replicas() == 2, 90, every=1)
    assert pods.master() == 0
    made = pods.add_job()

    # When the master dies, another server takes over with the same data
    pods.kill(0)
    eventually(lambda: pods.master() in (1, 2), 90, every=1)
    second = pods.master()
    assert pods.run(f"{CONNECT}; print(jobs.get_job_by_id('{made}')['status'])") == "submitted"
    later = pods.add_job()

    # And when it returns, it is a replica
    pods.start(0)
    eventually(lambda: pods.replicas() == 2, 90, every=1)
    assert pods.master() == second

    # And when all are restarted, the master is still the master
    for n in range(3):
        pods.kill(n)
    for n in range(3):
        pods.start(n)
    eventually(lambda: pods.replicas() == 2, 90, every=1)
    assert pods.master() == second
    assert pods.run(f"{CONNECT}; print(jobs.get_job_by_id('{later}')['status'])") == "submitted"


def test_a_master_that_returns_at_once_is_not_a_second_one(pods):
    # Given three servers that have been in sync for longer than the Sentinels take to notice an absence
    eventually(lambda: pods.replicas() == 2, 90, every=1)
    time.sleep(15)
    first = pods.master()
    assert pods.writable() == [first]

    # When the master is removed, and started again at once
    pods.kill(first)
    pods.start(first)
    accepting: list[list[int]] = []

    def in_sync() -> bool:
        accepting.append(pods.writable())
        return pods.replicas() == 2

    eventually(in_sync, 90, every=0.5)

    # Then another server is the master, and no two accepted writes at the same time
    assert pods.master() != first
    assert max(len(numbers) for numbers in accepting) == 1

    # And when its replicas are lost, it rejects writes too
    alone = pods.master()
    for n in {0, 1, 2} - {alone}:
        pods.kill(n)
    eventually(lambda: pods.writable() == [], 30, every=1)


def test_sentinels_are_added_to_a_running_redis_and_taken_out_and_the_data_stays(pods):
    # Given one Redis as in the base
    _create(pods)
    pods.start(0, alone=True)
    eventually(lambda: pods.redis(0, "set", "before", "1") == "OK", 30)

    # When the component is added: two more start, and once they have the data, the first is replaced
    pods.start(1)
    pods.start(2)
    eventually(lambda: pods.redis(0, "info", "replication").count("state=online") == 2, 60, every=1)
    pods.kill(0)
    pods.start(0)
    eventually(lambda: pods.replicas() == 2, 90, every=1)
    assert pods.redis(pods.master(), "get", "before") == "1"
    assert pods.redis(pods.master(), "set", "with", "2") == "OK"

    # and when it is taken out, after the first pod has become the master
    if pods.master() != 0:
        assert pods.redis(0, "sentinel", "failover", "jobs", port=26379) == "OK"
    eventually(lambda: pods.master() == 0 and pods.replicas() == 2, 90, every=1)
    for n in range(3):
        pods.kill(n)
    pods.start(0, alone=True)

    # then it has everything, and accepts writes alone
    eventually(lambda: pods.redis(0, "set", "after", "3") == "OK", 30)
    assert [pods.redis(0, "get", name) for name in ("before", "with")] == ["1", "2"]
