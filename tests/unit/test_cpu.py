"""How many cores a worker counts on, and the threads that its children's libraries start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from config.cpu import usable_cores
from runtime.cpu import thread_settings


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A machine with eight cores, and control groups as files: their text by path, and the process' own groups."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))

    def count(groups: str, files: dict[str, str]) -> int:
        (tmp_path / "groups").write_text(groups)
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return usable_cores(tmp_path / "groups", tmp_path)

    return count


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        # No quota, or no control groups at all.
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("", {}, 8),
        # v2: the process' own, or that of a group around it.
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/a/b\n", {"a/cpu.max": "350000 100000\n", "a/b/cpu.max": "max 100000\n"}, 3),
        # v1, alone or beside v2; in a container the path may be one of the host's.
        ("4:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "50000\n"}, 3),
        ("4:cpu,cpuacct:/docker/1\n0::/\n", {"cpu/cpu.cfs_quota_us": "400000", "cpu/cpu.cfs_period_us": "100000"}, 4),
        ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        # Less than one core is one; more than there are is what there is.
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "6400000 100000\n"}, 8),
        # Of other controllers nothing is read.
        ("5:cpuset:/x\n", {"cpu/x/cpu.cfs_quota_us": "100000\n", "cpu/x/cpu.cfs_period_us": "100000\n"}, 8),
    ],
)
def test_cores_are_those_of_the_affinity_within_the_quota(host, groups, files, cores):
    assert host(groups, files) == cores


def test_libraries_get_their_threads_unless_the_operator_set_them():
    names = {"POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"}

    assert thread_settings({}, 4) == dict.fromkeys(names, "4")
    assert set(thread_settings({"POLARS_MAX_THREADS": "1", "MKL_NUM_THREADS": "2"}, 4)) == names - {
        "POLARS_MAX_THREADS",
        "MKL_NUM_THREADS",
    }
    # The other libraries fall back to it by themselves.
    assert thread_settings({"OMP_NUM_THREADS": "3"}, 4) == {"POLARS_MAX_THREADS": "4"}
