"""`/ui/analyses`: the analyses, their parameters, and the newest plot of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from flask import Blueprint, Response

import jobs
from analyses import Analysis, get_registry
from pages.fields import Field, make_fields, to_text
from web.links import path_to
from web.query_params import parameters
from web.ui import render_page

__all__ = ["routes"]

_NEWEST = 5
_IMAGES = ("image/svg+xml", "image/png")
_KINDS = {
    "column": "a column",
    "columns": "columns",
    "boolean": "yes or no",
    "text": "text",
    "scalar": "text or a number",
    "lines": "a list of values",
    "json": "JSON",
}

routes = Blueprint("ui_analyses", __name__)


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot of the newest job of an analysis that has one."""

    job: str
    address: str


@routes.get("/ui/analyses")
@parameters()
def show_analyses() -> Response:
    """Page: the analyses, with their parameters, and those that cannot be used."""
    registry = get_registry()
    plots = {name: _newest_plot(name) for name in registry.analyses}
    return render_page(
        "analyses.html",
        analyses=registry.analyses,
        params={name: _params(each) for name, each in registry.analyses.items()},
        plots=plots,
        broken={name: str(error) for name, error in registry.broken.items()},
    )


def _params(analysis: Analysis) -> list[tuple[Field, str]]:
    """Return the fields of the parameters, each with its values in words."""
    return [(field, _in_words(field)) for field in make_fields(analysis.params_schema(), {})]


def _in_words(field: Field) -> str:
    if field.kind == "group":
        return ", ".join(f"{each.name}: {_in_words(each)}" for each in field.fields)
    if field.kind in ("choice", "choices"):
        words = ", ".join(to_text(option) for option in field.options)
        return words if field.kind == "choice" else f"any of {words}"
    if field.kind == "number":
        kind = "a whole number" if field.step == "1" else "a number"
        low, high = (None if end is None else f"{end:,.15g}" for end in (field.minimum, field.maximum))
        return kind + (f" from {low}" if low else "") + (f" to {high}" if high else "")
    return _KINDS[field.kind]


def _newest_plot(analysis: str) -> Plot | None:
    for job in jobs.get_jobs(analysis=analysis, limit=_NEWEST).jobs:
        if job["status"] == jobs.Status.COMPLETE and (name := _image_of(job)) is not None:
            return Plot(job["id"], path_to(f"/jobs/{job['id']}/results/{quote(name, safe='')}"))
    return None


def _image_of(job: Mapping[str, object]) -> str | None:
    try:
        artifacts = jobs.open_results(str(job["id"])).artifacts
    except jobs.ResultsGone:
        return None
    names = {each["type"]: each["name"] for each in reversed(artifacts)}
    return next((names[kind] for kind in _IMAGES if kind in names), None)
