"""JSON (RFC 8259): a list of objects, or an object that holds one such list at any depth.

Members that an object lacks, and null, are missing values; so are NaN and the infinities, which are read although they
are no JSON. Text that is a date or time in ISO 8601 is recognised; numerals in quotes stay text, and so does a column
of mixed types and one with nested values, which become JSON text.
"""

from __future__ import annotations

import json
from itertools import chain
from operator import itemgetter
from typing import Any, Final

import polars as pl

from ..errors import InvalidDataset, Malformed, quoted
from ..recognition import finite, recognise_instants
from .names import settle

__all__ = ["MEDIA_TYPES", "looks_like", "read"]

MEDIA_TYPES: Final = ("application/json",)

_WANTED: Final = "send a list of objects, or an object that holds one such list"

# A few bytes are an object whose absent members are stored as well, so the body's size alone bounds nothing.
_MOST_VALUES: Final = 200_000_000


def looks_like(body: bytes) -> bool:
    """Whether the first character is one that opens a JSON object or list."""
    return body[:64].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")


def read(body: bytes) -> pl.DataFrame:
    """Answer a column for each member name, in order of first occurrence. Raises Malformed or InvalidDataset."""
    try:
        rows = _find_rows(_parse(body))
        shapes = dict.fromkeys(map(tuple, rows))
        members = dict.fromkeys(chain.from_iterable(shapes))
        names = settle(members)
        _check_size(len(rows), len(names))
        if len(shapes) == 1:
            columns = (_typed(list(map(itemgetter(member), rows))) for member in members)
        else:
            columns = (_typed([row.get(member) for row in rows]) for member in members)
        return pl.DataFrame(column.alias(name) for name, column in zip(names, columns, strict=True))
    except RecursionError as error:
        raise Malformed("The JSON is nested too deeply: send objects of a few levels.") from error
    except UnicodeEncodeError as error:
        raise Malformed(r"A text holds half of a surrogate pair (\ud800 to \udfff): send whole characters.") from error


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=lambda _: None)
    except json.JSONDecodeError as error:
        raise Malformed(f"The body is no JSON: {error}.") from error
    except UnicodeDecodeError as error:
        raise Malformed(f"The body is no UTF-8: {error}.") from error
    except ValueError as error:  # Python refuses integers of more than 4,300 digits
        raise Malformed(f"A number is too long: {error}.") from error


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


def _check_size(height: int, width: int) -> None:
    if height and not width:
        raise InvalidDataset("The objects have no members: send objects with at least one.")
    if height * width > _MOST_VALUES:
        raise InvalidDataset(
            f"{height:,} objects with {width:,} different members between them are too many: send fewer of either."
        )


def _typed(values: list[Any]) -> pl.Series:
    kinds = set(map(type, values)) - {type(None)}
    if kinds == {bool}:
        return pl.Series(values=values, dtype=pl.Boolean)
    if kinds == {int} and all(-(2**63) <= value < 2**63 for value in values if value is not None):
        return pl.Series(values=values, dtype=pl.Int64)
    if float in kinds and kinds <= {int, float}:
        try:
            floats = [None if value is None else float(value) for value in values]
        except OverflowError:
            return pl.Series(values=map(_as_text, values), dtype=pl.String)
        return finite(pl.Series(values=floats, dtype=pl.Float64))
    if kinds == {str}:
        texts = pl.Series(values=values, dtype=pl.String)
        instants = recognise_instants(texts)
        return texts if instants is None else instants
    return pl.Series(values=[_as_text(value) for value in values], dtype=pl.String)


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    text = json.dumps(value, ensure_ascii=False)
    if "Infinity" in text:  # from a number such as 1e999, which no JSON can say again
        text = json.dumps(json.loads(text, parse_constant=lambda _: None), ensure_ascii=False)
    return text
