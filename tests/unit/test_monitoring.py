"""The queries of the dashboard and the alerts name metrics and labels that the API and the worker export."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from api import create_app
from config.settings import Settings
from runtime.meters import METERS_BYTES, Meters
from runtime.metrics import worker_registry
from runtime.worker_counts import WorkerCounts
from tests.conftest import ROOT
from web import metrics

MONITORING = ROOT / "monitoring"
DASHBOARD = json.loads((MONITORING / "grafana" / "dashboards" / "dataset-jobs.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGETS = [(panel["title"], target) for panel in PANELS for target in panel["targets"]]
GROUPS = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
ALERTS = {rule["alert"]: rule for group in GROUPS for rule in group["rules"]}

OF_PROMETHEUS = {"up": set(), "ALERTS": {"alertname", "alertstate"}}
OF_TARGETS = {"job", "instance", "namespace"}
WORDS = set("time sum max min count topk rate increase histogram_quantile vector or and absent".split())


@pytest.fixture
def registries(rd) -> list[CollectorRegistry]:
    """The metrics of an API and of a worker, after something of each kind has happened."""
    metrics.count_submitted([{"analysis": "map"}])  # type: ignore[typeddict-item]
    metrics.count_refused(400)
    create_app(Settings(), redis_client=rd).test_client().get("/jobs")
    counts = WorkerCounts()
    with tempfile.TemporaryFile() as file:
        file.truncate(METERS_BYTES)
        meters = Meters(file.fileno())
    meters.begin("map", 1)
    meters.end("complete")
    counts.add(meters)
    return [metrics._registry(), worker_registry(counts)]


@pytest.fixture
def exported(registries) -> dict[str, set[str]]:
    """The names of all samples, each with its labels."""
    api, worker = map(labels_of, registries)
    return OF_PROMETHEUS | api | worker


def labels_of(registry: CollectorRegistry) -> dict[str, set[str]]:
    return {sample.name: set(sample.labels) for family in registry.collect() for sample in family.samples}


def rows_of(registry: CollectorRegistry) -> str:
    """Return the rows of the table in the docs."""
    families = [family for family in registry.collect() if not family.name.startswith("process_")]
    return "\n".join(sorted(map(row_of, families)))


def row_of(family: Metric) -> str:
    name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
    labels = ", ".join(f"`{label}`" for label in sorted({*family.samples[0].labels} - {"le"}))
    return f"| `{name}` | {'gauge' if family.type == 'info' else family.type} | {labels} | {family.documentation} |"


def parts(query: str) -> tuple[set[str], set[str], set[str]]:
    """Return the names in a query, the labels in its selectors, and those that it groups by."""
    bare = re.sub(r'"[^"]*"', "", query)
    selected = {name for inside in re.findall(r"\{(.*?)\}", bare) for name in re.findall(r"\w+", inside)}
    bare = re.sub(r"\{.*?\}|\[.*?\]", "", bare)
    kept = {name for inside in re.findall(r"\b(?:by|without) \((.*?)\)", bare) for name in re.findall(r"\w+", inside)}
    bare = re.sub(r"\b(?:by|without) \(.*?\)", "", bare)
    return set(re.findall(r"[a-zA-Z_]\w*", bare)) - WORDS, selected, kept


def faults(query: str, texts: str, exported: dict[str, set[str]]) -> Iterator[str]:
    """Return the names in a query, and in the texts beside it, that are not exported."""
    names, selected, kept = parts(query)
    yield from names - exported.keys()
    labels = OF_TARGETS.union(*(exported.get(name, set()) for name in names))
    yield from (selected | kept) - labels
    yield from set(re.findall(r"\{\{ *(?:\$labels\.)?([a-z]+) *\}\}", texts)) - (kept or labels) - {"end"}


def test_the_queries_of_the_dashboard_name_what_is_exported(exported):
    assert len(TARGETS) > 30
    assert {
        (title, fault) for title, each in TARGETS for fault in faults(each["expr"], each["legendFormat"], exported)
    } == set()
    for variable in DASHBOARD["templating"]["list"]:
        assert set(re.findall(r"\((\w+), namespace\)", str(variable.get("query")))) <= exported.keys()


def test_the_alerts_name_what_is_exported(exported):
    assert len(ALERTS) > 10
    assert {
        (name, fault)
        for name, rule in ALERTS.items()
        for fault in faults(rule["expr"], rule["annotations"]["summary"], exported)
    } == set()


def test_each_alert_has_a_paragraph_that_it_names():
    page = (ROOT / "docs" / "operations.md").read_text()
    section = page.partition("\n## Alerts\n")[2].partition("\n## ")[0]
    paragraphs = dict(re.findall(r"^### (\w+)\n\n((?:.+\n)+)", section, re.M))

    assert paragraphs.keys() == ALERTS.keys()
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}"


def test_the_docs_list_each_metric(registries):
    page = (ROOT / "docs" / "operations.md").read_text()
    for registry in registries:
        assert f"| --- | --- | --- | --- |\n{rows_of(registry)}\n\n" in page


@pytest.mark.parametrize(
    "query",
    ["rate(jobs_done_total[5m])", 'jobs_stored{state="failed"}', "sum by (analysis) (jobs_stored)", "avg(jobs_stored)"],
)
def test_a_name_that_is_not_exported_is_found(exported, query):
    assert len(list(faults(query, "", exported))) == 1


def test_each_panel_is_explained_and_stands_in_a_place_of_its_own():
    taken: set[tuple[int, int]] = set()
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in DASHBOARD["panels"]:
        place: dict[str, Any] = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["type"] == "row" or panel["description"]


def test_each_accepted_job_is_counted_once_however_it_is_submitted(rd):
    client = create_app(Settings(), redis_client=rd).test_client()
    sleep = {"analysis": "sleep", "params": {"seconds": 0}}

    def submitted() -> float:
        return metrics._registry().get_sample_value("jobs_submitted_total", {"analysis": "sleep"}) or 0

    before = submitted()
    for _ in range(2):
        assert client.post("/jobs", json=sleep, headers={"Idempotency-Key": "once"}).status_code == 202
    assert submitted() == before + 1
    assert client.post("/jobs", json=[sleep, sleep]).status_code == 202
    assert submitted() == before + 3
    assert client.post("/jobs", json=[sleep, {"analysis": "none"}]).status_code == 422
    assert submitted() == before + 3
    jid = client.get("/jobs").json["jobs"][0]["id"]
    client.post(f"/jobs/{jid}/cancel")
    assert client.post(f"/jobs/{jid}/retry").status_code == 202
    assert client.post("/jobs/retry?status=cancelled").json["done"] == 1
    assert submitted() == before + 5
    form = {"/analysis": "sleep", "/params/seconds": "0"}
    assert client.post("/ui/new", data=form, headers={"Accept": "text/html"}).status_code == 303
    assert submitted() == before + 6
