"""Values as formatted in `GET /data`: JSON values for records, text for search."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import polars as pl

from dataset.types.type_inference import TIME

__all__ = ["record_of", "records", "to_json_values", "to_texts"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1)


def to_json_values(column: pl.Series) -> pl.Series:
    """Format dates as `YYYY-MM-DD` and times as RFC 3339 in UTC; other values are returned unchanged.

    Times have milliseconds, and microseconds only if the digits below the millisecond are not zero.
    """
    if column.dtype == pl.Date:
        return column.dt.to_string("%Y-%m-%d")
    if column.dtype != TIME:
        return column
    local = column.dt.replace_time_zone(None)
    millis = local.dt.to_string("%Y-%m-%dT%H:%M:%S%.3fZ")
    has_micros = column.to_physical() % 1000 != 0
    return local.dt.to_string("%Y-%m-%dT%H:%M:%S%.6fZ").zip_with(has_micros, millis) if has_micros.any() else millis


def to_texts(column: pl.Series) -> pl.Series:
    """Return the text of each value in the JSON of a record (strings without quotes)."""
    if column.dtype != pl.Float64:
        return to_json_values(column).cast(pl.String)
    # polars and Python print the same digits, but differ in when and how they use an exponent.
    magnitude = column.abs()
    differs = (((magnitude < 1e-4) & (magnitude > 0)) | (magnitude >= 1e16)).fill_null(value=False).arg_true()
    texts = column.cast(pl.String)
    if len(differs):
        texts = texts.scatter(differs, [repr(value) for value in column.gather(differs)])
    return texts


def records(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as JSON objects."""
    temporal = frame.select(pl.col(pl.Date, TIME))
    return frame.with_columns([to_json_values(column) for column in temporal]).to_dicts()


def record_of(schema: pl.Schema, row: tuple[Any, ...]) -> dict[str, Any]:
    """Return a row of physical values as `records` does, in a tenth of its time.

    Raises OverflowError for a date or time that Python does not have.
    """
    return {
        name: value if value is None or kind not in (pl.Date, TIME) else _to_iso(kind, value)
        for (name, kind), value in zip(schema.items(), row, strict=True)
    }


def _to_iso(kind: pl.DataType, value: int) -> str:
    if kind == pl.Date:
        return (_EPOCH_DAY + timedelta(days=value)).isoformat()
    moment = (_EPOCH + timedelta(microseconds=value)).replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds" if value % 1000 else "milliseconds") + "Z"
