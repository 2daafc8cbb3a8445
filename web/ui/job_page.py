"""The page of one job."""

from __future__ import annotations

from flask import Blueprint, Response

import jobs
from web.query_params import parameters
from web.ui.pages import render_page

__all__ = ["routes"]

routes = Blueprint("ui_job", __name__)


@routes.get("/ui/jobs/<jid>")
@parameters()
def show_job(jid: str) -> Response:
    """One job as a page."""
    return render_page("job.html", job=jobs.get_job_by_id(jid))
