"""The list of jobs, its filters, and acting on all jobs that match them."""

from __future__ import annotations

from typing import cast

from flask import Blueprint, Response, current_app, g

import jobs
from analyses import get_registry
from web import pagination
from web.bulk_actions import FILTERS, act, operation_json, read_filters
from web.query_params import enum_param, int_param, parameter, parameters
from web.representations import reserve_page
from web.ui.pages import redirect_to, render_page

__all__ = ["routes"]

_OUTCOME = ("done", "matched", "changed", "operation")
_ACTIONS = ("cancel", "retry", "delete")
_PAGE = 50
_MOST = 1_000_000_000

routes = Blueprint("ui_jobs", __name__)


@routes.get("/ui/jobs")
@parameters(*FILTERS, "cursor", *_OUTCOME)
def list_jobs() -> Response:
    """The jobs as a page, newest first."""
    filters = _given_filters()
    found = jobs.get_jobs(
        **read_filters()._asdict(), limit=_PAGE, cursor=pagination.read_cursor(), reserve=reserve_page
    )
    done = enum_param("done", _ACTIONS)
    counts = {name: int_param(name, 0, least=0, most=_MOST) for name in ("matched", "changed") if name in g.query}
    operation = jobs.operations().get(parameter("operation") or "")
    g.query = filters
    following, _ = pagination.next_link(found.next)
    return render_page(
        "jobs.html",
        page=found,
        filters=filters,
        following=following,
        statuses=list(jobs.Status),
        analyses=sorted(get_registry().analyses),
        done=done,
        counts=counts,
        operation=operation and operation_json(operation),
    )


@routes.post("/ui/jobs/cancel", defaults={"action": "cancel"})
@routes.post("/ui/jobs/retry", defaults={"action": "retry"})
@routes.post("/ui/jobs/delete", defaults={"action": "delete"})
@parameters(*FILTERS)
def act_on_all(action: str) -> Response:
    """Cancel, retry or delete all jobs that match the filters, and return to the list."""
    filters = _given_filters()
    operation, _ = act(action, read_filters())
    if operation.status is jobs.Status.COMPLETE:
        return redirect_to("/ui/jobs", **filters, done=action, matched=operation.matched, changed=operation.done)
    return redirect_to("/ui/jobs", **filters, operation=operation.id)


@routes.post("/ui/operations/<oid>/cancel")
@parameters()
def cancel_operation(oid: str) -> Response:
    """Stop acting on all jobs that match, and return to the list."""
    cast(Response, current_app.view_functions["bulk actions.cancel_operation"](oid))
    return redirect_to("/ui/jobs", operation=oid)


def _given_filters() -> dict[str, str]:
    """Return the filters that have a value, and leave out the others, which a form sends empty."""
    g.query = {name: text for name, text in g.query.items() if text.strip()}
    return {name: g.query[name] for name in FILTERS if name in g.query}
