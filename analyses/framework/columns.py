"""The types of columns, as the dataset's description names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import polars as pl

__all__ = ["NUMBERS", "TEMPORAL", "type_of"]

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
