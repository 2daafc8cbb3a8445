"""The list of jobs."""

from __future__ import annotations

from flask import Blueprint, Response

import jobs
from web.query_params import parameters
from web.ui.pages import render_page

__all__ = ["routes"]

routes = Blueprint("ui_jobs", __name__)


@routes.get("/ui/jobs")
@parameters()
def list_jobs() -> Response:
    """The jobs as a page, newest first."""
    return render_page("jobs.html", page=jobs.get_jobs(limit=50))
