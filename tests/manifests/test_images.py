"""The images are listed in requirements/images.env; each place that names one does so as there, with any digest."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

FAKE_DOCKER = """#!/bin/sh
# Answers as a registry would: the digest is made of the image's name.
[ "$1 $2 $3" = "buildx imagetools inspect" ] || exit 1
for image; do :; done
printf sha256:
printf %s "$image" | sha256sum | cut -c1-64
"""


def images(root: Path) -> dict[str, str]:
    lines = (root / "requirements" / "images.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def named(root: Path) -> dict[str, set[str]]:
    """Return the images that each variable of the file has in all other places; a kustomization has only Redis'."""
    found: dict[str, set[str]] = {}
    for file in (root / "Dockerfile", root / "docker-compose.yml"):
        for name, image in re.findall(r"\b([A-Z]+_IMAGE)(?::-|=)([^\s}\"]+)", file.read_text()):
            if name in images(root):
                found.setdefault(name, set()).add(image)
    for file in root.glob("kubernetes/**/kustomization.yaml"):
        for image in yaml.safe_load(file.read_text()).get("images", []):
            if image["name"] == "redis":
                found.setdefault("REDIS_IMAGE", set()).add(f"redis:{image['newTag']}")
    return found


def test_each_image_is_named_as_in_the_file():
    pinned = images(ROOT)

    assert named(ROOT) == {name: {image} for name, image in pinned.items()}
    for image in pinned.values():
        assert re.fullmatch(r"[a-z/]+:[a-z0-9.-]*\d[a-z0-9.-]*(@sha256:[0-9a-f]{64})?", image)


@pytest.fixture
def tree(tmp_path):
    for name in ("Dockerfile", "docker-compose.yml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("requirements", "kubernetes"):
        shutil.copytree(ROOT / name, tmp_path / name)
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(FAKE_DOCKER)
    docker.chmod(0o755)
    return tmp_path


def pin(tree: Path) -> str:
    path = f"{tree / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        [tree / "requirements" / "digests"], env={"PATH": path}, check=True, capture_output=True, text=True, timeout=60
    ).stdout


def test_digests_are_written_to_every_place_and_replaced_by_newer_ones(tree):
    # Given a tree in which one place has an old digest
    file = tree / "requirements" / "images.env"
    old = images(tree)["REDIS_IMAGE"].partition("@")[0] + "@sha256:" + "0" * 64
    file.write_text(re.sub("(?m)^REDIS_IMAGE=.*", f"REDIS_IMAGE={old}", file.read_text()))

    # When the digests are looked up, twice
    shown = pin(tree)
    assert pin(tree) == shown

    # Then each image has the digest that the registry gave, in the file and wherever it is named
    pinned = images(tree)
    assert shown.split() == list(pinned.values())
    assert all(re.fullmatch("[^@]+@sha256:[0-9a-f]{64}", image) for image in pinned.values())
    assert old not in pinned.values()
    assert named(tree) == {name: {image} for name, image in pinned.items()}


def test_an_image_without_a_digest_changes_nothing(tree):
    # Given a registry that does not answer
    (tree / "bin" / "docker").write_text("#!/bin/sh\nexit 1\n")
    before = images(tree)

    # Then the command fails, and all stays as it is
    with pytest.raises(subprocess.CalledProcessError):
        pin(tree)
    assert images(tree) == before
