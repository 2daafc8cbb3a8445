"""Finds the key of each request, and refuses requests without one."""

from __future__ import annotations

import ipaddress
import logging
from functools import partial

from flask import Flask, Response, g, request

from config.events import Event
from config.settings import Settings
from web.auth import limits, sessions
from web.auth.identity import Role
from web.auth.key_file import KeyFile
from web.auth.permissions import require
from web.auth.sign_in import SIGN_IN, SIGN_OUT, sign_in_page
from web.problems import Problem

__all__ = ["install", "warn_if_open"]

_OPEN = ("/health", "/ready", SIGN_IN)
_STATIC = "/ui/static/"
_SAFE = ("GET", "HEAD", "OPTIONS")
_CHALLENGE = {"WWW-Authenticate": "Bearer"}

_log = logging.getLogger("api")


def install(app: Flask, settings: Settings) -> None:
    """Require a key for each request if there is ``API_KEYS_FILE``; changes need at least the role `submit`.

    :raises InvalidSetting: the file of the keys is broken.
    """
    limits.install(app, settings)
    if not settings.api_keys_file:
        return
    keys = KeyFile(settings.api_keys_file)
    app.extensions["keys"] = keys

    def check() -> Response | None:
        if request.path in _OPEN or request.path.startswith(_STATIC):
            return None
        token = None if "Authorization" in request.headers else sessions.sent_token()
        digest = _find_digest(keys, token)
        key = keys.get(digest) if digest else None
        if digest is None or key is None:
            return _refuse()
        g.key, g.is_still_valid = key, partial(_is_still_valid, keys, digest, token)
        limits.count_request(app.extensions.get("rate limiter"), key)
        if request.method not in _SAFE and request.path != SIGN_OUT:
            require(Role.SUBMIT)
        return None

    app.before_request(check)


def warn_if_open(settings: Settings) -> None:
    """Log a warning if others than the users of this machine can reach the API without a key."""
    if not settings.api_keys_file and not _is_loopback(settings.api_host):
        _log.warning(Event.KEYS_OFF)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _find_digest(keys: KeyFile, token: str | None) -> str | None:
    """Return the digest of the session's key if there is a token, else of the one in the header ``Authorization``."""
    if token:
        return sessions.find(token)
    scheme, _, presented = request.headers.get("Authorization", "").strip().partition(" ")
    return keys.find(presented.strip().encode("latin-1", "replace")) if scheme.lower() == "bearer" else None


def _is_still_valid(keys: KeyFile, digest: str, token: str | None) -> bool:
    return keys.get(digest) is not None and (not token or sessions.find(token) == digest)


def _refuse() -> Response:
    """Return the form to sign in where a page is asked for.

    :raises Problem: 401 ``unauthorized`` elsewhere.
    """
    is_page = request.path == "/" or request.path.startswith("/ui/")
    if is_page and any(kind == "text/html" for kind, _ in request.accept_mimetypes):
        query = request.query_string.decode("latin-1")
        here = request.script_root + request.path + (f"?{query}" if query else "")
        page = sign_in_page(here if request.method == "GET" else "")
        page.headers.update(_CHALLENGE)
        return page
    detail = "Send a key of this service as `Authorization: Bearer KEY`; the operator of the service gives out keys."
    raise Problem("unauthorized", detail, headers=_CHALLENGE)
