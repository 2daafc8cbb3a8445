"""Changes of single records: appended, replaced, removed; and their encoding in Redis.

A row is a tuple of physical values in the order of the columns: days for dates, microseconds for times, None for
missing values. Positions count from 0 in the version before the change.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from dataset.types.type_inference import TIME

__all__ = [
    "Append",
    "Change",
    "Remove",
    "Replace",
    "Row",
    "decode_change",
    "encode_change",
    "to_frame",
    "to_series",
]

Row = tuple[Any, ...]

_PHYSICAL: Final[dict[pl.DataType | type[pl.DataType], type[pl.DataType]]] = {pl.Date: pl.Int32, TIME: pl.Int64}


@dataclass(frozen=True, slots=True)
class Append:
    """Rows to append; `number` is the row number of the first, where these are the identifiers."""

    rows: Sequence[Row]
    number: int = 0


@dataclass(frozen=True, slots=True)
class Replace:
    """A row to replace."""

    position: int
    row: Row


@dataclass(frozen=True, slots=True)
class Remove:
    """A row to remove; the other rows keep their numbers."""

    position: int


Change = Append | Replace | Remove


def encode_change(change: Change) -> bytes:
    """Encode a change, compressed."""
    match change:
        case Append(rows, number):
            members: dict[str, Any] = {"append": rows, "number": number}
        case Replace(position, row):
            members = {"replace": position, "row": row}
        case Remove(position):
            members = {"remove": position}
    return zlib.compress(json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode(), 1)


def decode_change(text: bytes) -> Change:
    """Decode the result of `encode_change`."""
    members = json.loads(zlib.decompress(text))
    if "append" in members:
        return Append([tuple(row) for row in members["append"]], members["number"])
    if "replace" in members:
        return Replace(members["replace"], tuple(members["row"]))
    return Remove(members["remove"])


def to_frame(schema: pl.Schema, rows: Sequence[Row]) -> pl.DataFrame:
    """Return rows as columns of these types."""
    columns = zip(*rows, strict=True) if rows else ((),) * len(schema)
    return pl.DataFrame([to_series(*column, values) for column, values in zip(schema.items(), columns, strict=True)])


def to_series(name: str, dtype: pl.DataType, values: Sequence[Any]) -> pl.Series:
    """Return physical values as a column of this type."""
    physical = _PHYSICAL.get(dtype)
    return pl.Series(name, values, dtype) if physical is None else pl.Series(name, values, physical).cast(dtype)
