"""The dashboard's pages of the data, of new jobs and of analyses.

They read the dataset and submit jobs, which `web.ui`, where the other pages are, may not.
"""

from __future__ import annotations

from flask import Flask

from pages import analyses, data, new_job, upload

__all__ = ["install"]


def install(app: Flask) -> None:
    """Register the pages."""
    for module in (data, upload, new_job, analyses):
        app.register_blueprint(module.routes)
