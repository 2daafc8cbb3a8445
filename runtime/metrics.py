"""Serves the counts of a worker to Prometheus, on a port of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from config import __version__
from jobstore import ReleaseReason
from runtime.meters import BUCKETS, OUTCOMES
from runtime.worker_counts import WorkerCounts

__all__ = ["serve_metrics", "worker_registry"]

_ANALYSIS = ("analysis",)
_BOUNDS = [*map(str, BUCKETS), "+Inf"]


class _WorkerCollector(Collector):
    def __init__(self, counts: WorkerCounts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        analyses, redis_errors = self._counts.read()
        waited = HistogramMetricFamily("jobs_waited_seconds", "Seconds in the queue, of attempts.", labels=_ANALYSIS)
        ran = HistogramMetricFamily("jobs_run_seconds", "Seconds from start to end, of attempts.", labels=_ANALYSIS)
        help = "Attempts that have ended, by analysis and outcome."
        attempts = CounterMetricFamily("jobs_attempts", help, labels=("analysis", "outcome"))
        for analysis, meters in sorted(analyses.items()):
            _add_histogram(waited, analysis, meters.waited)
            _add_histogram(ran, analysis, meters.ran)
            for outcome, count in zip(OUTCOMES, meters.ended, strict=True):
                attempts.add_metric((analysis, outcome), count)
        yield from (waited, ran, attempts)
        exits = CounterMetricFamily("jobs_child_exits", "Child processes that have exited.", labels=("reason",))
        for reason in ReleaseReason:
            exits.add_metric((reason,), self._counts.child_exits[reason])
        yield exits
        yield GaugeMetricFamily("jobs_children", "Child processes, with those that stand by.", self._counts.children)
        help = "Workers whose lease expired, and whose jobs this worker released."
        yield CounterMetricFamily("jobs_leases_lost", help, self._counts.leases_lost)
        yield CounterMetricFamily("jobs_redis_errors", "Calls that failed because of Redis.", redis_errors)
        yield InfoMetricFamily("jobs_build", "The version of the service.", {"version": __version__})


def worker_registry(counts: WorkerCounts) -> CollectorRegistry:
    """Return the metrics of a worker."""
    registry = CollectorRegistry()
    registry.register(_WorkerCollector(counts))
    ProcessCollector(registry=registry)
    return registry


def serve_metrics(counts: WorkerCounts, host: str, port: int) -> None:
    """Serve the metrics of a worker in a thread of their own; if the port cannot be used, end the process."""
    try:
        start_http_server(port, host, worker_registry(counts))
    except OSError as error:
        sys.exit(f"METRICS_HOST={host!r}, METRICS_PORT={port}: cannot listen there ({error.strerror})")


def _add_histogram(family: HistogramMetricFamily, analysis: str, cells: list[float]) -> None:
    """Add a histogram: counts by bucket, which Prometheus has cumulated, then the sum."""
    *counts, total = cells
    family.add_metric((analysis,), list(zip(_BOUNDS, accumulate(counts), strict=True)), total)
