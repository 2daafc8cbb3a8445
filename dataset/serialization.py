"""Values as formatted in `GET /data`: JSON values for records, text for search."""

from __future__ import annotations

from typing import Any

import polars as pl

from dataset.types.type_inference import TIME

__all__ = ["records", "to_json_values", "to_texts"]


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
