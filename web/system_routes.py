"""Routes other than data and jobs: analyses, workers, statistics, health, help."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, request

import jobs
from analyses import Analysis, UnknownAnalysis, get_analyses, get_analysis
from web.help import help_text
from web.links import path_to
from web.problems import PROBLEMS, Problem
from web.query_params import parameters
from web.responses import json_response, text_response

__all__ = ["routes"]

routes = Blueprint("rest", __name__)


@routes.get("/")
@parameters()
def root() -> Response:
    """Where everything is."""
    names = ("data", "jobs", "analyses", "workers", "stats", "health", "ready", "help")
    return json_response({"links": {name: path_to(f"/{name}") for name in names}})


@routes.get("/analyses")
@parameters()
def list_analyses() -> Response:
    """The analyses that there are, with the JSON Schema of their parameters."""
    return json_response({"analyses": [_about(analysis) for analysis in get_analyses().values()]})


@routes.get("/analyses/<name>")
@parameters()
def show_analysis(name: str) -> Response:
    """One analysis."""
    try:
        return json_response(_about(get_analysis(name)))
    except UnknownAnalysis as error:
        raise Problem("unknown-analysis", f"{error}.", status=404) from None


@routes.get("/workers")
@parameters()
def list_workers() -> Response:
    """The workers that live, and the job that each holds."""
    return json_response({"workers": jobs.get_workers()})


@routes.get("/stats")
@parameters()
def show_stats() -> Response:
    """Queue length, jobs by status, age of the oldest waiting job, workers, throughput of the last minute."""
    return json_response(jobs.get_stats())


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


def _about(analysis: Analysis) -> dict[str, Any]:
    return {"name": analysis.name, "description": analysis.description, "params": analysis.params_schema()}
