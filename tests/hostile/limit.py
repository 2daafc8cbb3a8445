"""A memory limit for a process and its descendants, and their memory use: a control group, or an rlimit."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from pathlib import Path

__all__ = ["GroupV1", "GroupV2", "Limit", "Rlimit", "choose_limit"]

_CGROUPS = Path("/sys/fs/cgroup")


class Limit:
    """Base class; for a limit that counts nothing, the memory of the processes is measured."""

    name = ""

    def words(self, command: list[str]) -> list[str]:
        """Return the command that runs ``command`` under the limit."""
        raise NotImplementedError

    def used(self) -> int | None:
        """Return the bytes in use, None if the limit does not count them."""
        return None

    def private(self) -> int | None:
        """Return the bytes in use that are not backed by files, None if the limit does not count them."""
        return None

    def kills(self) -> int:
        """Return how many processes the kernel killed for memory."""
        return 0

    def reset_peak(self) -> None:
        """Reset the kernel's peak, if it records one."""

    def peak(self) -> int:
        """Return the kernel's peak since the last reset in bytes, 0 if it records none."""
        return 0

    def remove(self) -> None:
        """Remove the limit after its processes have ended."""


class _Group(Limit):
    def __init__(self, folder: Path, limits: dict[str, int | str], optional: tuple[str, ...] = ()) -> None:
        self._folder = folder
        folder.mkdir()
        try:
            for file, value in limits.items():
                if file not in optional or (folder / file).exists():
                    with (folder / file).open("r+") as existing:  # a group without the controller lacks the file
                        existing.write(str(value))
        except OSError:
            folder.rmdir()
            raise

    def words(self, command: list[str]) -> list[str]:
        joined = f"echo $$ > {shlex.quote(str(self._folder / 'cgroup.procs'))}"
        return ["/bin/sh", "-c", f'{joined} && exec "$@"', "sh", *command]

    def remove(self) -> None:
        self._folder.rmdir()

    def _number(self, file: str) -> int:
        return int((self._folder / file).read_text())

    def _numbers(self, file: str) -> dict[str, int]:
        lines = (line.split() for line in (self._folder / file).read_text().splitlines())
        return {name: int(value) for name, value in lines}


class GroupV1(_Group):
    """A version 1 control group."""

    def __init__(self, size: int, root: Path = _CGROUPS / "memory") -> None:
        limits: dict[str, int | str] = {"memory.limit_in_bytes": size, "memory.memsw.limit_in_bytes": size}
        super().__init__(root / f"hostile-{os.getpid()}", limits, ("memory.memsw.limit_in_bytes",))
        self.name = f"a control group (v1) of {size >> 20} MiB"

    def used(self) -> int:
        return self._number("memory.usage_in_bytes")

    def private(self) -> int:
        return self._numbers("memory.stat")["rss"]

    def kills(self) -> int:
        return self._numbers("memory.oom_control").get("oom_kill", 0)

    def reset_peak(self) -> None:
        (self._folder / "memory.max_usage_in_bytes").write_text("0")

    def peak(self) -> int:
        return self._number("memory.max_usage_in_bytes")


class GroupV2(_Group):
    """A version 2 control group, if this process may create one with a memory controller."""

    def __init__(self, size: int, root: Path = _CGROUPS) -> None:
        if "memory" not in (root / "cgroup.controllers").read_text().split():
            raise FileNotFoundError("no memory controller")
        with suppress(OSError):
            (root / "cgroup.subtree_control").write_text("+memory")
        limits: dict[str, int | str] = {"memory.max": size, "memory.swap.max": 0}
        super().__init__(root / f"hostile-{os.getpid()}", limits, ("memory.swap.max",))
        self.name = f"a control group (v2) of {size >> 20} MiB"

    def used(self) -> int:
        return self._number("memory.current")

    def private(self) -> int:
        return self._numbers("memory.stat")["anon"]

    def kills(self) -> int:
        return self._numbers("memory.events")["oom_kill"]


class Rlimit(Limit):
    """A limit on the data of each single process; the kernel counts nothing for all together."""

    def __init__(self, size: int) -> None:
        self._kib = size >> 10
        self.name = f"RLIMIT_DATA of {size >> 20} MiB for each process: no control group can be made here"

    def words(self, command: list[str]) -> list[str]:
        return ["/bin/sh", "-c", f'ulimit -d {self._kib} && exec "$@"', "sh", *command]


def choose_limit(size: int) -> Limit:
    """Return the best available limit of ``size`` bytes."""
    for kind in (GroupV2, GroupV1):
        with suppress(OSError):
            return kind(size)
    return Rlimit(size)
