"""Prometheus' configuration, the alerts and the dashboard: promtool reads them, and they name what is exported."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

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
