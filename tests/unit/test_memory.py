"""The memory that a process may use, as its control groups tell it."""

from __future__ import annotations

from pathlib import Path

from config.memory import available_memory


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_least_limit_above_a_process_counts(tmp_path):
    own, root = tmp_path / "own", tmp_path / "cgroup"
    machine = available_memory(root, own)
    assert machine > 2**28

    # version 2: a group without a limit within one that has one
    write(own, "0::/pod/container\n")
    write(root / "pod" / "container" / "memory.max", "max\n")
    write(root / "pod" / "memory.max", f"{2**28}\n")
    assert available_memory(root, own) == 2**28
    # in a container of its own, the group is the root
    write(own, "0::/../elsewhere\n")
    write(root / "memory.max", f"{2**27}\n")
    assert available_memory(root, own) == 2**27
    # version 1
    write(own, "5:cpu:/x\n4:memory:/docker/abc\n")
    write(root / "memory" / "memory.limit_in_bytes", f"{2**26}\n")
    assert available_memory(root, own) == 2**26
    write(root / "memory" / "memory.limit_in_bytes", f"{2**63 - 4096}\n")
    assert available_memory(root, own) == machine
