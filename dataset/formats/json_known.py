"""JSON documents that are known by their members: error messages of services, cubes, pandas' and PxWeb's tables."""

from __future__ import annotations

import re
from typing import Any, Final

from dataset.errors import InvalidDataset, quoted

__all__ = ["check_known", "check_no_error", "is_table_schema", "pxweb_rows", "rows_of_table_schema"]

_ERROR_MEMBERS: Final = frozenset(
    """error errors message messages msg status code cod detail details title type instance success ok reason statuscode
    help documentationurl errorcode errormessage errortype errordescription note information moreinfo""".split()
)
_ERRORS: Final = frozenset("error errors errorcode errormessage".split())
_REASONS: Final = _ERRORS | {"message", "detail", "reason"}
_FAILED: Final = frozenset(("error", "fail", "failed", "failure"))


def check_no_error(document: Any, *, has_records: bool) -> None:
    """Raise InvalidDataset if a document is not data but the error message of its source."""
    if isinstance(document, list) and len(document) == 1 and isinstance(document[0], dict):
        holds_lists = any(isinstance(member, list) for member in document[0].values())
        document, has_records = document[0] if holds_lists else None, False
    if not isinstance(document, dict) or not document:
        return
    members = {re.sub("[ _-]", "", name.lower()): value for name, value in document.items()}
    is_message = not members.keys() - _ERROR_MEMBERS and (not has_records or bool(members.keys() & _ERRORS))
    if is_message or (not has_records and _has_error(members)):
        texts = (value for value in (document, *document.values()) if isinstance(value, dict))
        text = next((each for value in texts for each in value.values() if isinstance(each, str) and " " in each), None)
        said = "" if text is None else f": {quoted(text)}"
        raise InvalidDataset(
            f"The body is an error message of its source, not data{said}. Correct the request to it; if this is a "
            "record, send it in a list."
        )


def _has_error(members: dict[str, Any]) -> bool:
    """Return whether members of an object state that a request failed."""
    failed = (
        any(members.get(name) is False for name in ("success", "ok"))
        or members.get("error") is True
        or str(members.get("status")).lower() in _FAILED
    )
    stated = any(isinstance(members.get(name), str | dict | list) and members[name] for name in _ERRORS)
    return stated or (failed and bool(members.keys() & _REASONS))


def check_known(document: dict[str, Any]) -> None:
    """Raise InvalidDataset for formats that are no tables though their lists might look so."""
    for holder in (document, *(member for member in document.values() if isinstance(member, dict))):
        cube = holder.get("dimension")
        if isinstance(cube, dict) and any("category" in each for each in cube.values() if isinstance(each, dict)):
            raise InvalidDataset("The body is JSON-stat, a cube of values: download it as CSV instead.")
        if isinstance(holder.get("dataSets"), list):
            raise InvalidDataset("The body is SDMX-JSON, a cube of values: download it as CSV instead.")
    if document.get("type") == "Topology" and "arcs" in document:
        raise InvalidDataset("The body is TopoJSON: convert it to GeoJSON or CSV.")


def is_table_schema(document: dict[str, Any]) -> bool:
    """Return whether a document is pandas' `table`: a Table Schema beside the records."""
    schema, rows = document.get("schema"), document.get("data")
    return (
        document.keys() == {"schema", "data"}
        and isinstance(schema, dict)
        and isinstance(schema.get("fields"), list)
        and isinstance(rows, list)
        and all(isinstance(row, dict) for row in rows)
    )


def rows_of_table_schema(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the records, without the `index` that pandas adds where it only numbers the rows."""
    rows: list[dict[str, Any]] = document["data"]
    if document["schema"].get("primaryKey") == ["index"] and all(row.get("index") == n for n, row in enumerate(rows)):
        rows = [{name: value for name, value in row.items() if name != "index"} for row in rows]
    return rows


def pxweb_rows(document: dict[str, Any]) -> list[list[Any]] | None:
    """Return the rows of PxWeb's JSON under a row of names; None for any other document. Raises InvalidDataset."""
    columns, data = document.get("columns"), document.get("data")
    if not (isinstance(columns, list) and isinstance(data, list) and data):
        return None
    if not all(isinstance(row, dict) and isinstance(row.get("key"), list) for row in data):
        return None
    if not all(isinstance(row.get("values"), list) for row in data):
        return None
    # The keys are those of dimensions; the values stand under the columns of contents.
    named = sorted((each for each in columns if isinstance(each, dict)), key=lambda each: each.get("type") == "c")
    names = [each.get("text", each.get("code")) for each in named]
    rows = [[*row["key"], *row["values"]] for row in data]
    if set(map(len, rows)) != {len(names)} or not all(isinstance(name, str) for name in names):
        raise InvalidDataset("The body is PxWeb's JSON, and its rows have not as many values as columns: download CSV.")
    return [names, *rows]
