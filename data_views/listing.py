"""``GET /data``: one page of the records as JSON, or all of them as CSV, NDJSON or Parquet."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

from flask import Response, request

import jobs
from config import __version__
from data_views.dataset import current_dataset, page_room, pinned_dataset, reserve_json
from dataset import EXPORTS, Description, FilterError, Listing, Store, Table, no_records
from web import budget, pagination
from web.problems import Problem
from web.query_params import field_filters, given_parameters, int_param, invalid, parameter
from web.responses import json_response, list_response, negotiate, with_etag

__all__ = ["PARAMETERS", "data_response"]

PARAMETERS = ("search", "sort", "fields", "distinct", "limit", "offset", "cursor")

_JSON = "application/json"
_PARQUET = "application/vnd.apache.parquet"
_CURSOR = re.compile(r"([0-9a-f]{32})\.(\d{1,12})(?:\.([0-9a-f]{32}))?", re.ASCII)
_MAX_OFFSET = 10**12
_EXPANSION = 10  # bytes of text per byte of a table


class _Cursor(NamedTuple):
    """A place in a list of one version: a row, or with the digest of the query a position in that query's order."""

    version: str
    place: int
    digest: str | None

    @classmethod
    def read(cls) -> _Cursor | None:
        text = pagination.read_cursor()
        if text is None:
            return None
        match = _CURSOR.fullmatch(text)
        if match is None:
            raise jobs.InvalidCursor("This cursor is not one that a page gave.")
        if parameter("offset") is not None:
            raise invalid("offset", "Send `offset` or `cursor`, not both.")
        return cls(match[1], int(match[2]), match[3])

    def __str__(self) -> str:
        return ".".join(str(part) for part in self if part is not None)


def data_response(store: Store, media_type: str | None = None) -> Response:
    """Return the records that the query asks for, in this format, by default in the one that ``Accept`` prefers.

    :raises Problem: not-acceptable; invalid, for a cursor of another query; cursor-expired.
    """
    media_type = media_type or negotiate((_JSON, *EXPORTS))
    cursor = _Cursor.read()
    offset, limit = int_param("offset", 0, least=0, most=_MAX_OFFSET), pagination.read_limit()
    found = current_dataset(store) if cursor is None else pinned_dataset(store, cursor.version)
    listing = None if found is None else _read_listing(found[1])
    if found is None or listing is None:
        return _without_dataset(media_type)
    digest = _digest() if listing.is_ordered else None
    if cursor is not None and cursor.digest != digest:
        raise jobs.InvalidCursor("This cursor is of another query.")
    start = {"offset": offset} if cursor is None else {"offset" if listing.is_ordered else "row": cursor.place}
    if media_type == _JSON:
        return _page(found[0], listing, start, limit, digest)
    return _export(media_type, found, listing, start, None if parameter("limit") is None else limit, digest)


def _read_listing(table: Table) -> Listing:
    for name in ("sort", "fields"):
        if parameter("distinct") is not None and parameter(name) is not None:
            raise invalid(name, "`distinct` has an order and columns of its own: leave this out.")
    names = ("search", "sort", "fields", "distinct")
    return Listing(table, filters=field_filters(), hold=budget.hold, **{name: parameter(name) for name in names})


def _page(
    description: Description, listing: Listing, start: dict[str, int], limit: int, digest: str | None
) -> Response:
    page = listing.page(**start, limit=limit, max_bytes=page_room(description), reserve=reserve_json)
    address, headers = _next_link(description, page.next_row, digest)
    members: dict[str, Any] = {"total": page.total, "next": address, "dataset": description.as_json()}
    if page.numbers is not None:
        members["rows"] = page.numbers
    return with_etag(list_response("records", page.records, members, headers), description.version)


def _export(
    media_type: str,
    found: tuple[Description, Table],
    listing: Listing,
    start: dict[str, int],
    limit: int | None,
    digest: str | None,
) -> Response:
    """Return a file of all records, or of a page of them, encoded while it is sent."""
    description, table = found
    response = _file_response(media_type, description.version)
    if response.status_code == 200 and (limit is not None or request.method != "HEAD"):
        export = EXPORTS[media_type]
        size = min(export.memory(len(description.columns)), _EXPANSION * table.memory)
        (budget.hold if export.is_spooled else budget.reserve)(size)
        blocks, following = listing.blocks(**start, limit=limit, max_bytes=page_room(description))
        response.headers.update(_next_link(description, following, digest)[1])
        response.response = _encode(media_type, blocks, listing.schema, listing.record_bytes)
    return response


def _encode(media_type: str, blocks: Any, schema: Any, record_bytes: int) -> Iterator[bytes]:
    """Return the parts of a file, of which the first is encoded here: it may fail."""
    if media_type == _PARQUET and not schema.width:
        raise Problem("not-acceptable", "There are no columns, and a Parquet file needs some: ask for another type.")
    parts = EXPORTS[media_type].encode(blocks, schema, record_bytes)
    return chain([next(parts, b"")], parts)


def _file_response(media_type: str, version: str) -> Response:
    """Return the response with a file's headers, which is 304 if the client has it; its parts are still missing."""
    ending = EXPORTS[media_type].ending
    charset = "; charset=utf-8" if media_type.startswith("text/") else ""
    headers = {"Content-Disposition": f'attachment; filename="data.{ending}"'}
    response = Response(iter(()), content_type=media_type + charset, headers=headers)
    response.set_etag(_hash(__version__, version, media_type, given_parameters(), field_filters()))
    with_etag(response, version)
    # Of the parts so far: their length is not that of the file.
    response.headers.pop("Content-Length", None)
    response.response = iter(())
    return response


def _without_dataset(media_type: str) -> Response:
    named = [name for name, _ in field_filters()]
    named += [name for name in ("sort", "fields", "distinct") if parameter(name) is not None]
    for name in named:
        raise FilterError("No dataset is loaded, so there is no such column.", name)
    if media_type == _JSON:
        return with_etag(json_response({"records": [], "total": 0, "next": None, "dataset": None}))
    response = _file_response(media_type, "")
    if response.status_code == 200:
        response.response = _encode(media_type, *no_records(), 0)
    return response


def _next_link(description: Description, place: int | None, digest: str | None) -> tuple[str | None, dict[str, str]]:
    return pagination.next_link(None if place is None else str(_Cursor(description.version, place, digest)))


def _digest() -> str:
    """Return a hash of the query, as far as it decides the order of the list."""
    return _hash(parameter("search") or None, parameter("sort"), parameter("distinct"), field_filters())


def _hash(*values: Any) -> str:
    return hashlib.blake2b(json.dumps(values).encode(), digest_size=16).hexdigest()
