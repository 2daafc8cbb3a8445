"""Loads changed files of analyses, before a request that may use them."""

from __future__ import annotations

import logging

from flask import Flask

from analyses import get_registry, reload_if_changed
from config.events import Event
from config.logs import log_unavailable

__all__ = ["install"]

_log = logging.getLogger("api")


def install(app: Flask, *, reload: bool) -> None:
    """Log the analyses that cannot be used; with ``reload``, compare their files before each request."""
    log_unavailable(get_registry().broken)
    if reload:
        app.before_request(_reload)


def _reload() -> None:
    if reload_if_changed():
        found = get_registry()
        _log.info(Event.ANALYSES_RELOADED, extra={"count": len(found.analyses)})
        log_unavailable(found.broken)
