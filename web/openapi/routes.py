"""``/openapi.json``, and ``/docs``: its page, with Swagger UI served from here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, current_app

from analyses import Registry, get_registry
from web.links import path_to
from web.openapi.document import build_document
from web.problems import Problem
from web.query_params import parameters
from web.responses import with_etag

__all__ = ["install"]

_STATIC = Path(__file__).parent / "static"
_SCRIPT = "text/javascript; charset=utf-8"
_MEDIA_TYPES = {"start.js": _SCRIPT, "swagger-ui-bundle.js": _SCRIPT, "swagger-ui.css": "text/css; charset=utf-8"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_routes = Blueprint("openapi", __name__)


class _Document:
    """The document of an application, as JSON: built by the first request, and again after analyses have changed."""

    def __init__(self, job_request: Mapping[str, Any], uploads: Iterable[str]) -> None:
        self._job_request = job_request
        self._uploads = tuple(uploads)
        self._built: tuple[Registry, str, bytes] | None = None

    def text(self, server: str) -> bytes:
        """Return the document for routes below the path ``server``."""
        registry, built = get_registry(), self._built
        if built is None or built[0] is not registry or built[1] != server:
            document = build_document(current_app, registry.analyses, self._job_request, self._uploads, server)
            built = registry, server, json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
            self._built = built
        return built[2]


def install(app: Flask, job_request: Mapping[str, Any], uploads: Iterable[str]) -> None:
    """Add the routes of the document.

    :param job_request: the JSON Schema of a posted job.
    :param uploads: the media types of a dataset.
    """
    app.extensions["openapi"] = _Document(job_request, uploads)
    app.register_blueprint(_routes)


@_routes.get("/openapi.json")
@parameters()
def show_document() -> Response:
    """All routes as an OpenAPI 3.1 document."""
    document: _Document = current_app.extensions["openapi"]
    return with_etag(Response(document.text(path_to("")), content_type="application/json"))


@_routes.get("/docs")
@parameters()
def show_page() -> Response:
    """The same for people: a page to read and to try the routes."""
    response = Response((_STATIC / "docs.html").read_bytes(), content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = _POLICY
    return with_etag(response)


@_routes.get("/docs/<name>")
@parameters()
def show_file(name: str) -> Response:
    """One file of that page."""
    if name not in _MEDIA_TYPES:
        raise Problem("not-found", f"There is no such file; there are: {', '.join(_MEDIA_TYPES)}.")
    return with_etag(Response((_STATIC / name).read_bytes(), content_type=_MEDIA_TYPES[name]))
