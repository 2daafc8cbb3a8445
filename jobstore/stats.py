"""Reads the registered workers, and counts of jobs and workers."""

from __future__ import annotations

from typing import Any, NamedTuple

from jobstore.model import Status, rfc3339
from jobstore.scripts import Transitions, by_name

__all__ = ["EndedMinute", "read_ended", "read_stats", "read_workers"]

_MINUTES = 60
_AT_ONCE = 10  # minutes in one call of the script, which then takes less than a millisecond
_LOOKED_AT = 50


class EndedMinute(NamedTuple):
    """The jobs that ended in one minute of the clock: those that failed are ``estimated`` where there are many."""

    begin: str
    ended: int
    failed: int
    estimated: bool


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
        "runnable": stats["runnable"],
        "oldest_waiting_seconds": int(stats["oldest"]) / 1e6 if stats["oldest"] else None,
        "workers": stats["workers"],
        "throughput_last_minute": stats["ended"],
    }


def read_ended(transitions: Transitions) -> list[EndedMinute]:
    """Return the last 60 minutes, oldest first; of jobs that older workers ended, some are looked at."""
    calls = [("ended", back, _AT_ONCE, _LOOKED_AT) for back in range(0, _MINUTES, _AT_ONCE)]
    minutes = [minute for answer in transitions.run_all(calls) for minute in answer[1:]]
    return [
        EndedMinute(rfc3339(begin), ended + older, failed + round(older * among / (looked or 1)), looked < older)
        for begin, ended, failed, older, looked, among in reversed(minutes)
    ]
