"""JSON (RFC 8259): a list of objects, an object that holds one such list at any depth, or GeoJSON.

Null and absent members are missing values; so are NaN and the infinities, which are accepted though not JSON. Dates
and times are inferred from text; numerals in quotes stay text. Columns of mixed types and nested values become
JSON text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from dataset.errors import InvalidDataset, Malformed, quoted
from dataset.formats import geojson, json_values
from dataset.formats.encodings import as_utf8
from dataset.formats.source import Read, Source

__all__ = ["MEDIA_TYPES", "read", "sniff"]

MEDIA_TYPES: Final = ("application/json", "application/geo+json")

_MAX_NAME_LENGTH: Final = 100  # characters of a name
_REMEDY: Final = "send a list of objects, or an object that holds one such list"


def sniff(head: bytes) -> bool:
    """Return whether the first character opens a JSON object or list."""
    return head.lstrip()[:1] in (b"{", b"[")


def read(source: Source) -> Read:
    """Parse a column for each member name. Raises Malformed or InvalidDataset."""
    body, notes = as_utf8(source.body, source.charset)
    text = bytes(body)

    def rows(parse: json_values.Parse) -> list[dict[str, Any]]:
        try:
            document = parse(text)
        except ValueError as error:
            raise Malformed(f"The body is no JSON: {json_values.describe_error(error)}.") from error
        return (
            geojson.features_to_rows(document["features"])
            if geojson.is_feature_collection(document)
            else _find_rows(document)
        )

    return Read(json_values.to_frame(rows, len(text), source.limits), notes)


def _find_rows(document: Any) -> list[dict[str, Any]]:
    if isinstance(document, list):
        for number, item in enumerate(document):
            if not isinstance(item, dict):
                raise InvalidDataset(f"Item {number} of the list is not an object: {_REMEDY}.")
        return document
    lists = list(_lists_of_objects(document))
    # Open-data portals add empty lists of notes and links: an empty list counts only if there is no other.
    candidates = [each for each in lists if each.rows] or lists
    if len(candidates) == 1:
        return candidates[0].rows
    if not candidates:
        raise InvalidDataset(f"The body holds no list of objects: {_REMEDY}.")
    paths = ", ".join(quoted(_pointer(each.path)) for each in candidates[:5])
    raise InvalidDataset(f"The body holds {len(candidates)} lists of objects ({paths}): send only one of them.")


class _Path(NamedTuple):
    """A member's name and the path of its object; parents are shared, so a path takes constant memory at any depth."""

    parent: _Path | None
    name: str


class _List(NamedTuple):
    path: _Path | None
    rows: list[dict[str, Any]]


def _lists_of_objects(document: Any) -> Iterator[_List]:
    """Yield the lists of objects with their paths, in order, without descending into lists."""
    ahead: list[tuple[_Path | None, Any]] = [(None, document)]
    while ahead:
        path, value = ahead.pop()
        if isinstance(value, dict):
            ahead += [
                (_Path(path, name), member)
                for name, member in reversed(value.items())
                if isinstance(member, dict | list)
            ]
        elif isinstance(value, list) and all(isinstance(item, dict) for item in value):
            yield _List(path, value)


def _pointer(path: _Path | None) -> str:
    """Return a path as a JSON pointer for an error message, with long names truncated."""
    names: list[str] = []
    while path is not None:
        names.append(path.name[:_MAX_NAME_LENGTH])
        path = path.parent
    return "".join(f"/{name}" for name in reversed(names))[: 2 * _MAX_NAME_LENGTH]
