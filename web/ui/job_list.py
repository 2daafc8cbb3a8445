"""The list of jobs, its filters, and acting on all jobs that match them."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g

import jobs
from analyses import get_registry
from web import pagination
from web.query_params import enum_param, parameter, parameters, timestamp_param
from web.representations import reserve_page
from web.ui.pages import render_page

__all__ = ["routes"]

_FILTERS = ("search", "status", "analysis", "tag", "owner", "created_after", "created_before")
_OUTCOME = ("done", "matched", "changed", "operation")
_PAGE = 50

routes = Blueprint("ui_jobs", __name__)


@routes.get("/ui/jobs")
@parameters(*_FILTERS, "cursor", *_OUTCOME)
def list_jobs() -> Response:
    """The jobs as a page, newest first."""
    filters = _given_filters()
    page = jobs.get_jobs(**_listing_filters(), limit=_PAGE, cursor=pagination.read_cursor(), reserve=reserve_page)
    for name in _OUTCOME:
        g.query.pop(name, None)
    following, _ = pagination.next_link(page.next)
    return render_page(
        "jobs.html",
        page=page,
        filters=filters,
        following=following,
        statuses=list(jobs.Status),
        analyses=sorted(get_registry().analyses),
        done=None,
        counts={},
        operation=None,
    )


def _given_filters() -> dict[str, str]:
    """Return the filters that have a value; a form sends the others empty."""
    g.query = {name: text for name, text in g.query.items() if text.strip()}
    return {name: g.query[name] for name in _FILTERS if name in g.query}


def _listing_filters() -> dict[str, Any]:
    """Return the filters as ``jobs.get_jobs`` takes them.

    :raises Problem: invalid.
    """
    values: dict[str, Any] = {name: parameter(name) for name in ("search", "analysis", "tag", "owner")}
    values |= {name: timestamp_param(name) for name in ("created_after", "created_before")}
    values["status"] = enum_param("status", jobs.Status)
    return {name: value for name, value in values.items() if value is not None}
