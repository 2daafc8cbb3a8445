"""A real Prometheus with the configuration, the alerts and the dashboard's queries of monitoring/."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.conftest import ROOT, eventually, free_port
from tests.keys import bearer, line_of, write_keys

MONITORING = ROOT / "monitoring"
DASHBOARD = json.loads((MONITORING / "grafana" / "dashboards" / "dataset-jobs.json").read_text())


class Prometheus:
    """Asks a Prometheus over its HTTP API."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1"

    def get(self, path: str, **params: str) -> Any:
        answer = httpx.get(f"{self._url}{path}", params=params, trust_env=False).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def answers(self) -> bool:
        try:
            # While it starts, it answers 503 in plain text.
            return httpx.get(f"{self._url}/targets", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def health(self) -> dict[str, str]:
        """Return whether each target is up, with the error if there is one."""
        targets = self.get("/targets")["activeTargets"]
        return {target["labels"]["job"]: target["lastError"] or target["health"] for target in targets}


def configuration(folder: Path, api: int, worker: int, key: str) -> Path:
    """Copy the configuration, with other addresses and short intervals."""
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    of_api, of_worker = config["scrape_configs"]
    secret = folder / "metrics-key"
    secret.write_text(f"{key}\n")
    of_api["authorization"]["credentials_file"] = str(secret)
    of_api["static_configs"] = [{"targets": [f"127.0.0.1:{api}"]}]
    del of_worker["dns_sd_configs"]
    of_worker["static_configs"] = [{"targets": [f"127.0.0.1:{worker}"]}]
    shutil.copy(MONITORING / "alerts.yml", folder)
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    return file


@pytest.fixture
def start_prometheus(tmp_path) -> Iterator[Any]:
    """Start Prometheus on a configuration, and end it."""
    program = shutil.which("prometheus")
    if program is None:
        missing = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        missing("no Prometheus: install the Debian package prometheus")
    started: list[subprocess.Popen[bytes]] = []

    def run(config: Path) -> Prometheus:
        port = free_port()
        words = [f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'tsdb'}"]
        with (tmp_path / "prometheus.log").open("w") as log:
            started.append(
                subprocess.Popen([program, *words, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
            )
        found = Prometheus(port)
        eventually(found.answers)
        return found

    yield run
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@pytest.mark.long
def test_prometheus_scrapes_and_each_query_of_the_dashboard_has_an_answer(
    start_api, start_worker, start_prometheus, tmp_path
):
    # Given a service with keys, one of which may only read,
    keys = write_keys(tmp_path / "keys", line_of("ann", "submit"), line_of("metrics", "read"))
    worker_port = free_port()
    start_worker(1, METRICS_PORT=worker_port)
    api = start_api(API_KEYS_FILE=keys)
    # of which jobs have run, and that has refused a request
    for seconds in (0, 0.1):
        job = api.post("/jobs", json={"analysis": "sleep", "params": {"seconds": seconds}}, headers=bearer("ann"))
        assert api.get(f"{job.headers['Location']}?wait=30", headers=bearer("ann")).json()["status"] == "complete"
    with httpx.Client(base_url=api.base_url, trust_env=False) as other:
        assert other.get("/jobs", headers={"X-Long": "x" * 20_000}).status_code == 431

    # when Prometheus scrapes it
    prometheus = start_prometheus(configuration(tmp_path, api.base_url.port, worker_port, "metrics"))
    eventually(lambda: set(prometheus.health().values()) == {"up"})

    # then each query has values; no alert fires
    queries = {
        (panel["title"], target["expr"].replace("$__rate_interval", "1m").replace("$namespace", ".*"))
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", ())
    }
    assert len(queries) > 30

    def unanswered() -> set[str]:
        return {title for title, query in queries if not prometheus.get("/query", query=query)["result"]}

    eventually(lambda: unanswered() <= {"Alerts that fire"})
    rules = [rule for group in prometheus.get("/rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}
    # A day is left for the first back-up.
    assert {rule["name"]: rule["state"] for rule in rules if rule["state"] != "inactive"} == {"JobsNoBackup": "pending"}


@pytest.mark.long
def test_without_a_key_the_api_counts_as_down(start_api, start_prometheus, tmp_path):
    api = start_api(API_KEYS_FILE=write_keys(tmp_path / "keys", line_of("ann", "submit")))
    prometheus = start_prometheus(configuration(tmp_path, api.base_url.port, free_port(), "revoked"))

    eventually(lambda: "401" in prometheus.health().get("dataset-jobs-api", ""))
    eventually(lambda: prometheus.get("/query", query='ALERTS{alertname="JobsApiDown"}')["result"])
