"""Routing of requests: the adapter of a host is found once, and Flask's proxies are resolved once in a hook."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import Flask, Request, g, request
from werkzeug.routing import BaseConverter, MapAdapter

__all__ = ["current_globals", "current_request", "install"]

_MAX_HOSTS = 256


class _AnyText(BaseConverter):
    """Matches any text in a path, including slashes and line ends."""

    regex = r"[\s\S]+"
    part_isolating = False


class _Request(Request):
    """A request whose body is limited by its route alone (``web/request_body.py``)."""

    max_content_length = None


def install(app: Flask) -> None:
    """Install the path converter `text`, and a way to match requests that validates each host once."""
    app.url_map.merge_slashes = False
    app.url_map.converters["text"] = _AnyText
    app.request_class = _Request
    # No view and no hook is a coroutine: Flask need not find out before each call.
    app.ensure_sync = _as_it_is  # type: ignore[method-assign, assignment]
    app.create_url_adapter = partial(_adapter, app, app.create_url_adapter, {})  # type: ignore[method-assign]


def current_request() -> Request:
    """Return the current request itself: each attribute of the proxy takes as long as ten of the request."""
    current: Request = request._get_current_object()  # type: ignore[attr-defined]
    return current


def current_globals() -> Any:
    """Return the object behind ``g``."""
    return g._get_current_object()


def _as_it_is(function: Any) -> Any:
    return function


def _adapter(app: Flask, create: Any, known: dict[tuple[str, str], tuple[str, str]], asked: Request | None) -> Any:
    """Return what ``create``, of Flask, returns; a host that it has accepted is not validated again."""
    if asked is None:
        return None
    environ = asked.environ
    if "HTTP_UPGRADE" in environ or "HTTP_HOST" not in environ:
        return create(asked)
    key = environ["HTTP_HOST"], environ["wsgi.url_scheme"]
    if key not in known:
        adapter = create(asked)
        if len(known) < _MAX_HOSTS:
            known[key] = asked.host, adapter.server_name
        return adapter
    asked.host, server_name = known[key]
    return MapAdapter(
        app.url_map,
        server_name,
        asked.root_path,
        "",
        asked.scheme,
        asked.path if asked.path != "/" else _decoded(environ["PATH_INFO"]),
        environ["REQUEST_METHOD"],
        _decoded(environ.get("QUERY_STRING", "")),
    )


def _decoded(text: str) -> str:
    return text.encode("latin-1").decode(errors="replace")
