"""Successful responses: JSON, bytes, and the headers that control caching."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request
from werkzeug.datastructures import Headers

from web.accept import accepted
from web.problems import Problem
from web.routing import current_request

__all__ = [
    "JsonResponse",
    "etag_of",
    "install",
    "json_response",
    "list_response",
    "negotiate",
    "precondition_failed",
    "text_response",
    "with_etag",
]

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_REDIRECTS = (301, 302, 303, 307, 308)
_WITH_BODY = (200, 201, 202)
_WITHOUT_BODY = (204, *_REDIRECTS)


def install(app: Flask) -> None:
    """Set the headers of every response for caches, and for browsers, which must not share it with other sites."""
    app.after_request(_finish)


class JsonResponse(Response):
    """A response of known length, whose headers are complete, and whose addresses are in ASCII."""

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        """Return the headers; those of a 304 and others without a body are changed."""
        return self.headers if self.status_code in _WITH_BODY else super().get_wsgi_headers(environ)


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return ``value`` as compact JSON, its members in their order."""
    body = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
    return JsonResponse(body.encode(errors="replace"), status, headers, content_type="application/json")


def list_response(
    name: str, items: Iterable[Any], others: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    """Return a list as the member ``name``, encoded item by item so that other threads can run; then other members."""
    encoded = (json.dumps(item, ensure_ascii=False, allow_nan=False, separators=(",", ":")) for item in items)
    rest = json.dumps(others, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    body = f'{{"{name}":[{",".join(encoded)}],{rest[1:]}\n'
    return Response(body.encode(errors="replace"), headers=headers, content_type="application/json")


def text_response(text: str) -> Response:
    """Return plain text in UTF-8."""
    return Response(text.encode(errors="replace"), content_type="text/plain; charset=utf-8")


def etag_of(response: Response) -> str:
    """Return the entity tag that ``with_etag`` sets."""
    response.add_etag()
    return response.get_etag()[0] or ""


def with_etag(response: Response, version: str = "") -> Response:
    """Let caches keep the response and revalidate it each time: set ``ETag``, and respond 304 to a match.

    The tag of a response that shows a version of the dataset begins with it.

    :raises Problem: precondition-failed, by ``If-Match``.
    """
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Vary"] = "Accept"
    tag = etag_of(response)
    if version:
        response.set_etag(f"{version}.{tag}")
    if "If-Match" in request.headers and not request.if_match.contains(response.get_etag()[0] or ""):
        raise precondition_failed(response.headers["ETag"])
    # With If-Match, werkzeug ignores If-None-Match and sends the body with a 412.
    response.make_conditional({**request.environ, "HTTP_IF_MATCH": ""})
    return response


def precondition_failed(etag: str) -> Problem:
    """Return the problem of an ``If-Match`` without ``etag``, the quoted entity tag that the resource has now."""
    detail = "If-Match names another version than there is now: read it again."
    return Problem("precondition-failed", detail, headers={"ETag": etag})


def negotiate(offers: Iterable[str]) -> str:
    """Return the media type among ``offers`` that ``Accept`` prefers; the first of those of equal quality.

    :raises Problem: 406, it accepts none of them.
    """
    offers = list(dict.fromkeys(offers))
    accept = accepted()
    if not accept:
        return offers[0]
    best = max(offers, key=lambda offer: (accept.quality(offer), offer in list(accept.values())))
    if accept.quality(best) <= 0:
        detail = f"Accept names none of what there is: {', '.join(offers)}."
        raise Problem("not-acceptable", detail, headers={"Vary": "Accept"})
    return best


def _finish(response: Response) -> Response:
    headers = response.headers
    # `add` does not look for one that there is already, as `set` and `setdefault` do.
    if "Cache-Control" not in headers:
        headers.add("Cache-Control", "no-store")
    headers.add("X-Content-Type-Options", "nosniff")
    headers.add("Cross-Origin-Resource-Policy", "same-origin")
    request, status = current_request(), response.status_code
    if status in _REDIRECTS:
        # The router's own redirects are HTML pages, with an address that does not exist behind a proxy.
        response.set_data(b"")
        response.location = (response.location or "").removeprefix(request.host_url.rstrip("/"))
    if status in _WITHOUT_BODY or (request.method == "OPTIONS" and status < 400):
        del headers["Content-Type"]
    return response
