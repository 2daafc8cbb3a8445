"""Renders pages: what all templates know, the Content-Security-Policy, redirects after forms, and errors as pages."""

from __future__ import annotations

import json
import secrets
from typing import Any
from urllib.parse import quote, urlencode

from flask import Flask, Response, g, render_template, request

from web.accept import is_named
from web.auth import Role, current_key, may, may_act_on
from web.links import path_to
from web.ui import formats
from web.ui.static_files import static

__all__ = ["install", "prefers_html", "redirect_to", "render_page"]

_PROBLEM = "application/problem+json"


def install(app: Flask) -> None:
    """Register what templates know, and the hook that finishes pages."""
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(formats.FILTERS)
    app.jinja_env.globals.update(
        url=path_to,
        static=static,
        may=may,
        may_act_on=may_act_on,
        current_key=current_key,
        nonce=_nonce,
        here=_here,
        Role=Role,
    )
    app.after_request(_finish)


def render_page(template: str, status: int = 200, **context: Any) -> Response:
    """Return a template as a page; texts are escaped."""
    text = render_template(template, **context)
    return Response(text.encode(errors="replace"), status, content_type="text/html; charset=utf-8")


def redirect_to(path: str, **query: Any) -> Response:
    """Return the redirect that follows a form: 303, to a page of the dashboard."""
    given = {name: value for name, value in query.items() if value is not None}
    return Response(status=303, headers={"Location": path_to(path) + (f"?{urlencode(given)}" if given else "")})


def prefers_html() -> bool:
    """Return whether ``Accept`` names ``text/html``, with no lower quality than JSON."""
    return is_named("text/html", "application/json")


def _nonce() -> str:
    """Return the nonce that marks the htmx attributes which the templates wrote; others are removed in the browser."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    nonce: str = g.nonce
    return nonce


def _here() -> str:
    """Return the address of this page with its query."""
    query = request.query_string.decode("latin-1")
    return quote(request.script_root + request.path) + (f"?{query}" if query else "")


def _finish(response: Response) -> Response:
    kind = response.mimetype
    if kind == _PROBLEM and _is_page(request.path) and prefers_html():
        response, kind = _problem_page(response), "text/html"
    if kind == "text/html" and "Content-Security-Policy" not in response.headers:
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; script-src 'self' 'nonce-{_nonce()}'; style-src 'self'; img-src 'self' data:; "
            "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Vary"] = "Accept"
    return response


def _is_page(path: str) -> bool:
    return path == "/" or path.startswith("/ui/")


def _problem_page(response: Response) -> Response:
    """Return the page of an error, with the status and the headers of its problem details."""
    problem = json.loads(response.get_data())
    page = render_page("problem.html", response.status_code, problem=problem)
    kept = {name: value for name, value in response.headers.items() if not name.startswith("Content-")}
    page.headers.update(kept)
    return page
