"""Every overlay with every component, without a cluster: schemas, Pod Security, and consistency between files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest

from config import __version__
from config.api_keys import digest_of, read_keys
from config.settings import TABLE, load
from tests.conftest import ROOT
from tests.manifests.rendered import ALL, containers, of_kind, pods, rendered

MINORS = ["1.32", "1.35", "1.36", "1.37"]
CUSTOM = {"ScaledObject", "TriggerAuthentication", "ServiceMonitor", "PrometheusRule"}
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
IDLE_MB = 256  # for the supervisor, and for each standby child

everywhere = pytest.mark.parametrize(("overlay", "component"), ALL)


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
            image, tag = container["image"].split(":")
            assert tag == {"dataset-jobs": __version__, "redis": "7-bookworm"}[image]
            assert set(container["resources"]) == {"requests", "limits"}
            for kind in ("requests", "limits"):
                assert set(container["resources"][kind]) == {"cpu", "memory"}
            if name != "backup":
                assert container["livenessProbe"]
                assert container["readinessProbe"]


@everywhere
def test_the_settings_are_settings_and_can_be_used(overlay, component):
    given = settings_of(rendered(overlay, component))

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
            assert all(source["configMapRef"]["name"] in maps for source in container.get("envFrom", []))
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
    assert probes == {"/health", "/ready"}


def test_the_commands_of_the_page_make_the_secrets_that_the_pods_mount(tmp_path):
    page = (ROOT / "docs" / "operations.md").read_text()
    [commands] = re.findall(r"```sh\n(kubectl create namespace .*?)```", page, re.DOTALL)
    for name in ("Makefile", "config", "ops", "kubernetes"):
        (tmp_path / name).symlink_to(ROOT / name)
    stubs = (
        'kubectl() { echo "$@" >> asked; }\nkustomize() { :; }\n'
        f'make() {{ command make -o .venv/runtime BIN={Path(sys.executable).parent} "$@"; }}\n'
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    subprocess.run(["bash", "-euc", stubs + commands], cwd=tmp_path, env=environ, timeout=60, check=True)

    key = (tmp_path / "admin-key").read_bytes().strip()
    assert read_keys(str(tmp_path / "api-keys")) == {digest_of(key): ("admin", "admin")}
    made = re.findall(r"create secret generic (\S+) --from-file=(\S+)", (tmp_path / "asked").read_text())
    assert made == [("redis", "password=redis-password"), ("api-keys", "api-keys")]
    mounted = [volume["secret"] for _, pod in pods(rendered("prod")) for volume in pod["volumes"] if "secret" in volume]
    items = {(secret["secretName"], item["key"]) for secret in mounted for item in secret.get("items", [])}
    assert items <= {("redis", "password"), ("api-keys", "api-keys")}


@everywhere
def test_the_children_fit_into_their_container(overlay, component):
    objects = rendered(overlay, component)
    given = settings_of(objects)
    [worker] = of_kind(objects, "Deployment")["worker"]["spec"]["template"]["spec"]["containers"]

    standby = int(given.get("STANDBY_CHILDREN", load({}).standby_children))
    children = int(given["WORKERS"]) * int(given["MEMORY_LIMIT_MB"])

    assert children > 0
    assert (children + IDLE_MB * (1 + standby)) * 2**20 <= in_bytes(worker["resources"]["limits"]["memory"])


@everywhere
def test_the_graces_are_longer_than_what_they_wait_for(overlay, component):
    objects = rendered(overlay, component)
    deployments = {name: d["spec"]["template"]["spec"] for name, d in of_kind(objects, "Deployment").items()}
    drain = float(settings_of(objects)["DRAIN_SECONDS"])
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

    expected = {"api", "worker", "backup"}
    names = component.split("+")
    expected |= {name for with_, name in (("keda", "keda"), ("sentinel", "redis")) if with_ in names}
    external = {"keda"} if "keda" in names else set()
    assert peers == (external if "external-redis" in names else expected)


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
            wanted = selector.get("matchLabels", selector).items()
            assert any(wanted <= of for of in labels), thing["metadata"]["name"]


def test_what_scales_the_workers_counts_waiting_and_running_jobs_where_they_are():
    objects = rendered("prod", "keda")
    [scaled] = of_kind(objects, "ScaledObject").values()
    triggers = {trigger["name"]: trigger["metadata"] for trigger in scaled["spec"]["triggers"]}
    keys = (ROOT / "docs" / "redis-keys.md").read_text()

    assert set(re.findall(r"[a-z]+", scaled["spec"]["advanced"]["scalingModifiers"]["formula"])) == set(triggers)
    assert {metadata["databaseIndex"] for metadata in triggers.values()} == {settings_of(objects)["REDIS_DB"]}
    assert {m["listName"] for m in triggers.values()} == {"jobs", *(f"jobs.{n}" for n in set(triggers) - {"known"})}
    assert "`jobs`, `jobs.<status>`" in keys
    assert "replicas" not in of_kind(objects, "Deployment")["worker"]["spec"]


def test_without_keda_nothing_but_the_autoscaler_says_how_many():
    objects = rendered("prod", "hpa")

    assert of_kind(objects, "HorizontalPodAutoscaler")["worker"]["spec"]["scaleTargetRef"]["name"] == "worker"
    assert "replicas" not in of_kind(objects, "Deployment")["worker"]["spec"]


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
