"""The compose profile `monitoring` on an engine: a real Prometheus reads the metrics with its key, and raises an alert.

Grafana is not started: Debian, from whose packages the images are built where no registry answers, does not have it.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.conftest import ROOT, eventually, free_port
from tests.engine.stack import Compose

GROUPS = yaml.safe_load((ROOT / "monitoring" / "alerts.yml").read_text())["groups"]


class Prometheus:
    def __init__(self, port: int) -> None:
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=30, trust_env=False)

    def get(self, path: str, **params: str) -> Any:
        """Return the data of an answer, None while there is none."""
        try:
            answer = self._client.get(path, params=params)
        except httpx.TransportError:
            return None
        return answer.json()["data"] if answer.status_code == 200 else None

    def targets(self) -> list[tuple[str, str]]:
        """Return the job and the health of each target."""
        found = self.get("/targets", state="active") or {"activeTargets": []}
        return sorted((target["labels"]["job"], target["health"]) for target in found["activeTargets"])

    def value(self, query: str) -> float | None:
        found = (self.get("/query", query=query) or {"result": []})["result"]
        return float(found[0]["value"][1]) if found else None

    def alerts(self) -> dict[str, str]:
        """Return the state of each alert that is pending or firing."""
        return {alert["labels"]["alertname"]: alert["state"] for alert in self.get("/alerts")["alerts"]}

    def close(self) -> None:
        self._client.close()


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    key, port = tmp_path_factory.mktemp("monitoring") / "metrics-key", free_port()
    project = Compose("dataset-jobs-monitoring", METRICS_KEY_FILE=str(key), PROMETHEUS_PORT=str(port))
    project("down", "--volumes", "--remove-orphans")
    project("build", "password")
    project.up("--scale", "worker=2", "api", "worker", "backup")
    start_monitoring(project, key)
    yield project
    project("--profile", "monitoring", "down", "--volumes", "--remove-orphans")
    project.api.close()


def start_monitoring(project: Compose, key: Path) -> None:
    """Run the commands of the page, as they stand except for the place of the key and the one service."""
    page = (ROOT / "docs" / "operations.md").read_text()
    [commands] = re.findall(r"```sh\n([^`]*> metrics-key\nchmod [^`]*?--profile monitoring up --detach\n)```", page)
    commands = commands.replace("metrics-key", str(key)).replace("up --detach", "up --detach --no-deps prometheus")
    shell = f'docker() {{ shift; {project.program} --project-name {project.name} "$@"; }}\n{commands}'
    run = subprocess.run(
        ["bash", "-euc", shell], cwd=ROOT, env=project.environ, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr


@pytest.fixture(scope="module")
def prometheus(compose: Compose) -> Iterator[Prometheus]:
    running = Prometheus(int(compose.environ["PROMETHEUS_PORT"]))
    yield running
    running.close()


def test_the_api_and_each_worker_are_scraped(compose, prometheus):
    up = [("dataset-jobs-api", "up"), ("dataset-jobs-worker", "up"), ("dataset-jobs-worker", "up")]
    eventually(lambda: prometheus.targets() == up, 90, every=1)

    # The API gives its metrics to the key alone
    assert compose.api.get("/metrics", headers={"Authorization": ""}).status_code == 401
    # and they are those of the service, with the back-up of its start
    job = compose.api.post("/jobs", json={"analysis": "sleep", "params": {"seconds": 0}}).json()["id"]
    assert compose.api.get(f"/jobs/{job}", params={"wait": 60}).json()["status"] == "complete"
    eventually(lambda: prometheus.value('max(jobs_ended_total{analysis="sleep",status="complete"})') == 1, 60, every=1)
    eventually(lambda: prometheus.value("sum(jobs_attempts_total)") == 1, 60, every=1)
    assert prometheus.value("time() - jobs_last_backup_timestamp_seconds") < 900


def test_each_rule_is_loaded_and_none_is_wrong(prometheus):
    assert [rule["name"] for rule in loaded(prometheus)] == [
        rule["alert"] for group in GROUPS for rule in group["rules"]
    ]
    eventually(lambda: {rule["health"] for rule in loaded(prometheus)} == {"ok"}, 60, every=1)
    assert prometheus.alerts() == {}


def loaded(prometheus: Prometheus) -> list[dict]:
    return [rule for group in prometheus.get("/rules", type="alert")["groups"] for rule in group["rules"]]


def test_an_outage_of_redis_fires_its_alert_and_stands_in_the_log_of_the_api_once(compose, prometheus):
    # When Redis is stopped
    compose("stop", "redis")

    # then its alert fires after a minute, while the API answers
    eventually(lambda: prometheus.alerts().get("JobsRedisDown") == "firing", 180, every=1)
    assert compose.api.get("/health").status_code == 200
    assert {compose.api.get(path).status_code for path in ("/ready", "/jobs", "/stats")} == {503}

    # and once it is back, the alert is over
    compose("start", "redis")
    eventually(compose.is_ready, 60)
    eventually(lambda: "JobsRedisDown" not in prometheus.alerts(), 90, every=1)

    # Each process of the API has logged the beginning and the end
    def logged() -> tuple[int, int]:
        log = compose("logs", "--no-color", "api")
        return log.count("Redis unavailable, answering 503"), log.count("Redis available again seconds=")

    begun, over = eventually(lambda: found if (found := logged())[0] == logged()[1] else None, 30, every=1)
    assert 1 <= begun == over <= 4
