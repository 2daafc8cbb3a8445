"""Rejects requests from pages of other web sites, which could otherwise post to a loopback address."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Flask, Request

from web.problems import Problem
from web.routing import current_request

__all__ = ["install"]

# These are cheap and reveal nothing about jobs or data.
_OPEN_TO_SITES = {"/health", "/help"}
_SAFE = {"GET", "HEAD", "OPTIONS", "TRACE"}
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def install(app: Flask, allowed_hosts: str) -> None:
    """Reject a ``Host`` not in the comma-separated ``allowed_hosts``, and requests by pages of other sites.

    Such pages may not change anything, nor send expensive reads: a search of a large dataset or a wait holds a thread.
    Links from other sites work, because browsers mark them as navigation to a document.
    """
    allowed = {name.strip().lower() for name in allowed_hosts.split(",")}

    def check() -> None:
        request = current_request()
        _check_host(request, allowed)
        if request.method not in _SAFE:
            _check_origin(request)
        elif request.method in ("GET", "HEAD") and request.path not in _OPEN_TO_SITES:
            _check_embedding(request)

    app.before_request(check)


def _requested_host(request: Request) -> str | None:
    """Return the host of a target in absolute form, which overrides the header (RFC 9112, section 3.2.2)."""
    host: str | None = request.environ.get("HTTP_HOST")
    target: str = request.environ.get("RAW_URI", "")
    if target.startswith("/"):
        return host
    scheme, separator, rest = target.partition("://")
    if host is None or not separator or "/" in scheme:
        return host
    return re.split(r"[/?#]", rest, maxsplit=1)[0]


def _check_host(request: Request, allowed: set[str]) -> None:
    host = _requested_host(request)
    if host is None:
        # HTTP/1.1 requires the header; no browser sends HTTP/1.0.
        if request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
            return
        raise Problem("malformed", "The request has no Host header.")
    if _name(host) not in allowed and not _is_scrape(request, host):
        raise Problem(
            "forbidden-host",
            "This server does not answer to the name in the Host header; if it should, add it to ALLOWED_HOSTS.",
        )


def _is_scrape(request: Request, host: str) -> bool:
    """Return whether this is a request for the metrics by address: Prometheus uses the addresses of pods.

    A page of another site that resolves its own name to this server would send that name.
    """
    try:
        ip_address(_name(host).strip("[]"))
    except ValueError:
        return False
    return request.path == "/metrics"


@lru_cache(maxsize=64)
def _name(host: str) -> str:
    """Return the host without its port: ``[::1]`` for ``[::1]:5000``."""
    return re.sub(r"(?<=[^:]):\d*$", "", host.strip().lower(), flags=re.ASCII)


def _check_origin(request: Request) -> None:
    origin = request.environ.get("HTTP_ORIGIN")
    if _fetch_header(request, "SITE") == "cross-site" or (origin is not None and not _is_own(request, origin)):
        raise Problem("forbidden-origin", "Requests that change something are not taken from other web sites.")


def _check_embedding(request: Request) -> None:
    if _fetch_header(request, "SITE") != "cross-site":
        return
    mode = _fetch_header(request, "MODE")
    if mode == "navigate":
        embedded = _fetch_header(request, "DEST") not in ("", "document")
    else:
        # Every browser sends the mode; without it the client is another program.
        embedded = bool(mode or request.query_string)
    if embedded:
        raise Problem("forbidden-origin", "Pages of other web sites may link here, but not load from here.")


def _fetch_header(request: Request, name: str) -> str:
    # The headers of werkzeug take ten times as long for one that is absent.
    value: str = request.environ.get(f"HTTP_SEC_FETCH_{name}", "")
    return value.strip().lower()


def _is_own(request: Request, origin: str) -> bool:
    try:
        parts = urlsplit(origin.strip().lower())
    except ValueError:
        return False
    default_port = _DEFAULT_PORTS.get(parts.scheme)
    host = (_requested_host(request) or "").strip().lower()
    return (
        default_port is not None
        and host != ""
        and (parts.netloc.removesuffix(default_port) == host.removesuffix(default_port))
    )
