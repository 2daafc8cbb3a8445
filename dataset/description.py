"""What is told of a dataset without its rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from dataset.bounds import parse_bounds

__all__ = ["Column", "Description"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its type (integer, number, boolean, text, date or time) and how many of its values are missing."""

    name: str
    type: str
    missing: int


@dataclass(frozen=True, slots=True)
class Description:
    """One version of the dataset.

    `id` and `index` name columns, or, where no column serves, the row number from 1 (a name that no column has).
    `first` and `last` are the index's bounds as `GET /data` prints values, None when it has no value; `bytes` is the
    size of the body that was loaded, unpacked; `notes` say what its sender may want to know of how it was read.
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
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Answer the contract's JSON object; `notes` only where there are any."""
        loaded = self.loaded.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        members: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        columns = [{"name": column.name, "type": column.type, "missing": column.missing} for column in self.columns]
        notes = members.pop("notes")
        members |= {"columns": columns, "loaded": loaded}
        return members | {"notes": list(notes)} if notes else members

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> Description:
        """Read what `as_json` gave."""
        columns = tuple(Column(**column) for column in members["columns"])
        loaded = dt.datetime.fromisoformat(members["loaded"])
        notes = tuple(members.get("notes", ()))
        return cls(**{**members, "columns": columns, "loaded": loaded, "notes": notes})

    def types(self) -> dict[str, str]:
        """Answer each column's type."""
        return {column.name: column.type for column in self.columns}

    def index_type(self) -> str:
        """Answer the type of the index; a row number is an integer."""
        return self.types().get(self.index, "integer")

    def check_bounds(self, start: object, end: object) -> None:
        """Raise BoundsError unless `slice(start, end)` would accept the bounds."""
        self.bounds_check()(start, end)

    def bounds_check(self) -> Callable[[object, object], object]:
        """Return a function that does what `check_bounds` does, for many bounds: it looks the index up once."""
        return partial(parse_bounds, self.index_type())
