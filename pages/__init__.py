"""Pages of the dashboard that read the dataset or submit jobs; `web.ui`, which has the others, may do neither."""

from __future__ import annotations

from flask import Flask

from pages import data, new_job, upload

__all__ = ["install"]


def install(app: Flask) -> None:
    """Register the pages."""
    for module in (data, upload, new_job):
        app.register_blueprint(module.routes)
