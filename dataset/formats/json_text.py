"""JSON (RFC 8259): a list of objects, an object that holds one such list at any depth, or GeoJSON.

Members that an object lacks, and null, are missing values; so are NaN and the infinities, which are read although they
are no JSON. Text that is a date or time is recognised; numerals in quotes stay text, and so does a column of mixed
types and one with nested values, which become JSON text.
"""

from __future__ import annotations

from typing import Any, Final

from ..errors import InvalidDataset, Malformed, quoted
from . import geojson, json_values
from .encodings import as_utf8
from .source import Read, Source

__all__ = ["MEDIA_TYPES", "looks_like", "read"]

MEDIA_TYPES: Final = ("application/json", "application/geo+json")

_WANTED: Final = "send a list of objects, or an object that holds one such list"


def looks_like(head: bytes) -> bool:
    """Whether the first character is one that opens a JSON object or list."""
    return head.lstrip()[:1] in (b"{", b"[")


def read(source: Source) -> Read:
    """Answer a column for each member's name. Raises Malformed or InvalidDataset."""
    text, notes = as_utf8(source.body, source.charset)

    def rows(parse: json_values.Parse) -> list[dict[str, Any]]:
        try:
            document = parse(text)
        except ValueError as error:
            raise Malformed(f"The body is no JSON: {json_values.reason(error)}.") from error
        return geojson.rows_of(document["features"]) if geojson.is_collection(document) else _find_rows(document)

    return Read(json_values.tabulate(rows, len(text)), notes)


def _find_rows(document: Any) -> list[dict[str, Any]]:
    if isinstance(document, list):
        for number, item in enumerate(document):
            if not isinstance(item, dict):
                raise InvalidDataset(f"Item {number} of the list is no object: {_WANTED}.")
        return document
    lists = _lists_of_objects(document)
    # Portals send empty lists of notes and links along, so these count only where there is no other.
    candidates = {path: rows for path, rows in lists.items() if rows} or lists
    if len(candidates) == 1:
        return next(iter(candidates.values()))
    if not candidates:
        raise InvalidDataset(f"The body holds no list of objects: {_WANTED}.")
    paths = ", ".join(map(quoted, list(candidates)[:5]))
    raise InvalidDataset(f"The body holds {len(candidates)} lists of objects ({paths}): send only one of them.")


def _lists_of_objects(document: Any) -> dict[str, list[dict[str, Any]]]:
    """Answer the lists of objects by their JSON pointers, without looking into lists."""
    found: dict[str, list[dict[str, Any]]] = {}
    ahead = [("", document)]
    while ahead:
        path, value = ahead.pop()
        if isinstance(value, dict):
            ahead += [(f"{path}/{name}", member) for name, member in reversed(value.items())]
        elif isinstance(value, list) and all(isinstance(item, dict) for item in value):
            found[path] = value
    return found
