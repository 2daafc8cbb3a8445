"""Comma-separated values (RFC 4180): UTF-8 with or without a byte order mark, the first row names the columns.

Empty fields, NA, null and NaN are missing values. Empty lines are skipped. Spaces around names do not count, nor those
around values that are recognised as something other than text. A row of another length than the first is refused.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

import polars as pl

from ..errors import Malformed
from ..recognition import recognise_instants, recognise_numerals
from .names import settle

__all__ = ["MEDIA_TYPES", "looks_like", "read"]

MEDIA_TYPES: Final = ("text/csv",)

_MISSING: Final = ("", "NA", "null", "NaN")
_QUOTED: Final = re.compile(rb'"(?<![^,\r\n]")[^"]*+(?:""[^"]*+)*+"(?![^,\r\n])')
_BATCH: Final = 20_000  # rows held as Python objects at a time

# The standard library's limit of 128 KiB is less than the outline of a country.
csv.field_size_limit(2**31 - 1)


def looks_like(body: bytes) -> bool:
    """Any text may be CSV: this format is asked last."""
    return True


def read(body: bytes) -> pl.DataFrame:
    """Answer the columns, each typed as a whole. Raises Malformed or InvalidDataset."""
    body = body.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in body:
        raise Malformed("The body holds NUL characters: send CSV as text in UTF-8.")
    try:
        rows = csv.reader(io.TextIOWrapper(io.BytesIO(body), encoding="utf-8", newline=""), strict=True)
        header = next((row for row in rows if row), None)
        if header is None:
            raise Malformed("The body is empty: send a first row that names the columns.")
        names = settle(name.strip() for name in header)
        columns = _read_regular(body, len(names))
        if columns is None:
            columns = _read_any(rows, len(names))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Malformed(f"The body is no CSV in UTF-8: {error}.") from error
    return pl.DataFrame(_typed(column).alias(name) for name, column in zip(names, columns, strict=True))


def _read_regular(body: bytes, width: int) -> list[pl.Series] | None:
    """Read with polars, ten times as fast, what it can be trusted with; None for all else.

    polars pads short rows and guesses at stray quotes. So count first what stands outside of quoted fields: with
    commas for `width` fields in every row on average, and polars refusing rows that are too long, none is too short.
    """
    plain = (_QUOTED.sub(b"x", body) if b'"' in body else body).replace(b"\r\n", b"\n").removesuffix(b"\n")
    height = plain.count(b"\n") + 1
    irregular = b'"' in plain or b"\r" in plain or b"\n\n" in plain or plain.startswith(b"\n")
    if irregular or width == 1 or plain.count(b",") != (width - 1) * height:
        return None
    schema = {str(number): pl.String for number in range(width)}
    try:
        frame = pl.read_csv(body, has_header=False, schema=schema, empty_string_is_null=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    return frame.slice(1).get_columns() if frame.height == height else None


def _read_any(rows: Iterator[list[str]], width: int) -> list[pl.Series]:
    filled = (row for row in rows if row)
    empty = [pl.Series(str(number), [], dtype=pl.String) for number in range(width)]
    frames, seen = [pl.DataFrame(empty)], 0
    while batch := list(islice(filled, _BATCH)):
        for number, row in enumerate(batch, start=seen + 1):
            if len(row) != width:
                raise Malformed(
                    f"Row {number} after the header has {len(row)} fields, the header has {width}: give them as many."
                )
        columns = zip(*batch, strict=True)
        frames.append(pl.DataFrame([pl.Series(str(n), c, dtype=pl.String) for n, c in enumerate(columns)]))
        seen += len(batch)
    return pl.concat(frames).get_columns()


def _typed(texts: pl.Series) -> pl.Series:
    trimmed = texts.str.strip_chars(" \t")
    missing = trimmed.is_in(_MISSING)
    trimmed = trimmed.set(missing, None)
    for recognise in (recognise_numerals, recognise_instants):
        typed = recognise(trimmed)
        if typed is not None:
            return typed
    return texts.set(missing, None)
