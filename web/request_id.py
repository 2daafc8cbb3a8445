"""The id of the current request: that of the client's ``X-Request-Id``, or a new one."""

from __future__ import annotations

import re
import uuid

from flask import Flask, Response, g, request

__all__ = ["current_request_id", "install"]

_GIVEN = re.compile("[!-~]{1,128}")


def install(app: Flask) -> None:
    """Give each request an id, and return it in each response."""
    app.after_request(_echo)


def current_request_id() -> str:
    """Return the id of the current request."""
    if "request_id" not in g:
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if _GIVEN.fullmatch(given) else str(uuid.uuid4())
    request_id: str = g.request_id
    return request_id


def _echo(response: Response) -> Response:
    response.headers["X-Request-Id"] = current_request_id()
    return response
