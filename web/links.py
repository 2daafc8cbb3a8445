"""Paths as clients see them: below ``URL_PREFIX`` or where the application is mounted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from flask import Flask

from config.settings import InvalidSetting
from web.routing import current_request

__all__ = ["install", "path_to"]


def install(app: Flask, prefix: str) -> None:
    """Accept requests with ``prefix`` and without it, since proxies may strip it; links contain it in both cases.

    :raises InvalidSetting: a route of ``app`` starts with the prefix, so that a path would be ambiguous.
    """
    if not prefix:
        return
    first = prefix.split("/")[1]
    if any(rule.rule.split("/")[1] == first for rule in app.url_map.iter_rules()):
        raise InvalidSetting(f"URL_PREFIX={prefix!r}: the API has a route /{first}, choose another prefix")
    wsgi_app = app.wsgi_app

    def mounted(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if f"{path}/".startswith(f"{prefix}/"):
            path = path.removeprefix(prefix) or "/"
        return wsgi_app({**environ, "PATH_INFO": path, "SCRIPT_NAME": prefix}, start_response)

    app.wsgi_app = mounted  # type: ignore[method-assign]


def path_to(path: str) -> str:
    """Return the path that clients use for the route ``path``."""
    root = current_request().root_path
    return quote(root) + path if root else path
