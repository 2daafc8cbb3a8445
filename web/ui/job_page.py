"""The page of one job, and what its buttons do."""

from __future__ import annotations

from typing import NamedTuple, cast

from flask import Blueprint, Response, current_app

import jobs
from web.query_params import enum_param, parameters
from web.representations import load_results
from web.ui.formats import duration, seconds_between
from web.ui.pages import redirect_to, render_page
from web.ui.result_tables import read_results

__all__ = ["routes"]

_LOG_CHARS = 32 * 1024
_PARAMS_CHARS = 16 * 1024

routes = Blueprint("ui_job", __name__)


@routes.get("/ui/jobs/<jid>")
@parameters("done")
def show_job(jid: str) -> Response:
    """One job as a page: its progress, log, error, results."""
    job = jobs.get_job_by_id(jid)
    log = jobs.get_log(job["id"])
    complete = job["status"] == jobs.Status.COMPLETE
    return render_page(
        "job.html",
        job=job,
        ended=jobs.Status(job["status"]).ended,
        spans=_timeline(job),
        log=log[-_LOG_CHARS:],
        log_cut=len(log) > _LOG_CHARS,
        results=read_results(load_results(job, {})) if complete else None,
        done=enum_param("done", ("cancel", "retry")),
    )


@routes.post("/ui/jobs/<jid>/cancel", defaults={"action": "cancel"})
@routes.post("/ui/jobs/<jid>/retry", defaults={"action": "retry"})
@routes.post("/ui/jobs/<jid>/delete", defaults={"action": "delete"})
@parameters()
def act(jid: str, action: str) -> Response:
    """Cancel, retry or delete a job, and return to its page, to the new job's or to the list."""
    # The API's own view does it, so that a button does what a request does, and needs what it needs.
    answer = cast(Response, current_app.view_functions[f"jobs.{action}_job"](jid))
    if action == "delete":
        return redirect_to("/ui/jobs", done="delete")
    made = answer.get_json()
    return redirect_to(f"/ui/jobs/{made['id']}", done=action)


class _Span(NamedTuple):
    """A part of a job's time: its name, its length in seconds, and its share of the whole."""

    kind: str
    label: str
    seconds: float
    share: float


def _timeline(job: jobs.Job) -> list[_Span]:
    """Return how long the job waited for each attempt, and how long that ran."""
    spans: list[tuple[str, str, float]] = []
    since, last = job["created"], 0
    for attempt in job.get("attempts", []):
        skipped = attempt["attempt"] - last - 1
        spans.append(("wait", _waited(skipped), seconds_between(since, attempt["started"]) or 0.0))
        ran = seconds_between(attempt["started"], attempt["ended"]) or 0.0
        spans.append(("lost", f"attempt {attempt['attempt']} ({attempt['reason']}) ran", ran))
        since, last = attempt["ended"], attempt["attempt"]
    running = job["status"] == jobs.Status.IN_PROGRESS
    if job["started"] and job["attempt"] > last and (job["ended"] or running):
        spans.append(("wait", _waited(job["attempt"] - last - 1), seconds_between(since, job["started"]) or 0.0))
        ran = seconds_between(job["started"], job["ended"]) or 0.0
        spans.append(("run", f"attempt {job['attempt']} {'has been running' if running else 'ran'}", ran))
    elif job["status"] != jobs.Status.FAILED:
        spans.append(("wait", _waited(0), seconds_between(since, job["ended"]) or 0.0))
    whole = sum(seconds for _, _, seconds in spans) or 1.0
    return [_Span(kind, f"{text} {duration(seconds)}", seconds, seconds / whole) for kind, text, seconds in spans]


def _waited(skipped: int) -> str:
    """Return the words for a wait in which attempts were made that the record no longer has."""
    return f"waited, with {skipped} earlier attempt{'s' if skipped > 1 else ''}," if skipped > 0 else "waited"
