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
    """Return how long the job waited and ran. The record has the times of its last attempt only."""
    running = job["status"] == jobs.Status.IN_PROGRESS
    ran = seconds_between(job["started"], job["ended"]) if job["started"] and (job["ended"] or running) else None
    until = job["started"] if ran is not None else job["ended"]
    waited = seconds_between(job["created"], until) or 0.0
    before = job["attempt"] - 1 if ran is not None else job["attempt"]
    label = f"waited, and {_attempts(before)} before" if before else "waited"
    spans: list[tuple[str, str, float]] = [("wait", label, waited)]
    if ran is not None:
        spans.append(("run", f"attempt {job['attempt']} {'has been running' if running else 'ran'}", ran))
    whole = sum(seconds for _, _, seconds in spans) or 1.0
    return [_Span(kind, f"{text} {duration(seconds)}", seconds, seconds / whole) for kind, text, seconds in spans]


def _attempts(count: int) -> str:
    return "1 attempt" if count == 1 else f"{count} attempts"
