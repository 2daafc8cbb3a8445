"""Prometheus' configuration, the alerts and the dashboard: promtool reads them, and they name what is exported."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

MONITORING = ROOT / "monitoring"


def promtool(*words: str | Path, folder: Path = MONITORING) -> str:
    """Run promtool, which Debian's package `prometheus` has; its complaint is the failure."""
    program = shutil.which("promtool")
    if program is None:
        missing = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        missing("no promtool: install the Debian package prometheus")
    run = subprocess.run([program, *words], cwd=folder, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr


def test_prometheus_takes_its_configuration(tmp_path):
    # Given the configuration where a file of the key exists
    config = (MONITORING / "prometheus.yml").read_text()
    key = tmp_path / "metrics-key"
    key.write_text("a-key")
    assert "/run/secrets/metrics-key" in config
    (tmp_path / "prometheus.yml").write_text(config.replace("/run/secrets/metrics-key", str(key)))
    shutil.copy(MONITORING / "alerts.yml", tmp_path)

    # then promtool finds nothing wrong, neither with it nor with the rules that it names
    assert "1 rule files found" in promtool("check", "config", "prometheus.yml", folder=tmp_path)


def test_the_rules_are_correct():
    assert "SUCCESS" in promtool("check", "rules", "--lint=all", "--lint-fatal", "alerts.yml")


def test_each_alert_fires_when_it_should():
    promtool("test", "rules", ROOT / "tests" / "manifests" / "alerts_test.yml")


def test_the_queries_of_the_dashboard_are_correct(tmp_path):
    # Given each query as a rule, with values for the variables of Grafana
    board = json.loads((MONITORING / "grafana" / "dashboards" / "dataset-jobs.json").read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    queries = [query.replace("$__rate_interval", "1m").replace("$namespace", ".*") for query in queries]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    assert rules

    # then promtool parses all of them
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"SUCCESS: {len(rules)} rules found" in promtool("check", "rules", file)
