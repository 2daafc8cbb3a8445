"""The queues that are measured beside ours come in one version, from no place that a file names."""

from __future__ import annotations

import json
import re

import pytest

from benchmarks.harness import ROOT, markdown
from benchmarks.peers.peers import PEERS, Peer

FOLDER = ROOT / "benchmarks/peers"
IN_OUR_OWN_ENVIRONMENT = {"ours", "hotqueue"}


@pytest.mark.parametrize("peer", [peer for peer in PEERS if not peer.is_node], ids=lambda peer: peer.name)
def test_a_peer_has_a_program_and_pinned_requirements(peer: Peer):
    assert (FOLDER / f"on_{peer.name}.py").is_file()
    if peer.name not in IN_OUR_OWN_ENVIRONMENT:
        lines = (FOLDER / f"requirements/{peer.name}.txt").read_text().splitlines()
        assert all(re.fullmatch(r"[\w.-]+==[\w.]+( ; .+)?", line) for line in lines), lines
        assert any(line.startswith(f"{peer.package}==") for line in lines)


def test_what_comes_for_node_is_locked_and_names_no_registry():
    folder = FOLDER / "bullmq"
    asked = json.loads((folder / "package.json").read_text())["dependencies"]
    locked = json.loads((folder / "package-lock.json").read_text())["packages"]
    for name, version in asked.items():
        assert locked[f"node_modules/{name}"]["version"] == version
    assert "resolved" not in str(locked)
    assert all("integrity" in package for path, package in locked.items() if path)


def test_a_table_is_aligned_under_its_head():
    assert markdown([("queue", "lost"), ("ours", "0")]) == "| queue | lost |\n| ----- | ---- |\n| ours  | 0    |"
