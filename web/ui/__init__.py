"""The dashboard: pages rendered here, kept up to date by htmx and server-sent events, and usable without scripts."""

from __future__ import annotations

from flask import Blueprint, Flask

from web.ui import job_list, job_page, pages, static_files
from web.ui.pages import prefers_html, redirect_to, render_page

__all__ = ["install", "prefers_html", "redirect_to", "render_page"]


def install(app: Flask) -> None:
    """Register the pages of the dashboard, its templates and its static files."""
    pages.install(app)
    static_files.install(app)
    app.register_blueprint(Blueprint("ui_templates", __name__, template_folder="templates"))
    for module in (job_list, job_page):
        app.register_blueprint(module.routes)
