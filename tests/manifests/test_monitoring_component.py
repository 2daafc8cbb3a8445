"""The component `monitoring` fits the services, and has the alerts and the dashboard of compose."""

from __future__ import annotations

from typing import Literal

import pytest
import yaml
from pydantic import BaseModel, Field, ValidationError
from pydantic.alias_generators import to_camel

from tests.conftest import ROOT
from tests.manifests.rendered import OVERLAYS, of_kind, rendered

MONITORING = ROOT / "monitoring"
CONFIG = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
SCRAPES = {scrape["job_name"]: scrape for scrape in CONFIG["scrape_configs"]}

# The fields that are used here, as the operator's definitions of the resources (0.84) have them.
Labels = dict[str, str]


class Closed(BaseModel, extra="forbid", alias_generator=to_camel):
    pass


class Credentials(Closed):
    name: str
    key: str


class Authorization(Closed):
    type: str
    credentials: Credentials


class Relabeling(Closed):
    action: Literal["replace", "keep", "drop"]
    target_label: str
    replacement: str


class Endpoint(Closed):
    port: str
    path: str
    interval: str = Field(pattern="^[0-9]+[sm]$")
    authorization: Authorization | None = None
    relabelings: list[Relabeling]


class Selector(Closed):
    match_labels: Labels


class ServiceMonitor(Closed):
    selector: Selector
    endpoints: list[Endpoint]


class Rule(Closed):
    alert: str
    expr: str
    duration: str = Field("0s", alias="for", pattern="^[0-9]+[smh]$")
    labels: Labels
    annotations: Labels


class Group(Closed):
    name: str
    rules: list[Rule]


class PrometheusRule(Closed):
    groups: list[Group]


in_each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


@in_each_overlay
@pytest.mark.parametrize(("spec", "count"), [(ServiceMonitor, 2), (PrometheusRule, 1)])
def test_the_resources_of_the_operator_have_its_fields(overlay, spec, count):
    found = of_kind(rendered(overlay, "monitoring"), spec.__name__)
    assert len(found) == count
    for thing in found.values():
        assert thing["apiVersion"] == "monitoring.coreos.com/v1"
        spec.model_validate(thing["spec"], strict=True)


def test_a_field_that_the_operator_does_not_know_is_found():
    monitor = of_kind(rendered("prod", "monitoring"), "ServiceMonitor")["api"]
    with pytest.raises(ValidationError):
        ServiceMonitor.model_validate(monitor["spec"] | {"endpoint": []})


@in_each_overlay
@pytest.mark.parametrize("name", ["api", "worker"])
def test_each_monitor_selects_a_port_that_prometheus_may_reach(overlay, name):
    objects = rendered(overlay, "monitoring")
    monitor = of_kind(objects, "ServiceMonitor")[name]["spec"]
    [endpoint] = monitor["endpoints"]

    # One service has the labels; its port is one of the pods.
    wanted = monitor["selector"]["matchLabels"].items()
    [service] = [s for s in of_kind(objects, "Service").values() if wanted <= s["metadata"]["labels"].items()]
    [port] = [port for port in service["spec"]["ports"] if port["name"] == endpoint["port"]]
    pod = of_kind(objects, "Deployment")[name]["spec"]["template"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    [container] = pod["spec"]["containers"]
    [open_port] = [p["containerPort"] for p in container["ports"] if p["name"] == port["targetPort"]]

    # Only Prometheus is admitted there, besides the clients of the API.
    admitted = [
        peer
        for policy in of_kind(objects, "NetworkPolicy").values()
        if policy["spec"]["podSelector"].get("matchLabels") == service["spec"]["selector"]
        for rule in policy["spec"].get("ingress", [])
        if {"protocol": "TCP", "port": open_port} in rule["ports"]
        for peer in rule["from"]
    ]
    prometheus = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
    }
    assert prometheus in admitted
    assert name == "api" or admitted == [prometheus]


@in_each_overlay
def test_the_worker_serves_its_metrics_on_the_port_of_its_service(overlay):
    objects = rendered(overlay, "monitoring")
    [settings] = [each["data"] for name, each in of_kind(objects, "ConfigMap").items() if name.startswith("settings-")]
    [port] = of_kind(objects, "Deployment")["worker"]["spec"]["template"]["spec"]["containers"][0]["ports"]

    assert (settings["METRICS_HOST"], settings["METRICS_PORT"]) == ("0.0.0.0", str(port["containerPort"]))


@in_each_overlay
def test_the_jobs_have_the_names_of_the_alerts_and_only_the_api_needs_the_key(overlay):
    monitors = of_kind(rendered(overlay, "monitoring"), "ServiceMonitor")
    names = {
        relabeling["replacement"]: endpoint.get("authorization")
        for monitor in monitors.values()
        for endpoint in monitor["spec"]["endpoints"]
        for relabeling in endpoint["relabelings"]
        if relabeling["targetLabel"] == "job"
    }
    assert names.keys() == SCRAPES.keys()
    assert {name for name, needed in names.items() if needed} == {n for n, s in SCRAPES.items() if "authorization" in s}
    assert names["dataset-jobs-api"] == {"type": "Bearer", "credentials": {"name": "metrics-key", "key": "key"}}


@in_each_overlay
def test_the_rules_and_the_dashboard_are_those_of_compose(overlay):
    objects = rendered(overlay, "monitoring")
    [rules] = of_kind(objects, "PrometheusRule").values()
    alerts = yaml.safe_load((MONITORING / "alerts.yml").read_text())
    assert rules["spec"] == alerts, "copy the groups of monitoring/alerts.yml into rules.yaml of the component"

    dashboard = of_kind(objects, "ConfigMap")["dashboard"]
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    file = MONITORING / "grafana" / "dashboards" / "dataset-jobs.json"
    assert dashboard["data"] == {file.name: file.read_text()}
