"""The metadata of a dataset version."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from dataset.bounds import parse_bounds
from dataset.notes import Note
from dataset.types.type_inference import ColumnType

__all__ = ["Column", "Description"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, its type and the number of its missing values."""

    name: str
    type: ColumnType
    missing: int


@dataclass(frozen=True, slots=True)
class Description:
    """Metadata of one version of the dataset.

    `id` and `index` name columns, or else the row number from 1 (by a name that no column has). `first` and `last` are
    the least and greatest index values, formatted as in `GET /data`; None if the index has no values. `bytes` is the
    decompressed size of the loaded body; `notes` are remarks for the client on how it was parsed.
    """

    version: str
    count: int
    id: str
    index: str
    columns: tuple[Column, ...]
    first: Any
    last: Any
    bytes: int
    loaded: dt.datetime
    notes: tuple[Note, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the JSON object of the HTTP contract."""
        loaded = self.loaded.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        members: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        columns = [{"name": column.name, "type": column.type, "missing": column.missing} for column in self.columns]
        return members | {"columns": columns, "loaded": loaded, "notes": [note.as_json() for note in self.notes]}

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> Description:
        """Create a description from the result of `as_json`."""
        columns = tuple(Column(**column) for column in members["columns"])
        loaded = dt.datetime.fromisoformat(members["loaded"])
        notes = tuple(map(Note.from_json, members.get("notes", ())))
        return cls(**{**members, "columns": columns, "loaded": loaded, "notes": notes})

    def has_columns_of(self, other: Description) -> bool:
        """Return whether the columns have the same names and types, and identifier and index are the same."""
        names = (self.id, self.index) == (other.id, other.index)
        return names and list(self.types().items()) == list(other.types().items())

    def types(self) -> dict[str, ColumnType]:
        """Return the type of each column."""
        return {column.name: column.type for column in self.columns}

    def index_type(self) -> ColumnType:
        """Return the type of the index; a row number is an integer."""
        return self.types().get(self.index, "integer")

    def check_bounds(self, start: object, end: object) -> None:
        """Raise BoundsError unless `slice(start, end)` would accept the bounds."""
        self.bounds_check()(start, end)

    def bounds_check(self) -> Callable[[object, object], object]:
        """Return a function equivalent to `check_bounds` that looks up the index type only once."""
        return partial(parse_bounds, self.index_type(), index=self.index)
