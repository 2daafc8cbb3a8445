"""The memory that this process may use: the machine's, or less where its control group has a limit."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["memory_bytes"]

_CGROUPS = Path("/sys/fs/cgroup")


def memory_bytes(cgroups: Path = _CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> int:
    """Return the machine's memory, or the least limit of the control groups (v1 and v2) that this process is in."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with suppress(OSError):
        for line in membership.read_text("utf-8", "replace").splitlines():
            _, controllers, group = line.split(":", 2)
            if controllers == "":
                limits += _limits(cgroups, group, "memory.max")
            elif "memory" in controllers.split(","):
                limits += _limits(cgroups / "memory", group, "memory.limit_in_bytes")
    return min(limits)


def _limits(root: Path, group: str, name: str) -> list[int]:
    """The limits of the group and of those it is in; a container sees its own group as the root."""
    found = []
    folder = root / group.lstrip("/")
    for path in (folder, *folder.parents):
        with suppress(OSError, ValueError):  # no such group here, or "max"
            found.append(int((path / name).read_text()))
        if path == root:
            break
    return found
