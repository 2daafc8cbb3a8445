"""Comma-separated values (RFC 4180), also with semicolons, tabs or bars; the first row names the columns.

UTF-8, UTF-16 or, as a last resort, Latin-1. Empty fields, NA, null and NaN are missing values. Empty lines are skipped.
Spaces around names do not count, nor those around values that are recognised as something other than text. A row of
another length than the first is refused.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import Final

import polars as pl

from ..errors import Malformed
from . import json_values
from .columns import read_plain_text
from .delimiters import find_delimiter
from .encodings import as_utf8
from .names import settle
from .source import Read, Source

__all__ = ["MEDIA_TYPES", "looks_like", "read"]

MEDIA_TYPES: Final = ("text/csv",)

_MARKUP: Final = re.compile(rb"\s*<(?:!doctype|html|\?xml)", re.IGNORECASE)
_JSON: Final = re.compile(rb"\s*[\[{]")
_EMPTY: Final = "The body is empty: send a first row that names the columns."
_BATCH: Final = 20_000  # rows held as Python objects at a time
_WINDOW: Final = 4 * 2**20

# The standard library's limit of 128 KiB is less than the outline of a country.
csv.field_size_limit(2**31 - 1)


def looks_like(head: bytes) -> bool:
    """Any text may be CSV: this format is asked last."""
    return True


def read(source: Source) -> Read:
    """Answer the columns, each typed as a whole. Raises Malformed or InvalidDataset."""
    body, notes = as_utf8(source.body, source.charset, or_latin_1=True)
    if b"\0" in body:
        raise Malformed("The body holds NUL characters: send CSV as text.")
    if _MARKUP.match(body):
        raise Malformed("The body is a page of HTML or XML, no CSV.")
    if _is_json(body):
        raise Malformed("The body is JSON, no CSV: say so by its Content-Type.")
    if body.isspace():
        raise Malformed(_EMPTY)
    delimiter = find_delimiter(body)
    try:
        text = io.TextIOWrapper(io.BytesIO(body), encoding="utf-8", newline="")
        rows = csv.reader(text, strict=True, delimiter=delimiter)
        header = next((row for row in rows if row), None)
        if header is None:
            raise Malformed(_EMPTY)
        names = settle(name.strip() for name in header)
        columns = _read_regular(body, len(names), delimiter)
        if columns is None:
            columns = _read_any(rows, len(names))
    except csv.Error as error:
        raise Malformed(f"The body is no CSV: {error}.") from error
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return Read(pl.DataFrame(list(threads.map(read_plain_text, names, columns))), notes)


def _is_json(body: bytes) -> bool:
    """Whether a body was given the wrong type: JSON in lines, or in one piece, could be read as CSV, as nonsense."""
    if _JSON.match(body) is None:
        return False
    first_line = body.lstrip().partition(b"\n")[0]
    for text in (first_line, body):
        with suppress(ValueError):
            return isinstance(json_values.parse(text), dict | list)
    return False


def _read_regular(body: bytes, width: int, delimiter: str) -> list[pl.Series] | None:
    """Read with polars, ten times as fast, what it can be trusted with; None for all else.

    polars pads short rows and guesses at stray quotes. So count first what stands outside of quoted fields: with
    delimiters for `width` fields in every row on average, and polars refusing rows that are too long, none is short.
    """
    if width == 1:
        return None
    delimiters, lines = 0, 0
    for part in _unquoted(body, delimiter.encode()):
        if b'"' in part or b"\n\n" in part or part.startswith(b"\n") or b"\r" in part:
            return None
        delimiters += part.count(delimiter.encode())
        lines += part.count(b"\n")
    height = lines if body.endswith(b"\n") else lines + 1
    if delimiters != (width - 1) * height:
        return None
    schema = {str(number): pl.String for number in range(width)}
    try:
        frame = pl.read_csv(body, has_header=False, schema=schema, separator=delimiter, empty_string_is_null=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    return frame.slice(1).get_columns() if frame.height == height else None


def _unquoted(body: bytes, delimiter: bytes) -> Iterator[bytes]:
    """Answer the body by windows of whole lines, with plain line ends and an x for every quoted field.

    Windows, so that the body is not held once more. A window ends after a line before which an even number of quotes
    stands; where stray quotes make that no end, one of them is left in the window.
    """
    edge = re.escape(delimiter) + rb"\r\n"
    quoted = re.compile(rb'"(?<![^%b]")[^"]*+(?:""[^"]*+)*+"(?![^%b])' % (edge, edge))
    begin = 0
    while begin < len(body):
        end = _end_of_window(body, begin)
        part = body[begin:end]
        if b'"' in part:
            part = quoted.sub(b"x", part)
        yield part.replace(b"\r\n", b"\n") if b"\r" in part else part
        begin = end


def _end_of_window(body: bytes, begin: int) -> int:
    end, odd, seen = min(begin + _WINDOW, len(body)), False, begin
    while end < len(body):
        end = body.find(b"\n", end) + 1 or len(body)
        odd ^= body.count(b'"', seen, end) % 2 == 1
        if not odd:
            break
        seen = end
    return end


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
