"""The first page: the queue, what runs, the last hour, and the workers."""

from __future__ import annotations

from flask import Blueprint, Response

import jobs
from web.ui.pages import render_page

__all__ = ["overview_page", "routes"]

routes = Blueprint("ui_overview", __name__)


def overview_page() -> Response:
    """Return the first page."""
    stats, workers = jobs.get_stats(), jobs.get_workers()
    return render_page("overview.html", stats=stats, workers=workers)
