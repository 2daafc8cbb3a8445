"""The lines of the performance page: title, target, and the module that measures each one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.figures import HERE

__all__ = ["LINES", "SUITES", "Line", "Suite", "Target", "at_least", "at_most", "best_other"]

AT_MOST, AT_LEAST = "≤", "≥"


@dataclass(frozen=True)
class Suite:
    """A module, and its rounds in a full run; a quick run has ``quick`` rounds."""

    module: str
    rounds: int = 5
    quick: int = 1


@dataclass(frozen=True)
class Target:
    """A limit of a value or, if ``times`` names a side by its beginning, of the ratio to the best such side."""

    sign: str
    limit: float
    times: str = ""

    def __str__(self) -> str:
        return f"{self.sign} {self.limit:,g}" + (f" of {self.times}" if self.times else "")

    def reached(self, judged: float) -> float:
        """Return the multiple of the target that a value or ratio reaches; from 1 on, it is met."""
        return judged / self.limit if self.sign == AT_LEAST else self.limit / judged


@dataclass(frozen=True)
class Line:
    """A figure, its target, and the beginning of the names of the sides that it is compared with."""

    name: str
    title: str
    target: Target | None = None
    beside: str = ""
    more_is_better: bool = False


def at_most(limit: float, times: str = "") -> Target:
    """Return an upper limit, of the value or of its ratio to a side."""
    return Target(AT_MOST, limit, times)


def at_least(limit: float, times: str = "") -> Target:
    """Return a lower limit, of the value or of its ratio to a side."""
    return Target(AT_LEAST, limit, times)


def best_other(line: Line, values: Mapping[str, float]) -> str | None:
    """Return the best of the sides of a round that the line is compared with; None if there is none."""
    start = line.target.times if line.target and line.target.times else line.beside
    others = [side for side in values if side != HERE and side.startswith(start)]
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

_FLAT = at_most(1.2, "1,000 jobs")
_MILLION = "beside 1,000,000 jobs, in µs"
_POLARS = at_most(1.2, "polars")
_ROWS = "over 3,000,000 rows, without the plot, in ms"
_LATE = "`?wait=` of a job of 5 ms, from its end to the answer"
_HTTP = "Jobs accepted over HTTP, one a request"

_LOAD_CSV = ("`POST /data` of 3,000,000 rows of CSV", "s")
_BESIDE = {
    "DuckDB": {
        "csv": _LOAD_CSV,
        "parquet": ("`POST /data` of the same rows of Parquet", "s"),
        "search": ("Search over the text columns", "ms"),
        "search-all": ("Search over all columns", "ms"),
        "summary": ("Summary", "ms"),
        "histogram": ("Histogram", "ms"),
        "groups": ("Groups", "ms"),
        "timeseries": ("Time series", "ms"),
    },
    "Datasette": {
        "csv": _LOAD_CSV,
        "search": ("Search over the text columns", "ms"),
        "record": ("`GET /data/<id>`", "ms"),
    },
}

LINES = {
    line.name: line
    for line in (
        Line("ping", "PINGs of one redis-py connection, a second", more_is_better=True),
        Line("drain-1", "Jobs drained by one child, a second", at_least(1, "BullMQ"), more_is_better=True),
        Line("drain-2", "Jobs drained by two children, a second", at_least(1, "BullMQ"), more_is_better=True),
        Line("worker-cpu", "CPU of the worker for a drained job, in µs", beside="BullMQ"),
        Line("redis-cpu", "CPU of Redis for a drained job, in µs", at_most(45), "BullMQ"),
        Line("redis-script", "CPU of scripts for a drained job, in µs", beside="BullMQ"),
        Line("idle-p50", "Idle latency from a job to its result, median, in ms", at_most(1, "Huey")),
        Line("idle-p99", "Idle latency from a job to its result, p99, in ms", at_most(1, "Huey")),
        Line("idle-tail", "Idle latency from a job to its result, p99 to median", at_most(2)),
        Line("client-p50", "Idle latency from `add_job` to the published end, median, in ms", beside="PING"),
        Line("client-p99", "Idle latency from `add_job` to the published end, p99, in ms", beside="PING"),
        Line("http-p50", "Idle latency over HTTP, `POST`, then `?wait=`, median, in ms", at_most(1.6)),
        Line("http-p99", "Idle latency over HTTP, `POST`, then `?wait=`, p99, in ms", at_most(3.2)),
        Line("add-one", "Jobs added one by one from Python, a second", more_is_better=True),
        Line("submit-sync", f"{_HTTP}, by 2 sync processes, a second", at_least(1, "HotQueue"), "", True),
        Line("submit-rq", f"{_HTTP}, by 2 sync processes, beside RQ, a second", None, "RQ", True),
        Line("submit-process", f"{_HTTP}, by one process, theirs with 8 threads", at_least(1, "HotQueue"), "", True),
        Line("submit-default", f"{_HTTP}, by the default, theirs with 8 threads", at_least(2, "HotQueue"), "", True),
        Line("submit-processes", f"{_HTTP}, by the default, theirs with as many", at_least(1, "HotQueue"), "", True),
        Line("submit-cpu", "CPU of 2 sync processes for a job accepted over HTTP, in µs", beside="HotQueue"),
        Line("cpu-post", "CPU of one `POST /jobs` in the process, in µs", at_most(250)),
        Line("cpu-get", "CPU of one `GET /jobs/<id>` in the process, in µs", at_most(170)),
        Line("bulk-client", "Jobs added from Python, 1,000 a call, a second", at_least(1, "BullMQ"), "", True),
        Line("bulk-http", "Jobs accepted over HTTP, 1,000 a request, a second", at_least(40_000), "", True),
        Line("bulk-script", "Longest script of a bulk of 10,000 jobs, in ms", at_most(20)),
        Line("redis-memory", "Redis memory for a finished job, in bytes", at_most(600), "BullMQ"),
        Line("redis-memory-record", "Redis memory of the record of a finished job, in bytes"),
        Line("redis-memory-jobs.complete", "Redis memory of its entry in `jobs.complete`, in bytes"),
        Line("redis-memory-jobs.analysis.noop", "Redis memory of its entry in `jobs.analysis.<name>`, in bytes"),
        Line("redis-memory-jobs.retention", "Redis memory of its entry in `jobs.retention`, in bytes"),
        Line("redis-memory-queued", "Redis memory for a queued job, in bytes"),
        Line("flat-submit", f"Add a job {_MILLION}", _FLAT),
        Line("flat-take", f"Take and finish a job {_MILLION}", _FLAT),
        Line("flat-job", f"Read a job {_MILLION}", _FLAT),
        Line("flat-page", f"Read the first page {_MILLION}", _FLAT),
        Line("flat-filter", f"Read the first page of a status {_MILLION}", _FLAT),
        Line("flat-filters", f"Read the first page of a status and an analysis {_MILLION}"),
        Line("script-filters", "Longest script of that page, in ms", at_most(5)),
        Line("flat-stats", f"Read the statistics {_MILLION}", _FLAT),
        Line("late-1-p50", f"{_LATE}, median, in ms", at_most(2)),
        Line("late-1-p99", f"{_LATE}, p99, in ms", at_most(2)),
        Line("late-40-p50", f"{_LATE}, beside 40 others, median, in ms", at_most(2)),
        Line("late-40-p99", f"{_LATE}, beside 40 others, p99, in ms", at_most(2)),
        Line("late-same-p50", "The last of 40 answers about one job, from its end, median, in ms"),
        Line("late-same-p99", "The last of 40 answers about one job, from its end, p99, in ms"),
        Line("memory-parent", "Memory of the parent before the first job, in MB", at_most(35)),
        Line("memory-child", "Memory of a child before the first job, in MB", at_most(66)),
        Line("memory-parent-share", "Memory of the parent, shared pages divided, in MB"),
        Line("memory-child-share", "Memory of a child, shared pages divided, in MB"),
        Line("memory-api", "Memory of an API process before the first request, in MB"),
        Line("memory-api-share", "Memory of an API process, shared pages divided, in MB"),
        Line("memory-api-all", "Memory of all API processes, in MB"),
        Line("memory-api-all-share", "Memory of all API processes, shared pages divided, in MB"),
        Line("memory-worker", "Memory of all processes of a worker with one child, in MB"),
        Line("idle-redis-1", "CPU of Redis for 200 idle workers under one parent, in %", at_most(2)),
        Line("idle-redis-2", "CPU of Redis for 200 idle workers under 2 parents, in %"),
        Line("idle-redis-100", "CPU of Redis for 200 idle workers under 100 parents, in %", at_most(1)),
        Line("idle-wakes", "Workers woken for a job while 200 wait", at_most(1)),
        Line("start", "From `make run` to the first completed job, in s", at_most(3)),
        Line("data-parquet", "`POST /data` of 3,000,000 rows of Parquet, in s", at_most(1.5, "polars")),
        Line("data-csv", "`POST /data` of the same rows of CSV, in s", at_most(1.5, "polars")),
        Line("data-peak", "Memory of the API while loading, multiple of the frame", at_most(2.5)),
        Line("data-rest", "Memory of the API at rest, multiple of the frame", at_most(1.5)),
        Line("data-second", "Memory of the dataset in a second API process, multiple of the frame", at_most(0.2)),
        Line("data-child", "Memory of a worker's child, multiple of the frame", at_most(2)),
        Line("data-search", "Search over the text columns, in ms", beside="polars"),
        Line("data-first", "First search for digits, in ms", at_most(150)),
        Line("data-record", "`GET /data/<id>`, in ms", at_most(2)),
        Line("data-summary", f"Summary {_ROWS}", _POLARS),
        Line("data-histogram", f"Histogram {_ROWS}", _POLARS),
        Line("data-groups", f"Groups {_ROWS}", _POLARS),
        Line("data-timeseries", f"Time series {_ROWS}", _POLARS),
        Line("data-search-all", "Search over all columns, in ms", beside="polars"),
        Line("data-facet", "Rows counted by the values of a column, over HTTP, in ms", beside="Datasette"),
        Line("data-begin", "From `created` to `started` of a job of few rows, idle, mean, in ms", at_most(5)),
        Line("data-few", "From `created` to `ended` of that job, mean, in ms"),
        *(
            Line(f"data-{name}-{title.lower()}", f"{figure}, beside {title}, in {unit}", beside=title)
            for title, names in _BESIDE.items()
            for name, (figure, unit) in names.items()
        ),
    )
}
