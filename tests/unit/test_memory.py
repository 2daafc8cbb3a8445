"""The memory that there is: the machine's, or what a control group leaves of it."""

from __future__ import annotations

import pytest

from ops.memory import available_memory

MIB = 2**20


@pytest.fixture
def limited(tmp_path):
    """The memory under limits that are written into control groups, for a process of these groups."""

    def answer(membership, **limits):
        for name, value in limits.items():
            folder, _, file = name.rpartition("__")
            path = tmp_path / "cgroup" / folder.replace("__", "/") / file.replace("memory_", "memory.", 1)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{value}\n")
        (tmp_path / "membership").write_text(membership)
        return available_memory(tmp_path / "cgroup", tmp_path / "membership")

    return answer


def test_without_limits_it_is_the_machines(limited, tmp_path):
    machine = available_memory(tmp_path, tmp_path / "nowhere")

    assert machine > 64 * MIB
    assert limited("0::/\n", memory_max="max") == machine
    assert limited("4:memory:/\n", memory__memory_limit_in_bytes=2**63 - 4096) == machine


def test_the_least_limit_of_the_group_and_those_around_it_counts(limited):
    assert limited("0::/a/b\n", a__memory_max=20 * MIB, a__b__memory_max=30 * MIB) == 20 * MIB
    assert limited("9:memory:/c\n0::/\n", memory__c__memory_limit_in_bytes=10 * MIB) == 10 * MIB


def test_a_container_sees_its_own_group_as_the_root(limited):
    assert limited("0::/docker/4711\n", memory_max=40 * MIB) == 40 * MIB
