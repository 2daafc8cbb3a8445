"""The resources of KEDA and of the Gateway API have fields that those know, and values that they accept."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from tests.manifests.rendered import OVERLAYS, of_kind, rendered

# The fields that are used here, as KEDA 2.17 and the Gateway API 1.2 define them.


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class NameAndKey(Closed):
    parameter: Literal["token"]  # that of authMode bearer
    name: str
    key: str


class TriggerAuthentication(Closed):
    secret_target_ref: list[NameAndKey] = Field(min_length=1)


class Named(Closed):
    name: str


class MetricsApi(Closed):
    url: str = Field(pattern="^http://[a-z0-9.-]+/stats$")
    value_location: str
    target_value: str = Field(pattern="^[1-9][0-9]*$")
    auth_mode: Literal["bearer"]


class Trigger(Closed):
    type: Literal["metrics-api"]
    metric_type: Literal["AverageValue"]  # `fallback` works with no other
    metadata: MetricsApi
    authentication_ref: Named


class Policy(Closed):
    type: Literal["Percent", "Pods"]
    value: int
    period_seconds: int


class Rules(Closed):
    stabilization_window_seconds: int
    policies: list[Policy]


class Behavior(Closed):
    scale_up: Rules
    scale_down: Rules


class AutoscalerConfig(Closed):
    behavior: Behavior


class Advanced(Closed):
    horizontal_pod_autoscaler_config: AutoscalerConfig


class Fallback(Closed):
    failure_threshold: int
    replicas: int
    behavior: Literal["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"]


class ScaledObject(Closed):
    scale_target_ref: Named
    min_replica_count: int
    max_replica_count: int
    polling_interval: int
    fallback: Fallback
    advanced: Advanced
    triggers: list[Trigger] = Field(min_length=1)


class Parent(Closed):
    name: str
    namespace: str


class PathMatch(Closed):
    type: Literal["Exact", "PathPrefix", "RegularExpression"]
    value: str = Field(pattern="^/")


class Match(Closed):
    path: PathMatch


class Timeouts(Closed):
    request: str = Field(pattern="^([0-9]{1,5}(h|m|s|ms)){1,4}$")


class Backend(Closed):
    name: str
    port: int


class RouteRule(Closed):
    matches: list[Match]
    timeouts: Timeouts
    backend_refs: list[Backend]


class HTTPRoute(Closed):
    parent_refs: list[Parent]
    hostnames: list[str]
    rules: list[RouteRule]


VERSIONS: dict[str, tuple[str, type[Closed]]] = {
    "ScaledObject": ("keda.sh/v1alpha1", ScaledObject),
    "TriggerAuthentication": ("keda.sh/v1alpha1", TriggerAuthentication),
    "HTTPRoute": ("gateway.networking.k8s.io/v1", HTTPRoute),
}


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("kind", VERSIONS)
def test_the_fields_are_those_of_its_definition(overlay, kind):
    [thing] = of_kind(rendered(overlay, "gateway" if kind == "HTTPRoute" else "keda"), kind).values()
    version, model = VERSIONS[kind]

    assert thing["apiVersion"] == version
    model.model_validate(thing["spec"])


def test_a_field_that_is_none_is_found():
    [scaled] = of_kind(rendered("prod", "keda"), "ScaledObject").values()

    with pytest.raises(ValidationError, match="minReplicas"):
        ScaledObject.model_validate(scaled["spec"] | {"minReplicas": 1})
