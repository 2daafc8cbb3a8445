"""The id of a request: that of the client's ``X-Request-Id``, or a new one."""

from __future__ import annotations

import random
import re

from flask import Flask, Response, has_request_context

from config.logs import set_request_id_source
from web.routing import current_globals, current_request

__all__ = ["current_request_id", "find_request_id", "install", "request_id_from"]

_GIVEN = re.compile("[!-~]{1,128}")
_GIVEN_IN_HEAD = re.compile(rb"^x-request-id:[ \t]*([!-~]{1,128})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


def install(app: Flask) -> None:
    """Give each request an id; return it in each response, and add it to the log lines of the request."""
    app.after_request(_echo)
    set_request_id_source(lambda: current_request_id() if has_request_context() else None)


def current_request_id() -> str:
    """Return the id of the current request."""
    values = current_globals()
    request_id: str | None = values.get("request_id")
    if request_id is None:
        given = current_request().environ.get("HTTP_X_REQUEST_ID", "")
        request_id = values.request_id = request_id_from(given)
    return request_id


def request_id_from(given: str) -> str:
    """Return the id that a client gave, or a new one if it cannot be used."""
    return given if given and _GIVEN.fullmatch(given) else f"{random.getrandbits(128):032x}"


def find_request_id(head: bytes) -> str:
    """Return the id in the head of a request that cannot be parsed, or is not complete; '' if there is none."""
    given = _GIVEN_IN_HEAD.search(head)
    return given[1].decode() if given else ""


def _echo(response: Response) -> Response:
    response.headers.add("X-Request-Id", current_request_id())  # set here alone: `add` does not look for it
    return response
