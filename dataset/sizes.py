"""Sizes of a table: uncompressed, in memory, and as JSON records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import polars as pl

from dataset.errors import InvalidDataset, TooLarge

__all__ = [
    "MAX_RECORD_BYTES",
    "SLICE_ROWS",
    "check_size",
    "count_fitting",
    "fitting_slices",
    "fixed_record_bytes",
    "json_bytes",
    "max_record_bytes",
    "memory_size",
    "row_bytes",
    "row_slices",
]

MAX_RECORD_BYTES: Final = 4 * 2**20
"""The maximum size of one record as JSON, in bytes."""

SLICE_ROWS: Final = 32_768
"""The maximum number of rows that are searched at once."""

_SLICE_BYTES: Final = 4 * 2**20
_INLINE_BYTES: Final = 12  # shorter texts are stored inside their 16-byte view
_VIEW_BYTES: Final = 16
_MAX_LENGTHS: Final = {pl.Boolean: 5, pl.Int64: 20, pl.Float64: 24, pl.Date: 12}  # characters; other types are times
_MAX_TIME_LENGTH: Final = 29
_ESCAPED: Final = r'["\\\n\r\t\x08\x0c]'  # two characters in JSON; other control characters take six
_CONTROLS: Final = r"[\x00-\x07\x0b\x0e-\x1f]"
_MAX_ESCAPED: Final = 6


def check_size(frame: pl.DataFrame, max_bytes: int, max_memory: int | None) -> None:
    """Check the size of a table, which does not depend on the size of its compressed body.

    Raises TooLarge for values of more than `max_bytes` uncompressed, and for a table of more than `max_memory` in
    memory; InvalidDataset for a record of more than 4 MiB as JSON.
    """
    size = sum(_unpacked_bytes(column) for column in frame)
    if size > max_bytes:
        raise TooLarge(f"The body unpacks to more than {max_bytes:,} bytes: send fewer rows or columns.")
    memory = memory_size(frame)
    if max_memory is not None and memory > max_memory:
        raise TooLarge(
            f"The dataset takes {memory:,} bytes of memory, and may take {max_memory:,}: send fewer rows or columns."
        )
    fixed = fixed_record_bytes(frame)
    for first, length in row_slices(frame):
        part = frame.slice(first, length)
        if _max_record_size(part, fixed) <= MAX_RECORD_BYTES:
            continue
        large = (_json_sizes(part, fixed) > MAX_RECORD_BYTES).arg_true()
        if len(large):
            raise InvalidDataset(
                f"Record {first + large[0] + 1} has more than {MAX_RECORD_BYTES:,} bytes as JSON: "
                "split it into several."
            )


def memory_size(frame: pl.DataFrame) -> int:
    """Return the size of the columns in memory, in bytes; a long text shared by several rows counts for each."""
    total = 0
    for column in frame:
        if column.dtype == pl.String:
            lengths = column.str.len_bytes()
            total += _VIEW_BYTES * len(column) + int(lengths.filter(lengths > _INLINE_BYTES).sum())
        else:
            total += len(column) * {pl.Boolean: 1, pl.Date: 4}.get(column.dtype.base_type(), 8)
    return total


def row_bytes(row: Sequence[Any]) -> int:
    """Return about the size in memory of one row of physical values; see `memory_size`."""
    lengths = [len(value.encode()) for value in row if isinstance(value, str)]
    return 8 * len(row) + sum(_VIEW_BYTES - 8 + (length if length > _INLINE_BYTES else 0) for length in lengths)


def row_slices(frame: pl.DataFrame) -> list[tuple[int, int]]:
    """Return (offset, length) of slices of at most 32,768 rows and 4 MiB of text, or of a single larger record."""
    found: list[tuple[int, int]] = []
    for first in range(0, frame.height, SLICE_ROWS):
        texts = frame.slice(first, SLICE_ROWS).select(pl.col(pl.String))
        length = min(SLICE_ROWS, frame.height - first)
        if sum(int(column.str.len_bytes().sum()) for column in texts) <= _SLICE_BYTES:
            found.append((first, length))
            continue
        found += [(first + begin, count) for begin, count in _cuts(_text_sizes(texts), _SLICE_BYTES)]
    return found


def count_fitting(frame: pl.DataFrame, fixed: int, max_bytes: int) -> tuple[int, int]:
    """Return how many leading records, at least one, fit into `max_bytes` as JSON; and their size."""
    most = frame.height and frame.height * _max_record_size(frame, fixed)
    if most <= max_bytes:
        return frame.height, most
    sizes = _json_sizes(frame, fixed).cum_sum()
    count = max(1, int(sizes.search_sorted(max_bytes, side="right")))
    return count, int(sizes[count - 1])


def fitting_slices(frame: pl.DataFrame, fixed: int, max_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield (offset, length) of slices of at most `max_bytes` as JSON, or of a single larger record."""
    if frame.height * _max_record_size(frame, fixed) <= max_bytes:
        return iter([(0, frame.height)] if frame.height else [])
    return _cuts(_json_sizes(frame, fixed), max_bytes)


def _cuts(sizes: pl.Series, most: int) -> Iterator[tuple[int, int]]:
    """Yield (offset, length) of runs whose sizes add up to at most `most`, or of a single larger one."""
    sums = sizes.cum_sum()
    begin = 0
    while begin < len(sums):
        used = sums[begin - 1] if begin else 0
        end = max(begin + 1, int(sums.search_sorted(used + most, side="right")))
        yield begin, end - begin
        begin = end


def _unpacked_bytes(column: pl.Series) -> int:
    if column.dtype == pl.String:
        return int(column.str.len_bytes().sum())
    return len(column) * (1 if column.dtype == pl.Boolean else 4)


def fixed_record_bytes(frame: pl.DataFrame) -> int:
    """Return the maximum size of a record as JSON without its texts: names, punctuation, values of other types."""
    size = 3
    for name, kind in frame.schema.items():
        quotes = 2 if kind == pl.String else 0
        size += len(json.dumps(name, ensure_ascii=False).encode(errors="replace")) + 2
        size += quotes if kind == pl.String else _MAX_LENGTHS.get(kind.base_type(), _MAX_TIME_LENGTH)
    return size


def max_record_bytes(fixed: int, row: Sequence[Any]) -> int:
    """Return an upper bound of the size of a row as JSON, from the result of `fixed_record_bytes`."""
    # `null` has two characters more than the quotes of a text.
    return fixed + sum(_MAX_ESCAPED * len(value) if isinstance(value, str) else 2 for value in row)


def json_bytes(frame: pl.DataFrame) -> int:
    """Return the size of all records as JSON, with numbers and times at their maximum length."""
    return int(_json_sizes(frame, fixed_record_bytes(frame)).sum())


def _max_record_size(frame: pl.DataFrame, fixed: int) -> int:
    """Return an upper bound of the size of each record, from the longest text of each column."""
    texts = frame.select(pl.col(pl.String).str.len_bytes().max())
    return fixed + sum(max(4, _MAX_ESCAPED * (longest or 0)) for longest in (texts.row(0) if texts.width else ()))


def _text_sizes(texts: pl.DataFrame) -> pl.Series:
    return texts.select(
        pl.sum_horizontal(pl.col(pl.String).str.len_bytes().cast(pl.Int64)).fill_null(0).alias("")
    ).to_series()


def _json_sizes(frame: pl.DataFrame, fixed: int) -> pl.Series:
    """Return the size of each record as JSON, counting numbers and times at their maximum length."""
    texts = frame.select(pl.col(pl.String))
    if not texts.width:
        return pl.repeat(fixed, frame.height, dtype=pl.Int64, eager=True)
    text = pl.col(pl.String)
    sizes = (
        text.str.len_bytes().cast(pl.Int64)
        + text.str.count_matches(_ESCAPED)
        + text.str.count_matches(_CONTROLS) * (_MAX_ESCAPED - 1)
    ).fill_null(2)  # of the four letters of null, two were counted as quotes
    return texts.select(pl.sum_horizontal(sizes).alias("") + fixed).to_series()
