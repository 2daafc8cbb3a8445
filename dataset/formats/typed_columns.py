"""Conversion of polars' columns, as read from formats with types of their own, to the dataset's types.

Times without a zone are UTC. Times of day, durations, decimals beyond a double's precision and integers beyond 64 bits
become text, nested values JSON text; text is typed as in every format.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import polars as pl

from dataset.errors import InvalidDataset, TooLarge, TooManyValues
from dataset.expressions import column_expr
from dataset.formats.names import normalize_names, notes_on_names
from dataset.formats.nested_values import NestedTooLarge, to_json_texts
from dataset.formats.source import Limits, Read, Source
from dataset.types.type_inference import TIME, null_non_finite

__all__ = ["check_scan", "convert_columns", "read_scan"]

_COLUMN_BATCH: Final = 16
_MAX_DIGITS: Final = 15  # that a double represents exactly
_DAY_SECONDS: Final = 86_400
_FIRST_SECOND: Final = -62_135_596_800  # of the year 1, since 1970
_LAST_SECOND: Final = 253_402_300_799  # of the year 9999
_TICKS_PER_SECOND: Final = {"ms": 1000, "us": 1_000_000, "ns": 1_000_000_000}
_TEXT_TYPES: Final = (pl.String, pl.Categorical, pl.Enum)
_ONE_BYTE_TYPES: Final = (pl.Int8, pl.Int16, pl.UInt8, pl.UInt16, pl.Boolean, pl.Null)


def read_scan(scan: pl.LazyFrame, source: Source) -> Read:
    """Collect a scan a few columns at a time and convert them. Raises InvalidDataset, TooLarge, errors of polars."""
    schema = scan.collect_schema()
    check_scan(scan, schema, source.limits)
    given = schema.names()
    count = _COLUMN_BATCH if source.spill is None else 1

    def batch(first: int) -> list[pl.Series]:
        return scan.select(map(column_expr, given[first : first + count])).collect().get_columns()

    return convert_columns(given, batch, source)


def convert_columns(given: Sequence[str], batch: Callable[[int], Sequence[pl.Series]], source: Source) -> Read:
    """Return the columns converted; `batch` returns some of them, from the one at a position on."""
    names = normalize_names(given, source.limits)
    typed: list[pl.Series] = []
    final: set[str] = set()
    while len(typed) < len(names):
        for column in batch(len(typed)):
            name = names[len(typed)]
            if column.dtype not in _TEXT_TYPES:
                final.add(name)
            converted = _convert(column.alias(name), source)
            typed.append(converted if source.spill is None else source.spill.column(converted))
    return Read(pl.DataFrame(typed), notes_on_names(given, names), frozenset(final))


def check_scan(scan: pl.LazyFrame, schema: pl.Schema, limits: Limits) -> None:
    """Check the uncompressed size before decompression: a few bytes can encode millions of equal values.

    Nested values are measured when they are converted. Raises InvalidDataset or TooLarge.
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
    column = column_expr(name)
    return (column.str.len_bytes() if kind == pl.String else column.bin.size()).cast(pl.Int64).sum()


def _convert(column: pl.Series, source: Source) -> pl.Series:
    kind = column.dtype
    if kind.is_integer():
        return _convert_integers(column)
    if kind == pl.Float32:  # 0.1 is 0.1, rather than the double nearest to the 32 bits
        column = column.cast(pl.String).cast(pl.Float64)
    if kind.is_float():
        return null_non_finite(column.cast(pl.Float64))
    if kind == pl.Decimal:
        return _convert_decimals(column)
    if kind == pl.Datetime or kind == pl.Date:
        return _convert_temporal(column)
    if kind == pl.Duration:
        return column.dt.to_string("iso")
    if kind == pl.Binary:
        return _convert_binary(column)
    if kind.is_nested():
        return _convert_nested(column, source.limits.unpacked_bytes)
    return column if kind == pl.Boolean else column.cast(pl.String)


def _convert_integers(column: pl.Series) -> pl.Series:
    integers = column.cast(pl.Int64, strict=False)
    return integers if integers.null_count() == column.null_count() else column.cast(pl.String)


def _convert_decimals(column: pl.Series) -> pl.Series:
    if isinstance(column.dtype, pl.Decimal) and column.dtype.scale == 0:
        return _convert_integers(column)
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
    try:
        return to_json_texts(column, max_bytes)
    except NestedTooLarge:
        raise _too_large(max_bytes) from None
