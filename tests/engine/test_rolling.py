"""Rolling update of API and workers under load in the order of Kubernetes: start a new one, then stop an old one.

The test plays the part of the Service: an old pod still gets requests for a while after it was told to stop, because
every node learns of it late. `preStop` covers this time.
"""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import eventually
from tests.engine.stack import Compose, docker, is_well

IMAGE = "dataset-jobs:0.1.0"
LATE_SECONDS = 1.5  # until the old pod gets no more requests
PRE_STOP_SECONDS = 3.0
DRAIN_SECONDS = 3


class Service:
    """Balances requests round-robin over known endpoints and retries once on another one."""

    def __init__(self, key: str) -> None:
        self._authorization = {"Authorization": f"Bearer {key}"}
        self.endpoints: list[str] = []
        self._turn = itertools.count()
        self._client = httpx.Client(timeout=30, trust_env=False, limits=httpx.Limits(max_connections=50))
        self.retried: list[str] = []

    def ask(self, method: str, path: str, **options: object) -> httpx.Response:
        first = self._try(method, path, **options)
        if isinstance(first, httpx.Response):
            return first
        self.retried.append(f"{method} {path}: {first!r}")
        second = self._try(method, path, **options)
        assert isinstance(second, httpx.Response), f"{method} {path} failed twice: {first!r}, {second!r}"
        return second

    def _try(self, method: str, path: str, **options: object) -> httpx.Response | Exception:
        endpoint = self.endpoints[next(self._turn) % len(self.endpoints)]
        try:
            answer = self._client.request(
                method, f"{endpoint}{path}", headers=_headers(options) | self._authorization, **options
            )
        except httpx.TransportError as error:
            return error
        return answer if answer.status_code < 500 else RuntimeError(f"{answer.status_code}: {answer.text}")

    def close(self) -> None:
        self._client.close()


class Load:
    """Clients that submit and read jobs without pause until they are stopped."""

    def __init__(self, service: Service, clients: int) -> None:
        self.jobs: list[str] = []
        self.failures: list[BaseException] = []
        self._service = service
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._go_on, args=(n,)) for n in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _go_on(self, number: int) -> None:
        for turn in itertools.count():
            if self._over.wait(0.02):
                return
            # Every fifth job of a client takes longer than a worker's drain.
            seconds = DRAIN_SECONDS + 1.5 if number == 0 and turn % 20 == 0 else 0.02
            job = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": seconds}}
            try:
                made = self._service.ask("POST", "/jobs", json=job, key=str(uuid.uuid4()))
                assert made.status_code == 202, made.text
                self.jobs.append(made.json()["id"])
                read = self._service.ask("GET", f"/jobs/{self.jobs[-1]}" if number else "/jobs?limit=5")
                assert read.status_code == 200, read.text
            except (AssertionError, httpx.HTTPError) as error:
                self.failures.append(error)


class Cluster:
    """The network and the Redis of a compose project, with additional pods."""

    def __init__(self, compose: Compose) -> None:
        self.compose = compose
        self.pods: list[str] = []

    def start(self, *command: str) -> str:
        """Start a container as the manifests define it and wait until it is healthy."""
        words = f"run --detach --network {self.compose.name}_default --read-only --tmpfs /tmp --cap-drop ALL".split()
        words += ["--volume", f"{self.compose.name}_secrets:/secrets:ro", "--user", "10001:10001"]
        settings = {"REDIS_IP": "redis", "REDIS_PASSWORD_FILE": "/secrets/redis-password", "WORKERS": "2"}
        settings |= {"DRAIN_SECONDS": str(DRAIN_SECONDS), "LEASE_SECONDS": "10"}
        role = "worker" if "worker.py" in command else "api"
        settings |= {"API_KEYS_FILE": "/secrets/api-keys"} if role == "api" else {}
        words += [word for name, value in settings.items() for word in ("--env", f"{name}={value}")]
        words += ["--health-interval", "1s", "--health-cmd", f"python -m ops.health {role}"]
        pod = docker(*words, IMAGE, *command)
        self.pods.append(pod)
        eventually(lambda: is_well(pod), 60, every=0.3)
        return pod

    def address(self, pod: str) -> str:
        networks = self.compose.inspect(pod)["NetworkSettings"]["Networks"]
        return f"http://{networks[f'{self.compose.name}_default']['IPAddress']}:5000"

    def stop(self, pod: str) -> int:
        """Send SIGTERM, and SIGKILL after the grace period; return the exit status."""
        docker("stop", "--time", "40", pod)
        status: int = self.compose.inspect(pod)["State"]["ExitCode"]
        return status


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    compose = Compose("dataset-jobs-rolling")
    compose("down", "--volumes", "--remove-orphans")
    compose("build", "password")
    compose("up", "--detach", "redis")
    running = Cluster(compose)
    yield running
    for pod in running.pods:
        docker("rm", "--force", pod)
    compose("down", "--volumes", "--remove-orphans")
    compose.api.close()


def test_clients_notice_nothing_and_no_job_is_charged(cluster):
    service = Service(cluster.compose.key())
    apis = [cluster.start() for _ in range(2)]
    workers = [cluster.start("python", "worker.py") for _ in range(2)]
    service.endpoints = [cluster.address(pod) for pod in apis]

    with Load(service, clients=6) as load:
        eventually(lambda: load.failures or len(load.jobs) > 50, 60)
        assert load.failures == []
        for old in apis:
            new = cluster.start()
            service.endpoints = [*service.endpoints, cluster.address(new)]
            # The pod is told to stop, gets requests for a while, then none, and preStop ends.
            time.sleep(LATE_SECONDS)
            service.endpoints = [e for e in service.endpoints if e != cluster.address(old)]
            time.sleep(PRE_STOP_SECONDS - LATE_SECONDS)
            assert cluster.stop(old) == 0
        for old in workers:
            cluster.start("python", "worker.py")
            assert cluster.stop(old) == 0

    assert load.failures == []
    for job in load.jobs:
        ended = service.ask("GET", f"/jobs/{job}?wait=60").json()
        assert (ended["status"], ended["error"]) == ("complete", None)
    assert cluster.compose.charged() == []
    print(f"{len(load.jobs)} jobs, {len(service.retried)} requests tried twice")
    service.close()


def _headers(options: dict[str, object]) -> dict[str, str]:
    key = options.pop("key", None)
    return {"Host": "localhost"} | ({"Idempotency-Key": str(key)} if key else {})
