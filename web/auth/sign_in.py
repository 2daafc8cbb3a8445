"""Signs the dashboard in with a key, and out."""

from __future__ import annotations

import re
from urllib.parse import quote

from flask import Blueprint, Flask, Response, current_app, render_template, request

import jobs
from web.auth import sessions
from web.auth.key_file import KeyFile
from web.links import path_to
from web.problems import Problem
from web.query_params import parameters

__all__ = ["SIGN_IN", "SIGN_OUT", "install", "sign_in_page"]

SIGN_IN = "/ui/sign-in"
SIGN_OUT = "/ui/sign-out"

_FAILURES = "20/minute"
_MAX_FORM_BYTES = 2**14
_OWN_PAGE = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")  # browsers read some other paths as another site's address
_CHALLENGE = {"WWW-Authenticate": "Bearer"}

_routes = Blueprint("auth", __name__, template_folder="../ui/templates")


def install(app: Flask) -> None:
    """Register the routes, and limit the wrong keys that one address may send."""
    app.extensions["sign-in limiter"] = jobs.RateLimiter(jobs.rd, _FAILURES)
    app.register_blueprint(_routes)


def sign_in_page(next: str = "", error: str = "") -> Response:
    """Return the form to sign in, with status 401; it leads to the page ``next``."""
    page = render_template("sign_in.html", url=path_to, next=next, error=error)
    return Response(page.encode(errors="replace"), 401, _CHALLENGE, content_type="text/html; charset=utf-8")


@_routes.post(SIGN_IN)
@parameters()
def sign_in() -> Response:
    """Begin a session of the dashboard with the `key` of a form."""
    request.max_content_length = request.max_form_memory_size = _MAX_FORM_BYTES
    key, next = request.form.get("key", "").strip(), request.form.get("next", "")
    keys: KeyFile | None = current_app.extensions.get("keys")
    if keys is None:
        return _go_to(next)
    limiter: jobs.RateLimiter = current_app.extensions["sign-in limiter"]
    name = f"sign-in {request.remote_addr}"
    usage = limiter.peek(name)
    if not usage.allowed:
        detail = f"Too many wrong keys came from this address: wait {usage.seconds} s."
        raise Problem("too-many-requests", detail, headers={"Retry-After": str(usage.seconds)})
    digest = keys.find(key.encode(errors="replace"))
    if digest is None:
        limiter.hit(name)
        return sign_in_page(next, "This key is not valid.")
    response = _go_to(next)
    sessions.begin(response, digest)
    return response


@_routes.post(SIGN_OUT)
@parameters()
def sign_out() -> Response:
    """End the session of the dashboard."""
    response = _go_to("")
    sessions.end(response)
    return response


def _go_to(page: str) -> Response:
    """Return the redirect to a page of this service, the overview for any other address."""
    path = quote(page, safe="/?&=%+,:@-._~") if _OWN_PAGE.fullmatch(page) else path_to("/")
    return Response(status=303, headers={"Location": path})
