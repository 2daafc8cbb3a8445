"""The first page: the queue, what runs, the last hour, and the workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Response

import jobs
from web.ui.pages import render_page

__all__ = ["overview_page"]

_NEWEST = 10
_WORKERS = 100


def overview_page() -> Response:
    """Return the first page."""
    running = {job["id"]: job for job in jobs.get_jobs(status=jobs.Status.IN_PROGRESS, limit=_WORKERS).jobs}
    workers = [(worker, running.get(worker["job"])) for worker in jobs.get_workers()]
    workers.sort(key=lambda pair: (pair[0]["job"] is None, pair[0]["since"]))
    return render_page(
        "overview.html",
        stats=jobs.get_stats(),
        workers=workers[:_WORKERS],
        newest=jobs.get_jobs(limit=_NEWEST).jobs,
        hour=_hour(jobs.get_ended_by_minute()),
    )


def _hour(minutes: Sequence[Any]) -> dict[str, Any]:
    """Return the charts of the last hour, oldest minute first, and their totals."""
    failed = [minute.failed for minute in minutes]
    return {
        "ended": [(m.ended, f"{m.begin[11:16]} UTC: {m.ended} ended") for m in minutes],
        "failed": [(m.failed, f"{m.begin[11:16]} UTC: {m.failed} failed") for m in minutes],
        "total": sum(minute.ended for minute in minutes),
        "most": max(minute.ended for minute in minutes),
        "total_failed": sum(failed),
        "most_failed": max(failed),
        "estimated": any(minute.estimated for minute in minutes),
    }
