"""The description of a changed version, computed from that of the version before it."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

import polars as pl

from dataset.changes import Row, to_series
from dataset.description import Column, Description
from dataset.serialization import to_json_values

__all__ = ["UNKNOWN", "Ends", "Unknown", "change_ends", "revise", "to_json_ends", "version_of_change"]

Ends = tuple[Any, Any] | None
"""The least and the greatest physical value of the index; None if it has no values."""


class Unknown:
    """The type of `UNKNOWN`."""


UNKNOWN: Final = Unknown()
"""The ends have to be found among all values."""


def version_of_change(version: str, change: bytes) -> str:
    """Return a version for a change; another one each time, since changes may be undone and made again."""
    return hashlib.sha256(version.encode() + uuid4().bytes + change).hexdigest()[:32]


def revise(
    description: Description, version: str, removed: Sequence[Row], added: Sequence[Row], grown: int
) -> Description:
    """Return the description after rows were removed and added, by which the table has grown by so many bytes.

    The ends of the index stay as they are.
    """
    columns = tuple(
        Column(column.name, column.type, column.missing + sum(row[n] is None for row in added) - missing)
        for n, column in enumerate(description.columns)
        for missing in [sum(row[n] is None for row in removed)]
    )
    now = dt.datetime.now(dt.UTC)
    return replace(
        description,
        version=version,
        count=description.count + len(added) - len(removed),
        columns=columns,
        bytes=description.bytes + max(0, grown),
        loaded=now.replace(microsecond=now.microsecond // 1000 * 1000),
    )


def change_ends(ends: Ends, removed: Sequence[Any], added: Sequence[Any]) -> Ends | Unknown:
    """Return the ends of the index after values were removed and added, UNKNOWN if an end was removed."""
    removed = [value for value in removed if value is not None]
    values = [value for value in added if value is not None]
    if ends is not None:
        outside = bool(values) and min(values) <= ends[0], bool(values) and max(values) >= ends[1]
        if (min(removed, default=None) == ends[0] and not outside[0]) or (
            max(removed, default=None) == ends[1] and not outside[1]
        ):
            return UNKNOWN
        values += ends
    return (min(values), max(values)) if values else None


def to_json_ends(ends: Ends, dtype: pl.DataType) -> tuple[Any, Any]:
    """Return the ends as they are formatted in `GET /data`."""
    if ends is None:
        return None, None
    first, last = to_json_values(to_series("", dtype, ends))
    return first, last
