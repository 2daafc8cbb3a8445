"""The lines of the performance page: title, target, and the module that measures each one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.figures import HERE

__all__ = ["LINES", "SUITES", "Line", "Suite", "best_other"]


@dataclass(frozen=True)
class Suite:
    """A module, and its rounds in a full run; a quick run has ``quick`` rounds."""

    module: str
    rounds: int = 5
    quick: int = 1


@dataclass(frozen=True)
class Line:
    """A figure and its target.

    ``most`` or ``least`` limits the value, or, where ``against`` is the beginning of a side's name, the median of the
    ratios of the rounds to the best of these sides.
    """

    name: str
    title: str
    most: float | None = None
    least: float | None = None
    against: str = ""
    more_is_better: bool = False

    @property
    def target(self) -> str:
        """Return the target as text, empty where there is none."""
        limit = next((f"{sign} {limit:,g}" for sign, limit in (("≤", self.most), ("≥", self.least)) if limit), "")
        return f"{limit} × {self.against}" if limit and self.against else limit

    def is_met(self, judged: float) -> bool | None:
        """Compare a median with the target; None without one."""
        if self.most is not None:
            return judged <= self.most
        return judged >= self.least if self.least is not None else None


def best_other(line: Line, values: Mapping[str, float]) -> str | None:
    """Return the best side of a round that the line is compared with; without ``against``, of all but ours."""
    others = [side for side in values if side != HERE and side.startswith(line.against)]
    return (max if line.more_is_better else min)(others, key=lambda side: values[side], default=None)


SUITES = (
    Suite("drain"),
    Suite("clients"),
    Suite("submit"),
    Suite("requests"),
    Suite("latency"),
    Suite("bulk"),
    Suite("memory"),
    Suite("flat", rounds=3),
    Suite("footprint", rounds=3),
    Suite("dataset", rounds=3),
)

_FLAT = "beside 1,000,000 jobs, in µs"
_OVER_ALL = "over 3,000,000 rows, without the plot, in ms"

LINES = {
    line.name: line
    for line in (
        Line("ping", "PINGs of one redis-py connection, a second", more_is_better=True),
        Line("drain-1", "Drain, one child, jobs/s", least=1, against="BullMQ", more_is_better=True),
        Line("drain-2", "Drain, two children, jobs/s", least=1, against="BullMQ", more_is_better=True),
        Line("redis-cpu", "CPU of Redis for a drained job, in µs", most=45),
        Line("redis-script", "Part of it in scripts, in µs"),
        Line("idle-p50", "Idle latency, from adding a job to its result, median, in ms", most=1, against="Huey"),
        Line("idle-p99", "The same, p99, in ms", most=1, against="Huey"),
        Line("idle-tail", "The same, p99 to median", most=2),
        Line("http-p50", "Idle latency over HTTP, `POST`, then `?wait=`, median, in ms", most=1.6),
        Line("http-p99", "The same, p99, in ms", most=3.2),
        Line("add-one", "Jobs added one by one from Python, a second", more_is_better=True),
        Line("submit-sync", "HTTP, one job a request, 2 sync processes, jobs/s", None, 1, "HotQueue", True),
        Line("submit-process", "The same, one process, theirs with 8 threads, jobs/s", None, 1, "HotQueue", True),
        Line("submit-default", "The same, our default, theirs with 8 threads, jobs/s", None, 2, "HotQueue", True),
        Line("cpu-post", "CPU of one `POST /jobs` in the process, in µs", most=250),
        Line("cpu-get", "CPU of one `GET /jobs/<id>`, in µs", most=170),
        Line("bulk-client", "Bulk of 1,000 from Python, jobs/s", least=1, against="BullMQ", more_is_better=True),
        Line("bulk-http", "Bulk of 1,000 over HTTP, one client, jobs/s", least=40_000, more_is_better=True),
        Line("bulk-script", "Longest script of a bulk of 10,000, in ms", most=20),
        Line("redis-memory", "Redis memory for a finished job, in bytes", most=600),
        Line("flat-submit", f"Add a job, {_FLAT}", most=1.2, against="1,000 jobs"),
        Line("flat-take", f"Take and finish a job, {_FLAT}", most=1.2, against="1,000 jobs"),
        Line("flat-job", f"Read a job, {_FLAT}", most=1.2, against="1,000 jobs"),
        Line("flat-page", f"First page, {_FLAT}", most=1.2, against="1,000 jobs"),
        Line("flat-filter", f"First page of a status, {_FLAT}", most=1.2, against="1,000 jobs"),
        Line("flat-filters", f"First page of a status and an analysis, {_FLAT}", most=1.2, against="1,000 jobs"),
        Line("flat-stats", f"Statistics, {_FLAT}", most=1.2, against="1,000 jobs"),
        Line("wait-1", "`?wait=` of a job of 5 ms, answered after its end, median, in ms", most=2),
        Line("wait-40", "The same, with 40 others waiting, in ms", most=2),
        Line("memory-parent", "Memory before the first job, parent, in MB", most=35),
        Line("memory-child", "The same, child, in MB", most=66),
        Line("idle-workers", "CPU of Redis for 200 idle workers under one parent, in %", most=2),
        Line("idle-parents", "CPU of Redis for 200 idle workers under 100 parents, in %", most=1),
        Line("start", "From `make run` to the first completed job, in s", most=3),
        Line("data-parquet", "`POST /data`, 3,000,000 rows of Parquet, in s", most=1.5, against="polars"),
        Line("data-csv", "`POST /data`, the same rows of CSV, in s", most=1.5, against="polars"),
        Line("data-peak", "API memory while loading, multiple of the frame", most=2.5),
        Line("data-rest", "API memory at rest, multiple of the frame", most=1.5),
        Line("data-second", "Memory of a second API process, multiple of the frame", most=0.2),
        Line("data-child", "Memory of a worker's child, multiple of the frame", most=2),
        Line("data-search", "Search, in ms", most=1, against="DuckDB"),
        Line("data-first", "First search for digits, in ms", most=150),
        Line("data-record", "`GET /data/<id>`, in ms", most=2),
        Line("data-summary", f"Summary {_OVER_ALL}", most=1.2, against="polars"),
        Line("data-histogram", f"Histogram {_OVER_ALL}", most=1.2, against="polars"),
        Line("data-groups", f"Groups {_OVER_ALL}", most=1.2, against="polars"),
        Line("data-timeseries", f"Time series {_OVER_ALL}", most=1.2, against="polars"),
        Line("data-start", "Start of a job in a worker that has the version, in ms", most=5),
    )
}
