"""The limits of each API key, and the headers that describe them (draft-ietf-httpapi-ratelimit-headers)."""

from __future__ import annotations

from flask import Flask, Response, g

import jobs
from config.settings import Settings
from web.auth.identity import Key
from web.problems import Problem

__all__ = ["count_request", "install"]

_POLICY = "default"


def install(app: Flask, settings: Settings) -> None:
    """Limit the requests of each key to ``RATE_LIMIT``, and describe the limits in each response."""
    if settings.rate_limit:
        app.extensions["rate limiter"] = jobs.RateLimiter(jobs.rd, settings.rate_limit)
        app.after_request(_describe)


def count_request(limiter: jobs.RateLimiter | None, key: Key) -> None:
    """Count a request of this key.

    :raises Problem: 429 ``too-many-requests``.
    """
    if limiter is None:
        return
    used = limiter.hit(key.name)
    g.rate_limit = (
        f'"{_POLICY}";r={used.remaining};t={used.seconds}',
        f'"{_POLICY}";q={limiter.amount};w={limiter.window_seconds}',
    )
    if not used.allowed:
        detail = f"This key may send {limiter.amount} requests in {limiter.window_seconds} s: wait {used.seconds} s."
        raise Problem("too-many-requests", detail, headers={"Retry-After": str(used.seconds)})


def _describe(response: Response) -> Response:
    if found := g.get("rate_limit"):
        for name, item in zip(("RateLimit", "RateLimit-Policy"), found, strict=True):
            response.headers[name] = ", ".join(filter(None, (item, response.headers.get(name))))
    return response
