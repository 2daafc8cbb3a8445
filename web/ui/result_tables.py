"""Results as facts and tables, as far as a page has room for them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import jobs

__all__ = ["Results", "Table", "read_results"]

_ROWS = 100
_COLUMNS = 30
_DOCUMENT_BYTES = 2**20
_CSV_BYTES = 2**20


class Table(NamedTuple):
    """The first rows of a table; ``more`` counts those left out."""

    title: str
    columns: list[str]
    rows: list[list[Any]]
    more: int


class Results(NamedTuple):
    """The results of a job; ``facts`` and ``tables`` are empty where the document is too large for a page."""

    records: int | None
    params: dict[str, Any]
    facts: dict[str, Any]
    tables: list[Table]
    images: list[dict[str, Any]]
    artifacts: list[dict[str, Any]]
    too_large: bool


def read_results(stored: jobs.StoredResults) -> Results:
    """Read the results, without large parts.

    :raises jobs.ResultsGone: they were removed.
    """
    artifacts = stored.artifacts
    too_large = stored.head_bytes > _DOCUMENT_BYTES
    document = {} if too_large else json.loads(b"".join([*stored.read_head(), b"}"]))
    result = document.get("result") or {}
    small = [each for each in artifacts if each["type"] == "text/csv" and each["bytes"] <= _CSV_BYTES]
    tables = [_from_csv(each["name"], b"".join(stored.read_artifact(each["name"], each["bytes"]))) for each in small]
    if isinstance(result, dict):
        tables = tables or _tables_in(result)
    facts = {name: value for name, value in result.items() if _is_fact(value)} if isinstance(result, dict) else {}
    drawn = {each["name"].rpartition(".")[0] for each in artifacts if each["type"] == "image/png"}
    images = [
        each
        for each in artifacts
        if each["type"].startswith("image/")
        and (each["type"] == "image/png" or each["name"].rpartition(".")[0] not in drawn)
    ]
    return Results(document.get("count"), document.get("params", {}), facts, tables, images, artifacts, too_large)


def _is_fact(value: Any) -> bool:
    return not isinstance(value, (dict, list)) or (
        isinstance(value, list) and len(value) <= 12 and not any(isinstance(each, (dict, list)) for each in value)
    )


def _tables_in(result: Mapping[str, Any]) -> list[Table]:
    """Return the members that are objects of objects, or lists of objects."""
    tables = []
    for name, value in result.items():
        rows = (
            [{name: key, **row} for key, row in value.items() if isinstance(row, dict)]
            if isinstance(value, dict)
            else value
        )
        if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
            tables.append(_table(name, rows))
    return tables


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    columns = list(dict.fromkeys(name for row in rows[:_ROWS] for name in row))[:_COLUMNS]
    return Table(title, columns, [[row.get(name) for name in columns] for row in rows[:_ROWS]], len(rows[_ROWS:]))


def _from_csv(name: str, content: bytes) -> Table:
    reader = csv.reader(io.StringIO(content.decode("utf-8-sig", "replace"), newline=""))
    try:
        columns = next(reader, [])[:_COLUMNS]
        rows: list[list[Any]] = [row[:_COLUMNS] for row in islice(reader, _ROWS)]
        return Table(name, columns, rows, sum(1 for _ in reader))
    except csv.Error:
        return Table(name, [], [], 0)
