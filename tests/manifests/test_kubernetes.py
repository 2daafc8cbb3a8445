"""Every overlay with every component, without a cluster: schemas, Pod Security, and consistency between files."""

from __future__ import annotations

from pathlib import Path

import kubernetes_validate
import pytest

from config import __version__
from config.settings import TABLE, load
from tests.conftest import ROOT
from tests.manifests.rendered import ALL, OVERLAYS, containers, environ_of, of_kind, pods, rendered
from web.openapi.schemas import Stats

MINORS = ["1.32", "1.35", "1.36", "1.37"]
CUSTOM = {"HTTPRoute", "ScaledObject", "TriggerAuthentication", "ServiceMonitor", "PrometheusRule"}
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
IDLE_MB = 256  # for the supervisor, and for each standby child

everywhere = pytest.mark.parametrize(("overlay", "component"), ALL)
in_each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


def in_bytes(quantity: str) -> int:
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


def settings_of(objects):
    [data] = [thing["data"] for name, thing in of_kind(objects, "ConfigMap").items() if name.startswith("settings-")]
    return data


@everywhere
@pytest.mark.parametrize("minor", MINORS)
def test_every_object_is_what_that_kubernetes_knows(overlay, component, minor):
    for thing in rendered(overlay, component):
        if thing["kind"] not in CUSTOM:
            kubernetes_validate.validate(thing, minor, strict=True)


def test_a_field_that_is_none_is_found():
    worker = of_kind(rendered("prod"), "Deployment")["worker"]
    wrong = worker | {"spec": {**worker["spec"], "replica": 1}}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, MINORS[-1], strict=True)


@everywhere
def test_everything_is_in_the_environments_namespace(overlay, component):
    for thing in rendered(overlay, component):
        if thing["kind"] != "Namespace":
            assert thing["metadata"]["namespace"] == f"dataset-jobs-{overlay}"


@everywhere
def test_each_container_meets_restricted(overlay, component):
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    objects = rendered(overlay, component)
    [namespace] = of_kind(objects, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for _, pod in pods(objects):
        assert not any(pod.get(shared) for shared in ("hostNetwork", "hostPID", "hostIPC"))
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        allowed = {"name", "configMap", "emptyDir", "secret", "persistentVolumeClaim"}
        assert all(set(volume) <= allowed for volume in pod["volumes"])
        for container in containers(pod):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}
            assert context["runAsNonRoot"] is True
            assert context["readOnlyRootFilesystem"] is True
            assert "privileged" not in context
            assert not any("hostPort" in port for port in container.get("ports", []))


@everywhere
def test_each_container_is_pinned_limited_and_without_a_token(overlay, component):
    objects = rendered(overlay, component)
    assert {account["automountServiceAccountToken"] for account in of_kind(objects, "ServiceAccount").values()} == {
        False
    }
    for name, pod in pods(objects):
        assert pod["serviceAccountName"] == "dataset-jobs"
        assert pod["automountServiceAccountToken"] is False
        for container in containers(pod):
            image, _, tag = container["image"].partition("@")[0].partition(":")
            assert tag == {"dataset-jobs": __version__, "redis": "7-bookworm"}[image]
            assert set(container["resources"]) == {"requests", "limits"}
            for kind in ("requests", "limits"):
                assert set(container["resources"][kind]) == {"cpu", "memory"}
            if name not in ("backup", "check"):
                assert container["livenessProbe"]
                assert container["readinessProbe"]


@everywhere
def test_the_settings_are_settings_and_can_be_used(overlay, component):
    objects = rendered(overlay, component)
    for name, _ in pods(objects):
        if name != "redis":
            given = environ_of(objects, name)
            assert set(given) <= {setting.name for setting in TABLE}
            load({name: value for name, value in given.items() if not name.endswith("_FILE") and name != "REDIS_TLS"})


@everywhere
def test_every_reference_leads_somewhere(overlay, component):
    objects = rendered(overlay, component)
    maps, claims = of_kind(objects, "ConfigMap"), of_kind(objects, "PersistentVolumeClaim")
    for _, pod in pods(objects):
        names = {volume["name"] for volume in pod["volumes"]}
        names |= {
            c["metadata"]["name"]
            for s in of_kind(objects, "StatefulSet").values()
            for c in s["spec"]["volumeClaimTemplates"]
        }
        for volume in pod["volumes"]:
            assert volume.get("configMap", {}).get("name", next(iter(maps))) in maps
            assert volume.get("persistentVolumeClaim", {}).get("claimName", "") in {"", *claims}
            assert volume.get("secret", {}).get("secretName", "redis") in {"redis", "api-keys"}
        for container in containers(pod):
            assert {mount["name"] for mount in container["volumeMounts"]} <= names
            sources = [next(iter(source.values())) for source in container.get("envFrom", [])]
            assert all(source["name"] in maps for source in sources if not source.get("optional"))
            assert {source["name"] for source in sources if source.get("optional")} <= {"extra-settings"}
            secret = [source["secretRef"] for source in container.get("envFrom", []) if "secretRef" in source]
            assert all(source == {"name": "extra-settings", "optional": True} for source in secret)
            assert not any("valueFrom" in given for given in container.get("env", [])), "secrets are files"
    assert of_kind(objects, "Secret") == {}, "secrets come by reference"


@everywhere
def test_the_api_runs_with_keys_and_its_probes_need_none(overlay, component):
    objects = rendered(overlay, component)
    pod = of_kind(objects, "Deployment")["api"]["spec"]["template"]["spec"]
    [api] = pod["containers"]
    [file] = [given["value"] for given in api["env"] if given["name"] == "API_KEYS_FILE"]
    mounts = {mount["mountPath"]: mount["name"] for mount in api["volumeMounts"]}
    [secret] = [v["secret"] for v in pod["volumes"] if v["name"] == mounts[str(Path(file).parent)]]
    assert secret["secretName"] == "api-keys"
    assert [item["path"] for item in secret["items"]] == [Path(file).name]
    probes = {api[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    assert probes == {"/health"}, "in an outage of Redis, clients get a 503 with Retry-After from the API"


@everywhere
def test_the_children_fit_into_their_container(overlay, component):
    objects = rendered(overlay, component)
    given = environ_of(objects, "worker")
    [worker] = of_kind(objects, "Deployment")["worker"]["spec"]["template"]["spec"]["containers"]

    standby = int(given.get("STANDBY_CHILDREN", load({}).standby_children))
    children = int(given["WORKERS"]) * int(given["MEMORY_LIMIT_MB"])

    assert children > 0
    assert (children + IDLE_MB * (1 + standby)) * 2**20 <= in_bytes(worker["resources"]["limits"]["memory"])


@everywhere
def test_the_graces_are_longer_than_what_they_wait_for(overlay, component):
    objects = rendered(overlay, component)
    deployments = {name: d["spec"]["template"]["spec"] for name, d in of_kind(objects, "Deployment").items()}
    drain = float(environ_of(objects, "worker")["DRAIN_SECONDS"])
    [api] = deployments["api"]["containers"]
    pre_stop = int(api["lifecycle"]["preStop"]["exec"]["command"][-1])

    assert deployments["worker"]["terminationGracePeriodSeconds"] >= drain + 10
    assert deployments["api"]["terminationGracePeriodSeconds"] >= pre_stop + 10 + 10


@everywhere
def test_only_our_pods_reach_redis_and_no_others_are_admitted(overlay, component):
    policies = of_kind(rendered(overlay, component), "NetworkPolicy")
    assert policies["deny"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    peers = set()
    for policy in policies.values():
        spec = policy["spec"]
        if spec["podSelector"].get("matchLabels", {}).get("app.kubernetes.io/name") != "redis":
            continue
        for rule in spec.get("ingress", []):
            for peer in rule["from"]:
                selector = peer.get("podSelector", {})
                names = [e["values"] for e in selector.get("matchExpressions", [])]
                labels = (
                    selector.get("matchLabels", {}).values()
                    or peer.get("namespaceSelector", {}).get("matchLabels", {}).values()
                )
                peers |= {*(name for some in names for name in some), *labels}

    expected = {"api", "worker", "backup", "check"} | ({"redis"} if "sentinel" in component else set())
    assert peers == (set() if "external-redis" in component else expected)


@everywhere
def test_selectors_select_what_there_is(overlay, component):
    objects = rendered(overlay, component)
    labels = [
        thing["spec"]["template"]["metadata"]["labels"].items()
        for thing in objects
        if "template" in thing.get("spec", {})
    ]
    for thing in objects:
        if thing["kind"] in ("Service", "PodDisruptionBudget"):
            selector = thing["spec"]["selector"]
            # The controller of the StatefulSet gives each pod its name as a label.
            wanted = {**selector.get("matchLabels", selector)}
            wanted.pop("statefulset.kubernetes.io/pod-name", None)
            assert any(wanted.items() <= of for of in labels), thing["metadata"]["name"]


IMMUTABLE = ("podManagementPolicy", "serviceName", "selector", "volumeClaimTemplates")


@in_each_overlay
@pytest.mark.parametrize("others", ["", "+keda", "+monitoring"])
def test_sentinel_changes_nothing_that_cannot_be_changed(overlay, others):
    # Given Redis alone, and with Sentinels
    alone = of_kind(rendered(overlay, others.strip("+")), "StatefulSet")["redis"]["spec"]
    three = of_kind(rendered(overlay, f"sentinel{others}"), "StatefulSet")["redis"]["spec"]

    # then one is applied over the other: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/
    assert (alone["replicas"], three["replicas"]) == (1, 3)
    assert {name: alone[name] for name in IMMUTABLE} == {name: three[name] for name in IMMUTABLE}
    # and so are the Services
    before, after = (of_kind(rendered(overlay, name), "Service") for name in ("", "sentinel"))
    assert before["redis"]["spec"]["clusterIP"] == after["redis"]["spec"]["clusterIP"] == "None"


@in_each_overlay
def test_clients_connect_to_an_address_that_stays_and_never_to_a_replica(overlay):
    # Given one Redis: the name that clients use is that of a Service with an address of its own, of the first pod
    objects = rendered(overlay)
    service = of_kind(objects, "Service")[settings_of(objects)["REDIS_IP"]]
    assert "clusterIP" not in service["spec"]
    assert service["spec"]["selector"]["statefulset.kubernetes.io/pod-name"] == "redis-0"

    # and with Sentinels, there is no such Service
    with_sentinels = rendered(overlay, "sentinel")
    assert of_kind(with_sentinels, "Service").keys() == {"api", "redis"}
    names = {
        address.split(".")[1].split(":")[0] for address in settings_of(with_sentinels)["REDIS_SENTINELS"].split(",")
    }
    assert names == {of_kind(with_sentinels, "StatefulSet")["redis"]["spec"]["serviceName"]}


@in_each_overlay
def test_the_settings_of_the_overlay_win_over_those_of_external_redis(overlay):
    own = {"REDIS_IP": "redis.test", "REDIS_PORT": "7000", "REDIS_TLS": "no", "REDIS_CA_FILE": "/secrets/other.crt"}
    objects = rendered(overlay, "external-redis", *(f"{name}={value}" for name, value in own.items()))

    for name in ("api", "worker", "backup", "check"):
        assert environ_of(objects, name).items() >= own.items()
        default = environ_of(rendered(overlay, "external-redis"), name)
        assert (default["REDIS_TLS"], default["REDIS_CA_FILE"]) == ("yes", "/secrets/redis-ca.crt")


@in_each_overlay
def test_with_an_external_redis_the_old_one_is_not_backed_up(overlay):
    objects = rendered(overlay, "external-redis")

    assert of_kind(objects, "CronJob")["backup"]["spec"]["suspend"] is True
    assert "redis" not in of_kind(objects, "StatefulSet").keys() | of_kind(objects, "Service").keys()
    for _, pod in pods(objects):
        [secret] = [volume["secret"] for volume in pod["volumes"] if volume["name"] == "secrets"]
        assert {item["path"] for item in secret["items"]} == {"redis-password", "redis-ca.crt"}


@in_each_overlay
@pytest.mark.parametrize("component", ["keda", "hpa+monitoring"])
def test_autoscalers_read_how_many_jobs_need_a_worker_and_divide_by_those_that_a_pod_runs(overlay, component):
    objects = rendered(overlay, component)
    given = environ_of(objects, "worker")
    if component == "keda":
        [scaled] = of_kind(objects, "ScaledObject").values()
        [trigger] = scaled["spec"]["triggers"]
        asked = trigger["metadata"]
        host = asked["url"].removeprefix("http://").removesuffix("/stats")
        assert host == f"api.dataset-jobs-{overlay}.svc"
        assert host in given["ALLOWED_HOSTS"].split(",")
        assert asked["valueLocation"] in Stats.model_fields
        assert asked["targetValue"] == given["WORKERS"]
        assert of_kind(objects, "TriggerAuthentication").keys() == {trigger["authenticationRef"]["name"]}
    else:
        [metric] = of_kind(objects, "HorizontalPodAutoscaler")["worker"]["spec"]["metrics"]
        assert metric["external"]["metric"]["name"] == "jobs_runnable"
        assert metric["external"]["target"]["averageValue"] == given["WORKERS"]
    # Nothing but the autoscaler sets their number, neither when it is added nor later.
    assert "replicas" not in of_kind(objects, "Deployment")["worker"]["spec"]
    assert "replicas" not in of_kind(rendered(overlay), "Deployment")["worker"]["spec"]


def test_workers_that_an_autoscaler_removes_have_an_hour_unless_the_overlay_says_otherwise():
    for component in ("keda", "hpa+monitoring"):
        assert environ_of(rendered("prod", component), "worker")["DRAIN_SECONDS"] == "3600"
        assert environ_of(rendered("test", component), "worker")["DRAIN_SECONDS"] == "30"


@everywhere
def test_clients_with_the_label_reach_the_api_and_no_other_namespace_does(overlay, component):
    policies = of_kind(rendered(overlay, component), "NetworkPolicy")
    label = {"matchLabels": {"dataset-jobs/client": "true"}}
    api = {"matchLabels": {"app.kubernetes.io/name": "api"}}
    port = [{"protocol": "TCP", "port": 5000}]

    assert policies["api"]["spec"]["ingress"] == [
        {"from": [{"namespaceSelector": label}, {"podSelector": label}], "ports": port}
    ]
    assert policies["client"]["spec"] == {
        "podSelector": label,
        "policyTypes": ["Egress"],
        "egress": [{"to": [{"podSelector": api}], "ports": port}],
    }


@in_each_overlay
def test_the_check_runs_by_hand_only_and_reaches_redis(overlay):
    for component in ("", "sentinel", "external-redis"):
        objects = rendered(overlay, component)
        check = of_kind(objects, "CronJob")["check"]["spec"]
        assert check["suspend"] is True
        [container] = check["jobTemplate"]["spec"]["template"]["spec"]["containers"]
        assert container["command"] == ["python", "-m", "ops.invariants"]
        egress = [
            policy
            for policy in of_kind(objects, "NetworkPolicy").values()
            for expression in policy["spec"]["podSelector"].get("matchExpressions", [])
            if "Egress" in policy["spec"]["policyTypes"] and "check" in expression["values"]
        ]
        assert len(egress) == (2 if component == "sentinel" else 1)


@in_each_overlay
def test_the_ingress_needs_no_controller_of_one_kind(overlay):
    ingress = of_kind(rendered(overlay), "Ingress")["api"]

    assert "annotations" not in ingress["metadata"]
    assert ingress["spec"]["ingressClassName"]
    [rule] = ingress["spec"]["rules"]
    assert rule["host"] in settings_of(rendered(overlay))["ALLOWED_HOSTS"].split(",")


@in_each_overlay
def test_a_gateway_serves_the_same_host_instead(overlay):
    objects = rendered(overlay, "gateway")
    [route] = of_kind(objects, "HTTPRoute").values()
    [rule] = route["spec"]["rules"]
    [backend] = rule["backendRefs"]
    [port] = of_kind(objects, "Service")[backend["name"]]["spec"]["ports"]

    assert "Ingress" not in {thing["kind"] for thing in objects}
    assert set(route["spec"]["hostnames"]) <= set(settings_of(objects)["ALLOWED_HOSTS"].split(","))
    assert backend["port"] == port["port"]
    assert rule["timeouts"] == {"request": "0s"}, "event streams stay open"


def test_the_sample_that_the_overlay_loads_is_in_the_image():
    source = settings_of(rendered("test"))["DATA_SOURCE"]
    file = source.removeprefix("/app/")

    assert f"COPY {file} {Path(file).parent}/" in (ROOT / "Dockerfile").read_text()
    assert (ROOT / file).exists()


def test_nothing_anywhere_is_the_latest():
    for path in [ROOT / "Dockerfile", ROOT / "docker-compose.yml", *(ROOT / "kubernetes").rglob("*.yaml")]:
        assert ":latest" not in path.read_text(), path


def test_the_versions_are_one():
    for path in (
        "Dockerfile",
        "docker-compose.yml",
        "kubernetes/base/kustomization.yaml",
        "tests/Dockerfile",
        "Makefile",
    ):
        assert __version__ in (ROOT / path).read_text(), path
