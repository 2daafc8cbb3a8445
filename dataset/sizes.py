"""The sizes of a table: written plainly, in memory, and record by record as JSON."""

from __future__ import annotations

import json
from typing import Final

import polars as pl

from dataset.errors import InvalidDataset, TooLarge

__all__ = ["LARGEST_RECORD", "bytes_beside_texts", "check_stored", "fitting", "in_memory", "slices"]

LARGEST_RECORD: Final = 4 * 2**20
"""Bytes that one record may have as JSON."""

_ROWS: Final = 32_768
_SLICE_BYTES: Final = 4 * 2**20
_INLINE: Final = 12  # bytes of a text that are held beside it, in the 16 bytes that each text takes
_VIEW: Final = 16
_LONGEST: Final = {pl.Boolean: 5, pl.Int64: 20, pl.Float64: 24, pl.Date: 12}  # characters; all else is a time
_TIME: Final = 29
_ESCAPED: Final = r'["\\\n\r\t\x08\x0c]'  # these become two characters in JSON, other control characters six
_CONTROLS: Final = r"[\x00-\x07\x0b\x0e-\x1f]"
_MOST_ESCAPED: Final = 6


def check_stored(frame: pl.DataFrame, most_bytes: int, most_memory: int | None) -> None:
    """Refuse a table that is larger than may be stored, however small its body was.

    Raises TooLarge for values of more than `most_bytes` written plainly, and for a table that takes more than
    `most_memory`; InvalidDataset for a record of more than 4 MiB as JSON.
    """
    plain = sum(_plain_bytes(column) for column in frame)
    if plain > most_bytes:
        raise TooLarge(f"The body unpacks to more than {most_bytes:,} bytes: send fewer rows or columns.")
    memory = in_memory(frame)
    if most_memory is not None and memory > most_memory:
        raise TooLarge(
            f"The dataset takes {memory:,} bytes of memory, and may take {most_memory:,}: send fewer rows or columns."
        )
    fixed = bytes_beside_texts(frame)
    for first, length in slices(frame):
        part = frame.slice(first, length)
        if _at_most(part, fixed) <= LARGEST_RECORD:
            continue
        large = (_json_bytes(part, fixed) > LARGEST_RECORD).arg_true()
        if len(large):
            raise InvalidDataset(
                f"Record {first + large[0] + 1} has more than {LARGEST_RECORD:,} bytes as JSON: split it into several."
            )


def in_memory(frame: pl.DataFrame) -> int:
    """Answer the bytes that the columns take in memory; those of long texts even where several rows share one."""
    total = 0
    for column in frame:
        if column.dtype == pl.String:
            lengths = column.str.len_bytes()
            total += _VIEW * len(column) + int(lengths.filter(lengths > _INLINE).sum())
        else:
            total += len(column) * {pl.Boolean: 1, pl.Date: 4}.get(column.dtype.base_type(), 8)
    return total


def slices(frame: pl.DataFrame) -> list[tuple[int, int]]:
    """Answer first rows and lengths of slices that hold 32,768 rows, and 4 MiB of text or one record, at most."""
    found: list[tuple[int, int]] = []
    for first in range(0, frame.height, _ROWS):
        texts = frame.slice(first, _ROWS).select(pl.col(pl.String))
        length = min(_ROWS, frame.height - first)
        if sum(int(column.str.len_bytes().sum()) for column in texts) <= _SLICE_BYTES:
            found.append((first, length))
            continue
        sizes = _row_sums(texts).cum_sum()
        begin = 0
        while begin < length:
            taken = sizes[begin - 1] if begin else 0
            end = max(begin + 1, int(sizes.search_sorted(taken + _SLICE_BYTES, side="right")))
            found.append((first + begin, end - begin))
            begin = end
    return found


def fitting(frame: pl.DataFrame, fixed: int, most_bytes: int) -> tuple[int, int]:
    """Answer how many of the first records, one at least, have `most_bytes` at most as JSON; and their bytes."""
    most = frame.height and frame.height * _at_most(frame, fixed)
    if most <= most_bytes:
        return frame.height, most
    sizes = _json_bytes(frame, fixed).cum_sum()
    count = max(1, int(sizes.search_sorted(most_bytes, side="right")))
    return count, int(sizes[count - 1])


def _plain_bytes(column: pl.Series) -> int:
    if column.dtype == pl.String:
        return int(column.str.len_bytes().sum())
    return len(column) * (1 if column.dtype == pl.Boolean else 4)


def bytes_beside_texts(frame: pl.DataFrame) -> int:
    """Answer the bytes of a record as JSON but for its texts: names, punctuation, the longest value of other types."""
    size = 3
    for name, kind in frame.schema.items():
        quotes = 2 if kind == pl.String else 0
        size += len(json.dumps(name, ensure_ascii=False).encode(errors="replace")) + 2
        size += quotes if kind == pl.String else _LONGEST.get(kind.base_type(), _TIME)
    return size


def _at_most(frame: pl.DataFrame, fixed: int) -> int:
    """An upper bound of the bytes of each record, from the longest text of each column."""
    texts = frame.select(pl.col(pl.String).str.len_bytes().max())
    return fixed + sum(max(4, _MOST_ESCAPED * (longest or 0)) for longest in (texts.row(0) if texts.width else ()))


def _row_sums(texts: pl.DataFrame) -> pl.Series:
    return texts.select(
        pl.sum_horizontal(pl.col(pl.String).str.len_bytes().cast(pl.Int64)).fill_null(0).alias("")
    ).to_series()


def _json_bytes(frame: pl.DataFrame, fixed: int) -> pl.Series:
    """The bytes of each record as JSON, where numbers and times are counted as long as they can be."""
    texts = frame.select(pl.col(pl.String))
    if not texts.width:
        return pl.repeat(fixed, frame.height, dtype=pl.Int64, eager=True)
    text = pl.col(pl.String)
    sizes = (
        text.str.len_bytes().cast(pl.Int64)
        + text.str.count_matches(_ESCAPED)
        + text.str.count_matches(_CONTROLS) * (_MOST_ESCAPED - 1)
    ).fill_null(2)  # of the four letters of null, two are counted as quotes
    return texts.select(pl.sum_horizontal(sizes).alias("") + fixed).to_series()
