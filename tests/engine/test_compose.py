"""The steps of an operator with the compose file on a real engine, in order: `make test-engine`."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from tests.conftest import ROOT, eventually
from tests.engine.stack import Compose, docker

EARTHQUAKES = (ROOT / "samples" / "earthquakes.csv").read_bytes()


@pytest.fixture(scope="module")
def compose():
    project = Compose("dataset-jobs-test", LEASE_SECONDS="4", DRAIN_SECONDS="3", RETENTION_SECONDS="86400")
    project("down", "--volumes", "--remove-orphans")
    project("build")
    project.up()
    yield project
    project("down", "--volumes", "--remove-orphans")
    project.api.close()


def submit(compose: Compose, seconds: float, count: int = 1) -> list[str]:
    job = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": seconds}}
    answer = compose.api.post("/jobs", json=[job] * count)
    assert answer.status_code == 202
    return [job["id"] for job in answer.json()]


def statuses(compose: Compose, jobs: list[str]) -> set[str]:
    return {compose.api.get(f"/jobs/{job}", params={"wait": 60}).json()["status"] for job in jobs}


def test_no_container_is_root_or_writes_to_its_root(compose):
    containers = compose.containers()

    assert len(containers) == 4
    for container in containers:
        about = compose.inspect(container)
        assert docker("exec", container, "id", "-u") != "0"
        assert about["HostConfig"]["ReadonlyRootfs"]
        assert about["HostConfig"]["CapDrop"] == ["ALL"]
        assert about["HostConfig"]["Memory"] > 0
        refused = docker("exec", container, "sh", "-c", "touch /written || echo refused", check=False)
        assert refused == "refused"
        assert not about["Config"]["Image"].endswith(":latest")


def test_the_password_is_in_no_environment_and_no_list_of_processes(compose):
    [redis] = compose.containers("redis")
    password = docker("exec", redis, "cat", "/secrets/redis-password")

    assert len(password) > 30
    for container in compose.containers():
        about = compose.inspect(container)
        assert password not in str(about["Config"])
        assert password not in docker("top", container)
    assert "NOAUTH" in docker("exec", redis, "redis-cli", "ping", check=False)


def test_without_the_key_nothing_is_reachable(compose):
    for path in ("/jobs", "/data", "/"):
        assert compose.api.get(path, headers={"Authorization": ""}).status_code == 401
    for container in compose.containers():
        assert compose.key() not in str(compose.inspect(container)["Config"])


def test_the_commands_of_the_page_use_and_make_a_key_as_they_stand(compose):
    page = (ROOT / "docs" / "operations.md").read_text()
    [commands] = re.findall(r"```sh\n(export JOBS_API_KEY=.*?)```", page, re.DOTALL)
    program = f"{compose.program} --project-name {compose.name}"
    shell = f'docker() {{ shift; {program} "$@"; }}\n' + commands.replace("localhost:5000", f"localhost:{compose.port}")
    run = subprocess.run(
        ["bash", "-euc", shell], cwd=ROOT, env=compose.environ, capture_output=True, text=True, timeout=120, check=True
    )
    stats, key = run.stdout.splitlines()

    assert json.loads(stats)["workers"] == 2
    job = {"analysis": "sleep", "params": {"seconds": 0}}
    made = compose.api.post("/jobs", json=job, headers={"Authorization": f"Bearer {key}"})
    assert (made.status_code, made.json()["owner"]) == (202, "ann")


def test_the_main_job(compose):
    loaded = compose.api.post("/data", content=EARTHQUAKES, headers={"Content-Type": "text/csv"})
    assert loaded.status_code == 201
    asked = {"start": "2018-02-01", "end": "2018-02-03", "analysis": "histogram", "params": {"column": "magnitude"}}

    job = compose.api.post("/jobs", json=asked).json()["id"]

    assert compose.api.get(f"/jobs/{job}", params={"wait": 60}).json()["status"] == "complete"
    assert compose.api.get(f"/jobs/{job}/results/plot.png").content.startswith(b"\x89PNG")


def test_scaled_killed_taken_down_and_up_again_nothing_is_lost(compose):
    # Given four workers, and jobs for them
    compose.up("--scale", "worker=4")
    eventually(lambda: len(compose.api.get("/workers").json()["workers"]) == 8)
    jobs = submit(compose, 0.5, 80)

    # When a worker's container is killed
    eventually(lambda: compose.api.get("/stats").json()["jobs"]["in progress"] == 8)
    docker("kill", compose.containers("worker")[0])

    # And the stack is taken down and started again
    compose("down")
    compose.up()

    # Then all jobs exist and end
    assert compose.api.get("/data", params={"limit": 1}).json()["total"] == 1707
    assert statuses(compose, jobs) == {"complete"}
    assert compose.api.get("/jobs", params={"limit": 1}).json()["total"] == 82


def test_scaling_down_drains_and_charges_no_job(compose):
    compose.up("--scale", "worker=3")
    eventually(lambda: len(compose.api.get("/workers").json()["workers"]) == 6)
    jobs = submit(compose, 12, 6)
    eventually(lambda: compose.api.get("/stats").json()["jobs"]["in progress"] == 6)

    # Their jobs take longer than the command and the drain, so they are released and run elsewhere
    compose("up", "--detach", "--scale", "worker=1")

    assert statuses(compose, jobs) == {"complete"}
    attempts = [compose.api.get(f"/jobs/{job}").json()["attempt"] for job in jobs]
    assert max(attempts) > 1
    assert not set(compose.charged()) & set(jobs)


def test_a_back_up_is_restored_into_an_empty_redis(compose):
    before = compose.api.get("/jobs", params={"limit": 1}).json()["total"]
    compose("run", "--rm", "backup", "python", "-m", "ops.backup", "save")

    # When Redis loses its data
    compose("rm", "--force", "--stop", "api", "worker", "backup", "redis")
    docker("volume", "rm", f"{compose.name}_redis")
    compose("up", "--detach", "redis")
    compose("run", "--rm", "backup", "python", "-m", "ops.backup", "restore", "newest")
    compose.up()

    # Then the data is restored
    assert compose.api.get("/data", params={"limit": 1}).json()["total"] == 1707
    assert compose.api.get("/jobs", params={"limit": 1}).json()["total"] == before
    assert statuses(compose, submit(compose, 0)) == {"complete"}


def test_a_stop_is_graceful_everywhere(compose):
    containers = compose.containers()

    compose("stop")

    for container in containers:
        about = compose.inspect(container)
        assert (about["State"]["ExitCode"], about["State"]["OOMKilled"]) == (0, False), about["Name"]
