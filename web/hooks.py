"""Set-up shared by all routes: the routing, and the hooks around each request in their order."""

from __future__ import annotations

from flask import Flask

from config.settings import Settings
from web import budget, metrics, origin_check, problems, query_params, reloading, request_id, responses, routing
from web.auth import guard, sign_in

__all__ = ["install_hooks"]


def install_hooks(app: Flask, settings: Settings) -> None:
    """Install the routing, and the hooks around each request."""
    routing.install(app)
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
