"""Set-up shared by all routes: path matching, and the hooks around each request in their order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask
from werkzeug.routing import BaseConverter

from config.settings import Settings
from web import budget, metrics, origin_check, problems, query_params, reloading, request_id, responses
from web.auth import guard, sign_in

__all__ = ["install_hooks"]


class _AnyText(BaseConverter):
    """Matches any text in a path, including slashes and line ends."""

    regex = r"[\s\S]+"
    part_isolating = False


def _as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def install_hooks(app: Flask, settings: Settings) -> None:
    """Install the path converter `text`, and the hooks around each request."""
    app.url_map.merge_slashes = False
    app.url_map.converters["text"] = _AnyText
    # No view and no hook is a coroutine: Flask need not find out before each call.
    app.ensure_sync = _as_it_is  # type: ignore[method-assign, assignment]
    request_id.install(app)
    metrics.install(app)
    problems.install(app)
    origin_check.install(app, settings.allowed_hosts)
    guard.install(app, settings)
    sign_in.install(app)
    query_params.install(app)
    responses.install(app)
    budget.install(app, settings.request_memory_mb * 2**20)
    reloading.install(app, reload=settings.reload)
