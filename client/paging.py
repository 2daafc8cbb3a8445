"""Iterates over the pages of a list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import httpx

from client.transport import Transport

__all__ = ["pages"]

_MAX_PAGE = 1000


def pages(
    transport: Transport, path: str, member: str, query: Sequence[tuple[str, str]], limit: int | None
) -> Iterator[Any]:
    """Iterate over the entries of a list, at most ``limit``, asking for each page when its first entry is needed.

    :raises ApiError: as :meth:`Transport.request`.
    """
    left = limit
    cursor: str | None = None
    while left is None or left > 0:
        size = [("limit", str(_MAX_PAGE if left is None else min(left, _MAX_PAGE)))]
        place = [] if cursor is None else [("cursor", cursor)]
        page = transport.request("GET", path, params=[*query, *size, *place]).json()
        entries = page[member]
        yield from entries
        left = None if left is None else left - len(entries)
        if page["next"] is None:
            return
        # Only the cursor is taken: behind a proxy the address may be another one here.
        cursor = httpx.URL(page["next"]).params["cursor"]
