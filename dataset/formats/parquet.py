"""Apache Parquet: columns with types of their own.

Times without a zone are UTC. Times of day, durations, decimals beyond a double's precision and integers beyond 64 bits
become text, nested values JSON text. Dates and times are inferred from text as in JSON.
"""

from __future__ import annotations

from typing import Any, Final, cast

import polars as pl

from dataset.errors import InvalidDataset, Malformed, TooLarge, TooManyValues
from dataset.formats import columns
from dataset.formats.names import normalize_names
from dataset.formats.source import Limits, Read, Source
from dataset.type_inference import TIME, null_non_finite

__all__ = ["MEDIA_TYPES", "read", "sniff"]

MEDIA_TYPES: Final = ("application/vnd.apache.parquet",)

_MAGIC: Final = b"PAR1"
_COLUMN_BATCH: Final = 16
_NESTED_BATCH: Final = 1000  # rows
_MAX_DIGITS: Final = 15  # that a double represents exactly
_DAY_SECONDS: Final = 86_400
_FIRST_SECOND: Final = -62_135_596_800  # of the year 1, since 1970
_LAST_SECOND: Final = 253_402_300_799  # of the year 9999
_TICKS_PER_SECOND: Final = {"ms": 1000, "us": 1_000_000, "ns": 1_000_000_000}
_TEXT_TYPES: Final = (pl.String, pl.Categorical, pl.Enum)
_ONE_BYTE_TYPES: Final = (pl.Int8, pl.Int16, pl.UInt8, pl.UInt16, pl.Boolean, pl.Null)


def sniff(head: bytes) -> bool:
    """Return whether the body starts with the magic number."""
    return head.startswith(_MAGIC)


def read(source: Source) -> Read:
    """Read the columns. Raises Malformed, InvalidDataset or TooLarge."""
    try:
        scan = pl.scan_parquet(cast(bytes, source.body))  # polars accepts a mapped file
        schema = scan.collect_schema()
        given = schema.names()
        names = normalize_names(given, source.limits)
        _check_size(scan, schema, source.limits)
        typed: list[pl.Series] = []
        for first in range(0, len(names), _COLUMN_BATCH):
            part = scan.select(given[first : first + _COLUMN_BATCH]).collect()
            typed += [
                _convert(name, column, source.limits.unpacked_bytes)
                for name, column in zip(names[first : first + _COLUMN_BATCH], part, strict=True)
            ]
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise Malformed(f"The body is not a complete Parquet file: {str(error)[:200]}.") from error
    final = frozenset(name for name, kind in zip(names, schema.dtypes(), strict=True) if kind not in _TEXT_TYPES)
    return Read(pl.DataFrame(typed), final=final)


def _check_size(scan: pl.LazyFrame, schema: pl.Schema, limits: Limits) -> None:
    """Check the uncompressed size before decompression: a few bytes can encode millions of equal values.

    Nested values are measured when they are converted.
    """
    most = limits.unpacked_bytes
    height: int = scan.select(pl.len()).collect().item()
    if height and not schema:
        raise InvalidDataset("The file has rows but no columns: send at least one.")
    if height * len(schema) > limits.values:
        raise TooManyValues(f"{height:,} rows of {len(schema):,} columns are too many: send fewer of either.")
    plain = height * sum(1 if kind in _ONE_BYTE_TYPES else 4 for kind in schema.dtypes())
    texts = [name for name, kind in schema.items() if kind in (pl.String, pl.Binary)]
    if plain <= most and texts:
        lengths = [_sum_lengths(name, schema[name]) for name in texts]
        plain += sum(scan.select(lengths).collect(engine="streaming").row(0))
    if plain > most:
        raise _too_large(most)


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"The file unpacks to more than {most:,} bytes: send fewer rows or columns.")


def _sum_lengths(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    return (column.str.len_bytes() if kind == pl.String else column.bin.size()).cast(pl.Int64).sum()


def _convert(name: str, column: pl.Series, max_bytes: int) -> pl.Series:
    column = column.alias(name)
    kind = column.dtype
    if kind.is_integer() and kind != pl.Int64:
        column = column.cast(pl.Int64, strict=False) if _fits_int64(column) else column.cast(pl.String)
    elif kind.is_float():
        column = null_non_finite(column.cast(pl.Float64))
    elif kind == pl.Decimal:
        column = _convert_decimals(column)
    elif kind == pl.Datetime or kind == pl.Date:
        column = _convert_temporal(column)
    elif kind in (pl.Categorical, pl.Enum, pl.Null, pl.Time):
        column = column.cast(pl.String)
    elif kind == pl.Duration:
        column = column.dt.to_string("iso")
    elif kind == pl.Binary:
        column = _convert_binary(column)
    elif kind.is_nested():
        column = _convert_nested(column, max_bytes)
    return column


def _fits_int64(integers: pl.Series) -> bool:
    return integers.cast(pl.Int64, strict=False).null_count() == integers.null_count()


def _convert_decimals(column: pl.Series) -> pl.Series:
    texts = column.cast(pl.String)
    digits = texts.str.replace_all("[-.]", "").str.strip_chars_start("0").str.len_bytes()
    return column.cast(pl.Float64) if (digits <= _MAX_DIGITS).all() else texts


def _convert_temporal(column: pl.Series) -> pl.Series:
    ticks = column.to_physical()
    if isinstance(column.dtype, pl.Datetime):
        a_second = _TICKS_PER_SECOND[column.dtype.time_unit]
        first, last = max(_FIRST_SECOND * a_second, -(2**63)), min((_LAST_SECOND + 1) * a_second, 2**63) - 1
        if not ticks.is_between(first, last).all():
            return ticks.cast(pl.String)
        utc = column.dt.convert_time_zone("UTC") if column.dtype.time_zone else column.dt.replace_time_zone("UTC")
        return utc.cast(TIME)
    return (
        column
        if ticks.is_between(_FIRST_SECOND // _DAY_SECONDS, _LAST_SECOND // _DAY_SECONDS).all()
        else ticks.cast(pl.String)
    )


def _convert_binary(column: pl.Series) -> pl.Series:
    try:
        return column.cast(pl.String)
    except pl.exceptions.PolarsError:  # not UTF-8
        return column.bin.encode("hex")


def _convert_nested(column: pl.Series, max_bytes: int) -> pl.Series:
    """Convert nested values to JSON, a few rows at a time: as Python objects they take many times their size."""
    parts = [pl.Series(column.name, [], dtype=pl.String)]
    size = 0
    for first in range(0, len(column), _NESTED_BATCH):
        values = column.slice(first, _NESTED_BATCH).to_list()
        part = pl.Series(column.name, map(_to_json_text, values), dtype=pl.String)
        size += int(part.str.len_bytes().sum())
        if size > max_bytes:
            raise _too_large(max_bytes)
        parts.append(part)
    return pl.concat(parts)


def _to_json_text(value: Any) -> str | None:
    return columns.to_json_text(_to_json_value(value))


def _to_json_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _to_json_value(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json_value(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.hex() if isinstance(value, bytes) else str(value)
