"""Metrics of the API for Prometheus, at ``/metrics``: its requests, and the jobs and the queue as they are in Redis.

With several processes, each answers for all: they count in files, see :func:`share`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial

import prometheus_client
from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, values
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

import jobs
from analyses import get_analyses
from config import __version__
from web.accept import is_named
from web.redis_outage import note_unavailable
from web.routing import current_globals, current_request
from web.shared_counts import ProcessTable

__all__ = [
    "count_redis_error",
    "count_refused",
    "count_submitted",
    "excluded",
    "install",
    "is_shared",
    "metrics_response",
    "share",
]

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_LABELS = ("status", "analysis")
_RETRY_REASONS = [reason for reason in jobs.ReleaseReason if reason is not jobs.ReleaseReason.INVALID]
_ENDED = [status for status in jobs.Status if status.ended]
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
_OPENMETRICS = "application/openmetrics-text"
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


class _Metrics:
    """The metrics that are counted, of one process; or of several, if they are made after :func:`share`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.duration = Histogram(
            "jobs_http_request_duration_seconds",
            "Seconds from a request to its response, without those that it waits for a job to end.",
            ("route", "method", "status"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.durations: dict[tuple[str, str, int], Histogram] = {}
        self.refused = Counter(
            "jobs_http_refused",
            "Malformed or slow requests that were answered without a route.",
            ("status",),
            registry=self.registry,
        )
        self.submitted = Counter("jobs_submitted", "Jobs that were accepted.", ("analysis",), registry=self.registry)
        self.submitted_of = cache(self.submitted.labels)
        self.redis_errors = Counter(
            "jobs_redis_errors", "Requests that failed because of Redis.", registry=self.registry
        )


_own = _Metrics()
_process_table: ProcessTable | None = None


def is_shared() -> bool:
    """Return whether the processes count in files already, of a folder that the environment names."""
    return _FOLDER in os.environ


def share(processes: ProcessTable, folder: str) -> None:
    """Let all processes that are forked from this one count in files in ``folder``, which must be empty.

    A process continues the files of the one before in its row: its counts stay, and no files are left. An empty
    ``folder`` leaves the files to the library, in the folder that the environment names.
    """
    global _own, _process_table
    _process_table = processes
    if not folder:
        return
    os.environ[_FOLDER] = folder
    values.ValueClass = values.MultiProcessValue(processes.own_row)  # type: ignore[no-untyped-call]
    _own = _Metrics()


def install(app: Flask) -> None:
    """Measure each request from here on."""
    app.before_request(_begin)
    app.after_request(_observe)


def metrics_response() -> Response:
    """Return all metrics as Prometheus text, or as OpenMetrics by ``Accept``."""
    accept = request.headers.get("Accept", "").lower()
    # It looks for the name alone.
    is_refused = _OPENMETRICS in accept and not is_named(_OPENMETRICS, "text/plain")
    encode, content_type = choose_encoder("" if is_refused else accept)
    return Response(encode(_registry()), content_type=content_type)


@contextmanager
def excluded() -> Iterator[None]:
    """Leave the time within out of the duration of the current request."""
    begun = time.perf_counter()
    try:
        yield
    finally:
        g.begun += time.perf_counter() - begun


def count_submitted(added: Iterable[jobs.Job]) -> None:
    """Count jobs that were accepted."""
    counts: dict[str, int] = {}
    for job in added:
        counts[job["analysis"]] = counts.get(job["analysis"], 0) + 1
    for analysis, count in counts.items():
        _own.submitted_of(analysis).inc(count)


def count_refused(status: int) -> None:
    """Count a request that the server answered itself."""
    _own.refused.labels(str(int(status))).inc()


def count_redis_error() -> None:
    """Count a request that failed because of Redis."""
    _own.redis_errors.inc()


class _StoredJobs(Collector):
    """Reads the jobs, the queue and the workers from Redis at each scrape; all API processes give the same values."""

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("jobs_build", "The version of the service.", {"version": __version__})
        up = GaugeMetricFamily("jobs_redis_up", "Whether Redis answered this scrape.")
        try:
            stats, totals, backup = jobs.get_stats(), jobs.q.totals(), jobs.get_last_backup()
        except jobs.RedisError as error:
            note_unavailable(error)
            up.add_metric((), 0)
            yield up
            return
        up.add_metric((), 1)
        yield up
        yield _gauge("jobs_stored", "Jobs in Redis, by status.", "status", stats["jobs"])
        waiting = {priority: length for priority, length in stats["queue"].items() if priority != "total"}
        yield _gauge("jobs_queue_length", "Jobs that wait for a worker, by priority.", "priority", waiting)
        help = "Jobs that wait or run, with delayed ones that are due: what autoscalers read."
        yield GaugeMetricFamily("jobs_runnable", help, stats["runnable"])
        oldest = stats["oldest_waiting_seconds"] or 0
        help = "Seconds since the creation of the oldest job that waits for a worker."
        yield GaugeMetricFamily("jobs_oldest_waiting_seconds", help, oldest)
        yield GaugeMetricFamily("jobs_workers", "Worker processes with a valid lease.", stats["workers"])
        help = "Time of the last back-up, in seconds since 1970; 0 if there was none."
        yield GaugeMetricFamily("jobs_last_backup_timestamp_seconds", help, backup)
        limit = jobs.settings.max_queued_jobs
        yield GaugeMetricFamily("jobs_unfinished_limit", "The most unfinished jobs that there may be.", limit)
        ended = CounterMetricFamily("jobs_ended", "Jobs that have ended, by status and analysis.", None, _LABELS)
        retries = CounterMetricFamily("jobs_retries", "Attempts that are repeated, by reason.", None, ("reason",))
        zeros: dict[tuple[str, str], int] = {(status, analysis): 0 for status in _ENDED for analysis in get_analyses()}
        zeros |= {("retry", reason): 0 for reason in _RETRY_REASONS}
        for (outcome, of), count in sorted((zeros | totals).items()):
            if outcome == "retry":
                retries.add_metric((of,), count)
            else:
                ended.add_metric((outcome, of), count)
        yield from (ended, retries)


class _Processes(Collector):
    """The metrics of the client library about processes, added up over those of the API."""

    def collect(self) -> Iterator[Metric]:
        found: dict[str, Metric] = {}
        for pid in _process_table.pids() if _process_table else [os.getpid()]:
            for metric in ProcessCollector(pid=partial(int, pid), registry=None).collect():
                known = found.setdefault(metric.name, metric)
                if known is not metric:
                    combine = min if metric.name == "process_start_time_seconds" else sum
                    known.samples = [
                        sample._replace(value=combine((sample.value, other.value)))
                        for sample, other in zip(known.samples, metric.samples, strict=True)
                    ]
        yield from found.values()


_COLLECTORS = (_StoredJobs(), _Processes())


def _gauge(name: str, help: str, label: str, values: dict[str, int]) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, help, labels=(label,))
    for value, count in values.items():
        gauge.add_metric((value,), count)
    return gauge


def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    for collector in _COLLECTORS:
        registry.register(collector)
    if is_shared():
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(_own.registry)
    return registry


def _begin() -> None:
    current_globals().begun = time.perf_counter()


def _observe(response: Response) -> Response:
    asked = current_request()
    rule, method = asked.url_rule, asked.method
    key = (rule.rule if rule else "none", method if method in _METHODS else "other", response.status_code)
    duration = _own.durations.get(key)
    if duration is None:
        duration = _own.durations[key] = _own.duration.labels(key[0], key[1], str(key[2]))
    duration.observe(time.perf_counter() - current_globals().begun)
    return response
