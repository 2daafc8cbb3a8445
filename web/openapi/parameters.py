"""The query parameters and header fields of requests: schema, description, example."""

from __future__ import annotations

from typing import Any, Literal, get_args

__all__ = ["FIELD_FILTERS", "HEADERS", "ColumnType", "query_parameter", "typed_columns"]

ColumnType = Literal["integer", "number", "boolean", "text", "date", "time"]

_TEXT = {"type": "string"}
_WHEN = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]}
_YES_NO = {"type": "string", "enum": ["yes", "no"]}
_COUNT = {"type": "integer", "minimum": 0}
_NO_EXAMPLE: Any = object()

# Name, or first part of the path and name: schema, description, example.
_QUERY: dict[str, tuple[dict[str, Any], str, Any]] = {
    "limit": ({"type": "integer", "minimum": 1}, "How many to list; by default 100, at most 1000.", 10),
    "cursor": (_TEXT, "Where the page starts: from `next` of the page before, unchanged.", _NO_EXAMPLE),
    "offset": (_COUNT, "How many to skip; not together with `cursor`.", 1),
    "wait": (
        {"type": "number", "minimum": 0},
        "Hold the answer until the job has ended, for at most so many seconds (60 at most).",
        0.5,
    ),
    # Jobs
    "status": ({"$ref": "#/components/schemas/Status"}, "Jobs of this status.", "complete"),
    "analysis": (_TEXT, "Jobs of this analysis.", "summary"),
    "tag": (_TEXT, "Jobs with this tag, within the page.", "nightly"),
    "owner": (_TEXT, "Jobs that the key of this name submitted.", "ada"),
    "created_after": (_WHEN, "Jobs created after this time.", "2026-01-01T00:00:00Z"),
    "created_before": (_WHEN, "Jobs created before this time.", "2100-01-01"),
    "order": ({"type": "string", "enum": ["asc", "desc"]}, "By creation; `desc`, newest first, is the default.", "asc"),
    "/jobs search": (_TEXT, "Jobs whose id, analysis, tags, owner or parameters contain this text.", "night"),
    # Data
    "search": (_TEXT, "Records with this text in any value, in upper or lower case.", "q1"),
    "sort": (_TEXT, "Columns to sort by, separated by commas; `-` before a name is descending.", "-magnitude,id"),
    "fields": (_TEXT, "The columns to return, separated by commas.", "id,magnitude"),
    "distinct": (_TEXT, "The values of this column, with their counts.", "magnitude"),
    # POST /data
    "dry_run": (_YES_NO, "`yes`: describe the body, and replace nothing.", "yes"),
    "id": (_TEXT, "The column that is the identifier; empty is the row number.", "id"),
    "index": (_TEXT, "The column that jobs' `start` and `end` range over.", "time"),
    "empty": (_YES_NO, "`yes`: accept a body without records.", "no"),
    "skip": (_COUNT, "Lines before the header.", 0),
    "header": (
        {"type": "string", "enum": ["yes", "no", "only"]},
        "Whether the first row names the columns; `only`: there are no others.",
        "yes",
    ),
    "delimiter": (_TEXT, "The character between values, or `tab`, or `space`.", ","),
    "quote": (_TEXT, "The character around values; empty is none.", '"'),
    "comment": (_TEXT, "The character that starts a comment line; empty is none.", "#"),
    "encoding": (_TEXT, "The character set.", "utf-8"),
    "decimal": ({"type": "string", "enum": [".", ","]}, "The decimal mark.", "."),
    "thousands": (_TEXT, "The mark between thousands, or `space`; empty is none.", ""),
    "missing": (_TEXT, "Texts that stand for a missing value, separated by commas.", "NA,?"),
    "dates": ({"type": "string", "enum": ["dmy", "mdy", "ymd"]}, "The order of day, month and year.", "ymd"),
    "list": (_TEXT, "JSON pointer to the list of records.", _NO_EXAMPLE),
    "member": (_TEXT, "The file of a zip that has several.", _NO_EXAMPLE),
    "sheet": (_TEXT, "The sheet of a workbook.", _NO_EXAMPLE),
}

FIELD_FILTERS: dict[str, Any] = {
    "name": "filters",
    "in": "query",
    "style": "form",
    "explode": True,
    "description": "`FIELD=VALUE` keeps the records whose field equals the value, `FIELD.OP=VALUE` compares by OP: "
    "`ne`, `lt`, `lte`, `gt`, `gte`, `in` (values separated by commas) or `contains`.",
    "schema": {"type": "object", "additionalProperties": _TEXT},
    "example": {"magnitude.gte": "2"},
}

HEADERS: dict[str, dict[str, Any]] = {
    "Idempotency-Key": {
        "description": "Requests with the same key and the same body are one, for 24 hours.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
    "Prefer": {
        "description": "`wait=SECONDS`, as the query parameter `wait`; `return=minimal` for only the ids of a list of "
        "jobs (RFC 7240).",
        "schema": _TEXT,
        "example": "wait=1",
    },
    "If-Match": {
        "description": "Respond 412 unless the resource has one of these entity tags.",
        "schema": _TEXT,
        "example": "*",
    },
    "If-None-Match": {
        "description": "Respond 304 if the resource has one of these entity tags.",
        "schema": _TEXT,
        "example": '"0"',
    },
    "Last-Event-ID": {
        "description": "The id of the last event received: the stream resumes with the state as it is now.",
        "schema": _TEXT,
        "example": "1",
    },
}
"""The header fields of requests."""


def query_parameter(path: str, name: str) -> dict[str, Any]:
    """Return the description of a query parameter of the route ``path``; one that is not in the table is any text."""
    schema, description, example = (
        _QUERY.get(f"{_first_part(path)} {name}") or _QUERY.get(name) or (_TEXT, "", _NO_EXAMPLE)
    )
    about = {"name": name, "in": "query", "description": description, "schema": schema}
    return about if example is _NO_EXAMPLE else {**about, "example": example}


def _first_part(path: str) -> str:
    return "/" + path.split("/")[1]


def typed_columns(prefix: str) -> dict[str, Any]:
    """Return the description of the parameters that begin with ``prefix`` and end with the name of a column."""
    types = {"type": "string", "enum": list(get_args(ColumnType))}
    names = {"pattern": f"^{prefix.replace('.', '[.]')}"}
    return {
        "name": "types",
        "in": "query",
        "style": "form",
        "explode": True,
        "description": f"`{prefix}COLUMN=TYPE` names the type of a column.",
        "schema": {"type": "object", "propertyNames": names, "additionalProperties": types},
        "example": {f"{prefix}magnitude": "number"},
    }
