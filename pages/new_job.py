"""`/ui/new`: a form for a job of any analysis, made from the JSON Schema of its parameters."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from flask import Blueprint, Response

import jobs
from analyses import get_registry
from pages.application import settings, store
from pages.field_values import Form
from pages.job_filters import OPERATORS
from pages.job_form import JobForm, form_of
from submission.schema import invalid_body
from submission.validation import submit
from web import metrics
from web.auth import Role, may_act_on, require
from web.problems import Problem, problem_of
from web.query_params import parameter, parameters
from web.request_body import read_form
from web.ui import redirect_to, render_page

__all__ = ["routes"]

_CHOOSE: Final = "choose"
_FROM: Final = "from"

routes = Blueprint("ui_new", __name__)


@routes.get("/ui/new")
@parameters("analysis", _FROM, "search")
def show_form() -> Response:
    """Page: a form for a new job, for an `analysis`, or filled in like the job `from`."""
    description = store().current()
    if jid := parameter(_FROM):
        job: dict[str, Any] = {**jobs.get_job_by_id(jid)}
        return _page(JobForm(description, {**form_of(job, description), _FROM: [job["id"]]}))
    given = {"/analysis": parameter("analysis"), "/search": parameter("search")}
    return _page(JobForm(description, {name: [text] for name, text in given.items() if text}))


@routes.post("/ui/new")
@parameters()
def submit_form() -> Response:
    """Form of the dashboard: submit a job as POST /jobs does, or with `choose` show the fields of another analysis."""
    require(Role.SUBMIT)
    posted: Form = read_form(settings().max_jobs_bytes)
    form = JobForm(store().current(), posted)
    if _CHOOSE in posted:
        return _page(form)
    job, errors = form.job()
    try:
        if errors:
            raise invalid_body([{"pointer": pointer, "detail": detail} for pointer, detail in errors.items()])
        repeated = _repeated(form.text(_FROM))
        added, _ = submit([job], [""], store(), settings().max_params_bytes, None, [{"retry_of": repeated}])
    except Problem as problem:
        return _page(form, problem)
    except (jobs.QueueFull, jobs.QuotaExceeded) as error:
        return _page(form, problem_of(error))
    metrics.count_submitted(added)
    return redirect_to(f"/ui/jobs/{quote(added[0]['id'], safe='')}", done="retry" if repeated else None)


def _repeated(jid: str) -> str | None:
    """Return the job that this one repeats with changes: one that has ended and that the key may retry."""
    try:
        job = jobs.get_job_by_id(jid) if jid else None
    except jobs.JobNotFound:
        return None
    return job["id"] if job and jobs.Status(job["status"]).ended and may_act_on(job) else None


def _page(form: JobForm, problem: Problem | None = None) -> Response:
    registry = get_registry()
    errors = {each.get("pointer", ""): each["detail"] for each in problem.errors} if problem else {}
    response = render_page(
        "new.html",
        problem.status if problem else 200,
        form=form,
        dataset=form.description,
        analyses=registry.analyses,
        unknown=None if form.analysis else registry.broken.get(form.analysis_name, "There is no such analysis."),
        problem=problem,
        errors=errors,
        operators=OPERATORS,
        copied=form.text(_FROM),
    )
    response.headers.update(problem.headers if problem else {})
    return response
