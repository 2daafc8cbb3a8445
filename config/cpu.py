"""Counts the processor cores that this process may use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

__all__ = ["usable_cores"]

_GROUPS = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")


def usable_cores(groups: Path = _GROUPS, mount: Path = _MOUNT) -> int:
    """Count the cores that this process may run on, within the CPU quota of its control group (v1 or v2)."""
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return max(1, min([cores, *map(math.floor, _quotas(groups, mount))]))


def _quotas(groups: Path, mount: Path) -> Iterator[float]:
    """Yield the quotas, in cores, of this process' control groups and their ancestors."""
    with suppress(OSError):
        for line in groups.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            folder = mount / "cpu" if controllers else mount
            # In a container the path may be that of the host: missing groups have no quota, and the mount's own counts.
            for part in (PurePosixPath(path), *PurePosixPath(path).parents):
                yield from _quota(folder / part.relative_to("/"), legacy=bool(controllers))


def _quota(group: Path, *, legacy: bool) -> Iterator[float]:
    with suppress(OSError, ValueError):
        if legacy:
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        else:
            quota, period = (group / "cpu.max").read_text().split()
        if int(quota) > 0:
            yield int(quota) / int(period)
