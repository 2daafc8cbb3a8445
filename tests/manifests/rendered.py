"""The rendered manifests, as `kubectl apply -k` builds them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT

__all__ = ["ALL", "containers", "environ_of", "of_kind", "pods", "rendered"]

KUBERNETES = ROOT / "kubernetes"
OVERLAYS = sorted(path.name for path in (KUBERNETES / "overlays").iterdir())
COMPONENTS = sorted(path.name for path in (KUBERNETES / "components").iterdir())

# Every autoscaler works with every kind of Redis.
_PAIRS = [f"{scaler}+{other}" for scaler in ("hpa", "keda") for other in ("external-redis", "sentinel")]
_TRIPLES = ["keda+monitoring+sentinel", "gateway+hpa+monitoring", "external-redis+gateway+keda"]

ALL = [(overlay, component) for overlay in OVERLAYS for component in ["", *COMPONENTS, *_PAIRS, *_TRIPLES]]
"""Each overlay alone, with each component, and with each compatible combination."""


@cache
def rendered(overlay: str, component: str = "", *literals: str, patches: str = "") -> tuple[dict[str, Any], ...]:
    """Return the objects of an overlay with one component or several, such as ``keda+sentinel``.

    ``literals`` are settings that the overlay adds, and ``patches`` its further patches, as YAML.
    """
    if not component and not literals and not patches:
        return _build(KUBERNETES / "overlays" / overlay)
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(KUBERNETES, Path(folder) / "kubernetes")
        shutil.copytree(ROOT / "monitoring", Path(folder) / "monitoring")
        kustomization = copy / "overlays" / overlay / "kustomization.yaml"
        words = yaml.safe_load(kustomization.read_text())
        words["components"] = [f"../../components/{each}" for each in component.split("+") if each]
        words["configMapGenerator"][0]["literals"] += literals
        words["patches"] += yaml.safe_load(patches) or []
        kustomization.write_text(yaml.safe_dump(words))
        return _build(kustomization.parent)


def of_kind(objects: tuple[dict[str, Any], ...], kind: str) -> dict[str, dict[str, Any]]:
    """Return the objects of one kind by name."""
    return {thing["metadata"]["name"]: thing for thing in objects if thing["kind"] == kind}


def pods(objects: tuple[dict[str, Any], ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the name and the pod spec of every object that runs pods."""
    for thing in objects:
        spec = thing.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            yield thing["metadata"]["name"], spec["template"]["spec"]


def environ_of(objects: tuple[dict[str, Any], ...], name: str) -> dict[str, str]:
    """Return the environment of the first container of a Deployment or CronJob: the last source of a name wins."""
    maps = of_kind(objects, "ConfigMap")
    [pod] = [pod for of, pod in pods(objects) if of == name]
    container = pod["containers"][0]
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        reference = source.get("configMapRef") or source["secretRef"]
        if not reference.get("optional"):
            found |= maps[reference["name"]]["data"]
    return found | {given["name"]: given["value"] for given in container.get("env", [])}


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["containers"], *pod.get("initContainers", [])]


def _build(folder: Path) -> tuple[dict[str, Any], ...]:
    kubectl = Path(sys.executable).parent / "kubectl"
    run = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return tuple(yaml.safe_load_all(run.stdout))
