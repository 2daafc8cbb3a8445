"""Paths as clients see them: behind ``URL_PREFIX``, or wherever else the application is mounted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from flask import Flask, request

from config.settings import InvalidSetting

__all__ = ["install", "path_to"]


def install(app: Flask, prefix: str) -> None:
    """Take requests with ``prefix`` and without it, since a proxy may strip it or not; links have it in both cases.

    :raises InvalidSetting: a route of ``app`` begins like the prefix, so that a path could mean either.
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
    """Return the path of a link to ``path``, which is that of a route."""
    return quote(request.script_root) + path
