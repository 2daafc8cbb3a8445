"""Everything that `docs/kubernetes.md` has a reader run or copy exists, and fits the manifests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from config.api_keys import digest_of, read_keys
from config.settings import TABLE
from tests.conftest import ROOT
from tests.manifests.rendered import ALL, of_kind, pods, rendered

PAGE = (ROOT / "docs" / "kubernetes.md").read_text()
SHELL = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
YAML = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
PATCHES = [text for text in YAML if text.startswith("patches:")]
NAMESPACE = "-n dataset-jobs-prod "
# Of the cluster, or with a namespace in the manifests.
WITHOUT_NAMESPACE = ("apply -f ", "apply -k ", "label namespace ", "drain ", "cordon ", "patch --local ")
KINDS = {
    "cronjob": "CronJob",
    "configmap": "ConfigMap",
    "deployment": "Deployment",
    "hpa": "HorizontalPodAutoscaler",
    "httproute": "HTTPRoute",
    "ingress": "Ingress",
    "networkpolicy": "NetworkPolicy",
    "pdb": "PodDisruptionBudget",
    "pvc": "PersistentVolumeClaim",
    "scaledobject": "ScaledObject",
    "service": "Service",
    "statefulset": "StatefulSet",
    "triggerauthentication": "TriggerAuthentication",
}
# Made by the commands themselves, or by the controller of the StatefulSet.
CLAIMS = {("PersistentVolumeClaim", f"data-redis-{n}") for n in range(3)}


def commands() -> list[str]:
    """Return each kubectl command of the page."""
    text = "\n".join(SHELL).replace("\\\n", " ")
    return [found.strip() for found in re.findall(r"\bkubectl (.*?)(?= \| kubectl|\n|$)", text)]


def known() -> set[tuple[str, str]]:
    """Return kind and name of all objects, of any combination of components."""
    return {(thing["kind"], thing["metadata"]["name"]) for each in ALL for thing in rendered(*each)} | CLAIMS


def test_each_command_names_its_namespace():
    assert len(commands()) > 40
    for command in commands():
        assert command.startswith((NAMESPACE, *WITHOUT_NAMESPACE)), command


def test_no_other_program_is_needed():
    for command in SHELL:
        assert not re.search(r"\b(jq|kustomize|helm)\b", command)


def test_what_the_commands_and_the_text_name_is_in_the_manifests():
    named = {
        (KINDS[kind], name)
        for kind, name in re.findall(rf"\b({'|'.join(KINDS)})/([a-z0-9-]+)", PAGE)
        if kind != "service" or name != "api"
    }
    for line in re.findall(r"delete networkpolicy ([a-z -]+)\n", PAGE):
        named |= {("NetworkPolicy", name) for name in line.split()}

    assert len(named) > 20
    assert named <= known()


def test_the_files_components_and_settings_that_it_names_exist():
    paths = set(re.findall(r"(?<![\w/])((?:kubernetes|samples|docs)/[\w./-]+\w)", PAGE))
    assert len(paths) >= 6
    assert [path for path in paths if not (ROOT / path).exists()] == []

    table = PAGE.partition("## Components")[2].partition("### ")[0]
    components = set(re.findall(r"^\| `([a-z-]+)` \|", table, re.M))
    assert components == {path.name for path in (ROOT / "kubernetes" / "components").iterdir()}
    assert components <= set(re.findall(r"^### ([a-z-]+)$", PAGE, re.M))

    settings = {setting.name for setting in TABLE}
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)(?:`|=)", PAGE))
    assert named - {"INGRESS_NAMESPACE"} <= settings


def test_the_anchors_exist():
    def anchors(page: str) -> set[str]:
        titles = re.findall(r"^#+ (.+)$", page, re.M)
        return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}

    operations = (ROOT / "docs" / "operations.md").read_text()
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) <= anchors(PAGE)
    assert set(re.findall(r"\]\(operations\.md#([\w-]+)\)", PAGE)) <= anchors(operations)
    assert set(re.findall(r"\]\(kubernetes\.md#([\w-]+)\)", operations)) <= anchors(PAGE)


@pytest.mark.parametrize("number", range(len(PATCHES)))
def test_the_patches_fit_the_manifests(number):
    # Given a patch of the page, and the components that its target may come from
    patches = PATCHES[number]
    needed = {
        "ScaledObject": "keda",
        "suspend": "external-redis",
        "external-redis": "external-redis",
        "PrometheusRule": "monitoring",
    }
    component = next((needed[word] for word in needed if word in patches), "")

    # when an overlay has it
    text = yaml.safe_dump(yaml.safe_load(patches)["patches"])
    changed = rendered("prod", component, patches=text)

    # then each of its targets is there, and is another
    before = {(thing["kind"], thing["metadata"]["name"]): thing for thing in rendered("prod", component)}
    after = {(thing["kind"], thing["metadata"]["name"]): thing for thing in changed}
    for each in yaml.safe_load(patches)["patches"]:
        target = (each["target"]["kind"], each["target"]["name"])
        assert after[target] != before[target]


def test_the_literals_of_an_external_redis_reach_the_pods():
    [text] = [text for text in YAML if "REDIS_IP" in text]
    [settings] = yaml.safe_load(text)["configMapGenerator"]

    objects = rendered("prod", "external-redis", *settings["literals"])
    [data] = [m["data"] for name, m in of_kind(objects, "ConfigMap").items() if name.startswith("settings-")]
    assert data.items() >= dict(literal.split("=") for literal in settings["literals"]).items()


def test_an_overlay_that_names_a_version_of_the_base_builds(tmp_path):
    # Given the overlay of the page, with the repository for its address
    [text] = [text for text in YAML if "?ref=" in text]
    folder = tmp_path / "overlay"
    folder.mkdir()
    shutil.copytree(ROOT / "kubernetes", tmp_path / "kubernetes")
    local = re.sub(r"https://github.com/OWNER/dataset-jobs//(\S+)\?ref=v[\d.]+", r"../\1", text)
    (folder / "kustomization.yaml").write_text(local.replace("REGISTRY", "registry.example.org"))
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "jobs"}}
    (folder / "namespace.yaml").write_text(yaml.safe_dump(namespace))

    # when it is built
    kubectl = Path(sys.executable).parent / "kubectl"
    run = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, timeout=60)

    # then all is in its namespace, and KEDA asks the API there
    assert run.returncode == 0, run.stderr
    objects = tuple(yaml.safe_load_all(run.stdout))
    assert {t["metadata"]["namespace"] for t in objects if t["kind"] != "Namespace"} == {"jobs"}
    [scaled] = of_kind(objects, "ScaledObject").values()
    host = scaled["spec"]["triggers"][0]["metadata"]["url"].split("/")[2]
    [data] = [m["data"] for name, m in of_kind(objects, "ConfigMap").items() if name.startswith("settings-")]
    assert host in data["ALLOWED_HOSTS"].split(",")


def test_the_cores_and_the_memory_are_the_requests_of_the_pods():
    def needed(overlay: str, component: str = "") -> tuple[float, float]:
        cores = memory = 0.0
        for thing in rendered(overlay, component):
            if thing["kind"] in ("Deployment", "StatefulSet"):
                for container in thing["spec"]["template"]["spec"]["containers"]:
                    asked, replicas = container["resources"]["requests"], thing["spec"].get("replicas", 1)
                    milli = asked["cpu"].endswith("m")
                    cores += replicas * (int(asked["cpu"][:-1]) / 1000 if milli else int(asked["cpu"]))
                    memory += replicas * int(asked["memory"][:-2]) * {"Mi": 1 / 1024, "Gi": 1}[asked["memory"][-2:]]
        return cores, memory

    said = re.search(
        r"for `prod` ([\d.]+) cores and ([\d.]+) GiB with one worker.*?with\s`sentinel` ([\d.]+) cores and ([\d.]+) GiB"
        r".*?For `test`\s([\d.]+) cores and ([\d.]+) GiB",
        PAGE,
        re.DOTALL,
    )
    assert said is not None
    numbers = [float(number) for number in said.groups()]
    expected = [*needed("prod"), *needed("prod", "sentinel"), *needed("test")]
    assert numbers == [pytest.approx(value, abs=0.05) for value in expected]


def test_the_commands_make_the_secrets_that_the_pods_mount(tmp_path):
    [commands] = [text for text in SHELL if text.startswith("kubectl apply -f ")]
    for name in ("Makefile", "config", "ops", "kubernetes"):
        (tmp_path / name).symlink_to(ROOT / name)
    stubs = (
        'kubectl() { echo "kubectl $*" >> asked; }\n'
        f'make() {{ command make -o .venv/runtime BIN={Path(sys.executable).parent} "$@"; }}\n'
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    subprocess.run(["bash", "-euc", stubs + commands], cwd=tmp_path, env=environ, timeout=60, check=True)

    key = (tmp_path / "admin-key").read_bytes().strip()
    assert read_keys(str(tmp_path / "api-keys")) == {digest_of(key): ("admin", "admin")}
    asked = (tmp_path / "asked").read_text()
    assert asked.startswith("kubectl apply -f kubernetes/overlays/prod/namespace.yaml\n")
    made = re.findall(r"create secret generic (\S+) --from-file=(\S+)", asked)
    assert made == [("redis", "password=redis-password"), ("api-keys", "api-keys")]
    mounted = [volume["secret"] for _, pod in pods(rendered("prod")) for volume in pod["volumes"] if "secret" in volume]
    items = {(secret["secretName"], item["key"]) for secret in mounted for item in secret.get("items", [])}
    assert items <= {("redis", "password"), ("api-keys", "api-keys")}


def test_the_secrets_of_the_components_have_the_names_and_keys_of_the_page():
    made = set(re.findall(r"create secret generic (\S+) --from-file=(\w+)=", PAGE))
    keda, monitoring = rendered("prod", "keda"), rendered("prod", "monitoring")
    [scaler] = of_kind(keda, "TriggerAuthentication").values()
    [token] = scaler["spec"]["secretTargetRef"]
    [scraped] = of_kind(monitoring, "ServiceMonitor")["api"]["spec"]["endpoints"]
    credentials = scraped["authorization"]["credentials"]

    assert {(token["name"], token["key"]), (credentials["name"], credentials["key"])} <= made


def test_the_rule_of_the_adapter_gives_the_metric_of_the_autoscaler():
    [rule] = [yaml.safe_load(text)["rules"]["external"][0] for text in YAML if text.startswith("rules:")]
    [metric] = of_kind(rendered("prod", "hpa"), "HorizontalPodAutoscaler")["worker"]["spec"]["metrics"]

    assert rule["seriesQuery"].partition("{")[0] == metric["external"]["metric"]["name"]
    assert metric["external"]["metric"]["name"] in (ROOT / "web" / "metrics.py").read_text()


def test_the_objects_of_the_page_are_what_kubernetes_knows_and_select_our_pods():
    found = [
        yaml.safe_load(text) for text in YAML if text.startswith("apiVersion") and "kind: Kustomization" not in text
    ]
    assert [each["kind"] for each in found] == ["Pod", "NetworkPolicy", "NetworkPolicy"]
    for each in found:
        kubernetes_validate.validate(each, "1.37", strict=True)

    client, nodes, storage = found
    admitted = of_kind(rendered("prod"), "NetworkPolicy")["api"]["spec"]["ingress"][0]["from"]
    assert {"podSelector": {"matchLabels": client["metadata"]["labels"]}} in admitted
    names = {name for name, _ in pods(rendered("prod"))}
    assert nodes["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] in names
    [selector] = storage["spec"]["podSelector"]["matchExpressions"]
    assert set(selector["values"]) <= names
