"""Routes other than data and jobs: analyses, workers, statistics, health, help."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, request

import jobs
from analyses import get_registry
from web.help import help_text
from web.links import path_to
from web.metrics import metrics_response
from web.problems import PROBLEMS, Problem
from web.query_params import parameters
from web.responses import json_response, text_response
from web.ui.overview import overview_page
from web.ui.pages import prefers_html

__all__ = ["routes"]

routes = Blueprint("rest", __name__)


@routes.get("/")
@parameters()
def root() -> Response:
    """Where everything is; with `Accept: text/html` the dashboard."""
    if prefers_html():
        return overview_page()
    names = ("data", "jobs", "analyses", "workers", "stats", "metrics", "health", "ready", "help", "docs")
    return json_response({"links": {name: path_to(f"/{name}") for name in names}}, headers={"Vary": "Accept"})


@routes.get("/analyses")
@parameters()
def list_analyses() -> Response:
    """The analyses, with the JSON Schema of their parameters, or the error for which they are unavailable."""
    return json_response({"analyses": list(_about_analyses().values())})


@routes.get("/analyses/<name>")
@parameters()
def show_analysis(name: str) -> Response:
    """One analysis."""
    known = _about_analyses()
    if name not in known:
        detail = f"There is no analysis {name[:100]!r}; there are: {', '.join(known)}."
        raise Problem("unknown-analysis", detail, status=404)
    return json_response(known[name])


@routes.get("/workers")
@parameters()
def list_workers() -> Response:
    """The workers that live, and the job that each holds."""
    return json_response({"workers": jobs.get_workers()})


@routes.get("/stats")
@parameters()
def show_stats() -> Response:
    """Queue length, jobs by status, jobs that need a worker, longest wait, workers, throughput of the last minute."""
    return json_response(jobs.get_stats())


@routes.get("/metrics")
@parameters()
def show_metrics() -> Response:
    """Metrics for Prometheus, as text or as OpenMetrics by `Accept`."""
    return metrics_response()


@routes.get("/health")
@parameters()
def show_health() -> Response:
    """Whether this process answers; asks nobody else."""
    return json_response({"status": "ok"})


@routes.get("/ready")
@parameters()
def show_readiness() -> Response:
    """Whether Redis answers too; 503 if not."""
    jobs.ping()
    return json_response({"status": "ready"})


@routes.get("/help")
@parameters()
def show_help() -> Response:
    """This page."""
    return text_response(help_text(current_app, request.host_url.rstrip("/") + path_to("")))


@routes.get("/problems/<slug>")
@parameters()
def show_problem(slug: str) -> Response:
    """What an error's `type` means."""
    if slug not in PROBLEMS:
        raise Problem("not-found", f"There is no problem of this type; there are: {', '.join(PROBLEMS)}.")
    status, title = PROBLEMS[slug]
    return text_response(f"{title} (status {status}). The answer's `detail` and `errors` say what to do.\n")


def _about_analyses() -> dict[str, dict[str, Any]]:
    """Return the analyses by name, sorted; those that cannot be used have an ``error``."""
    found = get_registry()
    about: dict[str, dict[str, Any]] = {
        name: {"name": name, "description": "", "params": {}, "error": str(error)}
        for name, error in found.broken.items()
    }
    for name, each in found.analyses.items():
        about[name] = {"name": name, "description": each.description, "params": each.params_schema()}
    return dict(sorted(about.items()))
