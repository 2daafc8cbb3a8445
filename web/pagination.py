"""Pagination of lists: limit, opaque cursor, and the link to the next page."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import urlencode

from flask import g, request

from web.links import path_to
from web.query_params import int_param, invalid, parameter

__all__ = ["next_link", "read_cursor", "read_limit"]


def read_limit() -> int:
    """Return the number of entries of a page: ``?limit=``, by default 100, at most 1000."""
    return int_param("limit", 100, most=1000)


def read_cursor() -> str | None:
    """Return the cursor that ``next_link`` was given for this page, or None for the first page."""
    text = parameter("cursor")
    if text is None:
        return None
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise invalid("cursor", "Not a cursor of this list: take it from `next`, unchanged.") from None


def next_link(cursor: str | None) -> tuple[str | None, dict[str, str]]:
    """Return the link to the page that starts at ``cursor``, and its headers (RFC 8288)."""
    if cursor is None:
        return None, {}
    opaque = base64.urlsafe_b64encode(cursor.encode()).decode().rstrip("=")
    query = {name: text for name, text in g.query.items() if name != "offset"} | {"cursor": opaque}
    address = f"{path_to(request.path)}?{urlencode([*g.fields, *query.items()])}"
    return address, {"Link": f'<{address}>; rel="next"'}
