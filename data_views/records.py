"""Requests that change records: each makes a new version of the dataset, and jobs keep theirs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

from flask import Response, current_app, request

from config.settings import Settings
from data_views import record_changes
from data_views.dataset import reserve_json
from data_views.ownership import require_writable
from data_views.preconditions import require_match
from dataset import MAX_RECORD_BYTES, Append, Remove, Replace, Row, Store, Table, json_bytes, to_frame
from web import budget
from web.json_body import JsonBody, TooManyElements, ValueTooLarge
from web.links import path_to
from web.problems import Problem
from web.request_body import read_json
from web.responses import etag_of, json_response

__all__ = ["append_records", "remove_record", "replace_record"]

_MAX_RECORDS: Final = 100_000
_ENCODED_AT_ONCE: Final = 1000
_COPIES: Final = 2
_MERGE_PATCH: Final = "application/merge-patch+json"


def append_records(store: Store) -> Response:
    """Append the record of the body, or its list of records: all, or none.

    :raises Problem: invalid; no-dataset; precondition-failed, by ``If-Match``.
    """
    body = _read_body()
    items = list(body.values())
    if not items:
        raise _invalid("", "Expected a record, or a list of at least one.")
    paths = [(number,) for number in range(len(items))] if body.is_list else [()]
    appended: list[Append] = []

    def decide(table: Table) -> Append:
        require_writable(store)
        require_match(table.description.version)
        appended[:] = [record_changes.append(table, items, paths, _settings().max_body_bytes)]
        budget.reserve(_COPIES * json_bytes(to_frame(table.rows.schema, appended[0].rows)))
        return appended[0]

    table = store.change(decide)
    if table is None:
        raise Problem("no-dataset", "There are no columns to append records to: load a dataset by POST /data.")
    [change] = appended
    if body.is_list:
        return Response(_encode(table, change.rows), 201, content_type="application/json")
    [record] = table.records_of(change.rows)
    address = _address(change.number if table.has_numbers else record[table.description.id])
    return _with_tag(json_response(record, 201, {"Location": address}))


def replace_record(store: Store, id: str, *, merge: bool) -> Response:
    """Replace a record by the body; with ``merge``, only its members that are sent (JSON Merge Patch, RFC 7396).

    :raises Problem: invalid; record-not-found; precondition-failed, by ``If-Match``; unsupported-media-type.
    """
    if merge and request.mimetype == "application/json-patch+json":
        detail = f"JSON Patch is not supported: send a JSON Merge Patch, {_MERGE_PATCH}."
        raise Problem("unsupported-media-type", detail, headers={"Accept-Patch": _MERGE_PATCH})
    body = _read_body()
    if body.is_list:
        raise _invalid("", "Expected an object: the members of one record.")
    [members] = body.values()
    records: list[dict[str, Any]] = []

    def decide(table: Table) -> Replace | None:
        require_writable(store)
        position = _find(table, id)
        _require_match(table, position)
        change = record_changes.replace(table, position, members, merge=merge)
        row = table.rows.row(position) if change is None else change.row
        records[:] = table.records_of([row], reserve_json)
        return change

    if store.change(decide) is None:
        raise _not_found(id)
    return _with_tag(json_response(records[0]))


def remove_record(store: Store, id: str) -> Response:
    """Remove a record.

    :raises Problem: record-not-found; precondition-failed, by ``If-Match``.
    """

    def decide(table: Table) -> Remove:
        require_writable(store)
        position = _find(table, id)
        _require_match(table, position)
        return Remove(position)

    if store.change(decide) is None:
        raise _not_found(id)
    return Response(status=204)


def _read_body() -> JsonBody:
    settings = _settings()
    most = min(settings.max_jobs_bytes, settings.max_body_bytes)
    try:
        return read_json(most, max_elements=_MAX_RECORDS, max_chars=MAX_RECORD_BYTES)
    except TooManyElements as error:
        raise _invalid("", f"A request may have {_MAX_RECORDS:,} records at most; POST /data loads more.") from error
    except ValueTooLarge as error:
        pointer = "" if error.position is None else f"/{error.position}"
        raise _invalid(pointer, f"A record may have {MAX_RECORD_BYTES:,} bytes at most as JSON.") from error


def _find(table: Table, id: str) -> int:
    position = table.find(id)
    if position is None:
        raise _not_found(id)
    return position


def _require_match(table: Table, position: int) -> None:
    """Raise 412 unless `If-Match` has the entity tag of the record at `position`, or of the dataset."""

    def find_tag() -> str:
        return etag_of(json_response(table.records_of([table.rows.row(position)], reserve_json)[0]))

    require_match(table.description.version, find_tag)


def _encode(table: Table, rows: Sequence[Row]) -> Iterator[bytes]:
    """Encode a list of records, some at a time: as objects they take ten times the memory."""
    for first in range(0, len(rows), _ENCODED_AT_ONCE):
        found = table.records_of(rows[first : first + _ENCODED_AT_ONCE])
        items = ",".join(json.dumps(record, ensure_ascii=False, separators=(",", ":")) for record in found)
        yield f"{',' if first else '['}{items}".encode()
    yield b"]\n"


def _with_tag(response: Response) -> Response:
    response.set_etag(etag_of(response))
    return response


def _address(identifier: Any) -> str:
    """Return the path of a record."""
    text = identifier if isinstance(identifier, str) else json.dumps(identifier)
    return path_to(f"/data/{quote(text, safe='')}")


def _settings() -> Settings:
    settings: Settings = current_app.config["SETTINGS"]
    return settings


def _invalid(pointer: str, detail: str) -> Problem:
    return Problem("invalid", detail, errors=[{"pointer": pointer, "detail": detail}])


def _not_found(id: str) -> Problem:
    return Problem("record-not-found", f"The dataset has no record {id[:100]!r}; see /data.")
