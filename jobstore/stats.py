"""Reads the registered workers, and counts of jobs and workers."""

from __future__ import annotations

from typing import Any

from jobstore.model import Status, rfc3339
from jobstore.scripts import Transitions, by_name

__all__ = ["read_stats", "read_workers"]


def read_workers(transitions: Transitions) -> list[dict[str, Any]]:
    """Return ``id``, ``host``, ``pid``, ``since`` and ``job`` of each worker with a valid lease."""
    return [
        {
            "id": worker["id"].decode(),
            "host": worker["host"].decode(),
            "pid": int(worker["pid"]),
            "since": rfc3339(worker["since"]),
            "job": worker["job"].decode() or None,
        }
        for worker in map(by_name, transitions.run("workers")[1:])
    ]


def read_stats(transitions: Transitions) -> dict[str, Any]:
    """Return the queue by priority, jobs by status, the longest wait, workers, and jobs ended in the last minute."""
    stats = by_name(transitions.run("stats", *Status)[1:])
    return {
        "queue": dict(zip(("high", "normal", "low", "total"), stats["waiting"], strict=True)),
        "jobs": dict(zip(map(str, Status), stats["jobs"], strict=True)),
        "oldest_waiting_seconds": int(stats["oldest"]) / 1e6 if stats["oldest"] else None,
        "workers": stats["workers"],
        "throughput_last_minute": stats["ended"],
    }
