"""Sessions of the dashboard: a random token in a cookie; Redis has the token's hash and the digest of the key.

A session ends with its time, by signing out, or when the key leaves the file. Nothing in the file or in Redis is enough
to make a cookie.
"""

from __future__ import annotations

import secrets

from flask import Response, request

import jobs
from config.api_keys import digest_of

__all__ = ["COOKIE", "begin", "end", "find", "sent_token"]

COOKIE = "jobs_session"
_SECONDS = 12 * 3600


def begin(response: Response, digest: str) -> None:
    """Begin a session of the key with this digest, and set its cookie."""
    token = secrets.token_urlsafe(32)
    jobs.rd.set(_name(token), digest, ex=_SECONDS)
    response.set_cookie(COOKIE, token, _SECONDS, path=_path(), secure=_is_https(), httponly=True, samesite="Strict")


def sent_token() -> str | None:
    """Return the token in the request's cookie, which may belong to no session."""
    return request.cookies.get(COOKIE)


def find(token: str) -> str | None:
    """Return the digest of the key that the token's session was begun with; None without a session."""
    kept: bytes | None = jobs.rd.get(_name(token))  # type: ignore[assignment]
    return kept.decode() if kept else None


def end(response: Response) -> None:
    """End the request's session and remove its cookie."""
    if token := sent_token():
        jobs.rd.delete(_name(token))
    response.delete_cookie(COOKIE, path=_path(), secure=_is_https(), httponly=True, samesite="Strict")


def _name(token: str) -> str:
    return f"session.{digest_of(token.encode(errors='replace'))}"


def _path() -> str:
    return request.script_root or "/"


def _is_https() -> bool:
    """Return whether the browser talks TLS, which a proxy may end: its ``Origin`` shows the page's own scheme."""
    schemes = (request.scheme, request.headers.get("Origin", ""), request.headers.get("X-Forwarded-Proto", ""))
    return any(scheme.lower().startswith("https") for scheme in schemes)
