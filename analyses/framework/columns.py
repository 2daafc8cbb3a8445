"""The types of columns, as the dataset's description names them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import polars as pl

__all__ = ["NUMBERS", "TEMPORAL", "at_moment", "parse_moment", "type_of"]

NUMBERS: Final = ("integer", "number")
TEMPORAL: Final = ("date", "time")


def type_of(dtype: pl.DataType) -> str:
    """Return the type of a column: integer, number, boolean, date, time, or else text."""
    import polars as pl

    if dtype.is_integer():
        return "integer"
    if dtype.is_numeric():
        return "number"
    return {pl.Boolean: "boolean", pl.Date: "date", pl.Datetime: "time"}.get(dtype.base_type(), "text")


def parse_moment(text: str) -> date:
    """Parse an ISO date, or a time, which is returned in UTC without an offset.

    :raises ValueError: the text is neither.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        instant = datetime.fromisoformat(text)
        return instant if instant.tzinfo is None else instant.astimezone(UTC).replace(tzinfo=None)
    except OverflowError as error:
        raise ValueError(str(error)) from None


def at_moment(column: pl.Expr, moment: date) -> pl.Expr:
    """Return a column of dates or times to compare with ``moment``: days for a date, so that it is included whole."""
    import polars as pl

    return column.cast(pl.Datetime("us") if isinstance(moment, datetime) else pl.Date)
