"""The names of columns in a list beside a list of lists: strings, or objects that describe the columns.

pandas writes `columns` (and the rows' labels in `index`), Socrata `meta.view.columns`, other services `fields`,
`headers`, `column_names` or `schema.fields`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

__all__ = ["NameLists", "Names"]

_MAX_DEPTH: Final = 3
_MAX_MEMBERS: Final = 1000  # of an object, searched for names
_NAME_LIST: Final = re.compile(r"name|head|col|field|label|key|variable", re.IGNORECASE)
_OTHER_LIST: Final = re.compile(r"type|unit|format", re.IGNORECASE)
_NAME_MEMBERS: Final = ("name", "label", "id", "key", "field", "fieldName", "title", "column", "text")


class Names(NamedTuple):
    """Columns' names, the positions of those to leave out, the labels of the rows, and the list of the names."""

    names: list[str]
    left_out: frozenset[int] = frozenset()
    labels: list[Any] | None = None
    source: list[Any] | None = None


class NameLists:
    """Finds the names for lists of lists in one document."""

    def __init__(self) -> None:
        self._holder: dict[str, Any] | None = None
        self._found: list[Names] = []

    def beside(self, holder: dict[str, Any] | None, rows: list[Any]) -> Names | None:
        """Return the names in the object that holds the rows, of as many columns as the rows have; else None."""
        if holder is None or set(map(type, rows)) != {list}:
            return None
        if holder is not self._holder:
            self._holder, self._found = holder, list(_name_lists(holder, _MAX_DEPTH))
        width = max(map(len, rows))
        names = next((each for each in self._found if len(each.names) == width), None)
        labels = holder.get("index")
        if names is None or not isinstance(labels, list) or len(labels) != len(rows) or labels is rows:
            return names
        return names._replace(labels=None if labels == list(range(len(rows))) else labels)


def _name_lists(holder: dict[str, Any], depth: int) -> Iterator[Names]:
    members = list(holder.items())[:_MAX_MEMBERS]
    for key, value in members:
        if isinstance(value, list) and value and _NAME_LIST.search(key) and not _OTHER_LIST.search(key):
            names = _names_of(value)
            if names is not None:
                yield names
    if depth > 1:
        for _, value in members:
            if isinstance(value, dict):
                yield from _name_lists(value, depth - 1)


def _names_of(values: list[Any]) -> Names | None:
    if all(isinstance(value, str) for value in values):
        return Names(values, source=values)
    if all(isinstance(value, list) and value for value in values):  # pandas' columns of several levels
        return Names([".".join(map(str, value)) for value in values], source=values)
    if not all(isinstance(value, dict) for value in values):
        return None
    member = next((name for name in _NAME_MEMBERS if all(isinstance(value.get(name), str) for value in values)), None)
    if member is None:
        return None
    left_out = frozenset(position for position, value in enumerate(values) if _is_internal(value))
    if len(left_out) == len(values):
        left_out = frozenset()
    return Names([value[member] for value in values], left_out, source=values)


def _is_internal(column: dict[str, Any]) -> bool:
    """Return whether a portal's own exports leave out this column: Socrata's row identifiers, dates and hidden ones."""
    flags = column.get("flags")
    return column.get("dataTypeName") == "meta_data" or (isinstance(flags, list) and "hidden" in flags)
