"""Rows whose fields equal given values, each read as its column's type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from .bounds import within
from .errors import BoundsError, FilterError, quoted
from .recognition import kind_of

__all__ = ["matching"]

_PREFIX: Final = "field."
_BOOLEANS: Final = {"true": True, "false": False}


def matching(frame: pl.DataFrame, filters: Sequence[tuple[str, str]]) -> pl.Series:
    """Answer for each row whether it passes all filters, each a column's name and a text.

    A name may be written `field.NAME`. A field named more than once may equal any of its values. An empty text is equal
    to a missing value, a date to every time of that day (UTC). Raises FilterError.
    """
    wanted: dict[str, pl.Series] = {}
    for field, text in filters:
        name = _column(frame, field)
        hits = _equal(frame[name], text, field)
        wanted[name] = wanted[name] | hits if name in wanted else hits
    return (
        pl.DataFrame([hits.alias(name) for name, hits in wanted.items()])
        .select(pl.all_horizontal(pl.all()))
        .to_series()
    )


def _column(frame: pl.DataFrame, field: str) -> str:
    for name in (field.removeprefix(_PREFIX), field):
        if name in frame.columns:
            return name
    known = ", ".join(map(quoted, frame.columns[:20])) or "none"
    raise FilterError(f"There is no column {quoted(field)}. The columns are: {known}.", field)


def _equal(column: pl.Series, text: str, field: str) -> pl.Series:
    if not text:
        missing = column.is_null()
        return missing | column.eq_missing(pl.Series([""])) if column.dtype == pl.String else missing
    if column.dtype == pl.Boolean:
        if text.strip().lower() not in _BOOLEANS:
            raise FilterError(f"{quoted(text)} is no boolean: ask for true or false.", field)
        return column.eq_missing(pl.Series([_BOOLEANS[text.strip().lower()]]))
    try:
        # A value is the range from itself to itself.
        return within(column, text, text)
    except BoundsError:
        raise FilterError(f"{quoted(text)} is no value of the column's type, {kind_of(column)}.", field) from None
