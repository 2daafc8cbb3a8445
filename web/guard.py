"""Keeps other web sites out: any page that a browser shows could otherwise post to a loopback address."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from flask import Flask, request

from .problems import Problem

__all__ = ["install"]

_SAFE = {"GET", "HEAD", "OPTIONS", "TRACE"}
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def install(app: Flask, allowed_hosts: str) -> None:
    """Refuse a ``Host`` not in the comma-separated ``allowed_hosts``, and unsafe requests from a foreign origin."""
    allowed = {name.strip().lower() for name in allowed_hosts.split(",")}

    def check() -> None:
        _check_host(allowed)
        if request.method not in _SAFE:
            _check_origin()

    app.before_request(check)


def _check_host(allowed: set[str]) -> None:
    host = request.headers.get("Host")
    if host is None:
        # HTTP/1.1 demands the header; before that there was none, nor a browser to be tricked.
        if request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
            return
        raise Problem("malformed", "The request has no Host header.")
    if _name(host) not in allowed:
        raise Problem(
            "forbidden-host",
            "This server does not answer to the name in the Host header; if it should, add it to ALLOWED_HOSTS.",
        )


def _name(host: str) -> str:
    """The host without its port: ``[::1]:5000`` is ``[::1]``."""
    return re.sub(r"(?<=[^:]):\d*$", "", host.strip().lower(), flags=re.ASCII)


def _check_origin() -> None:
    site = request.headers.get("Sec-Fetch-Site", "").strip().lower()
    origin = request.headers.get("Origin")
    if site == "cross-site" or (origin is not None and not _is_own(origin)):
        raise Problem("forbidden-origin", "Requests that change something are not taken from other web sites.")


def _is_own(origin: str) -> bool:
    try:
        parts = urlsplit(origin.strip().lower())
    except ValueError:
        return False
    default_port = _DEFAULT_PORTS.get(parts.scheme)
    host = request.headers.get("Host", "").strip().lower()
    return (
        default_port is not None
        and host != ""
        and (parts.netloc.removesuffix(default_port) == host.removesuffix(default_port))
    )
