"""Comma-separated values (RFC 4180), also with semicolons, tabs or bars; the first row names the columns.

UTF-8, UTF-16 or, as a fallback, Latin-1. Empty fields, NA, null and NaN are missing values. Empty lines are skipped.
Spaces are stripped from names, and from values of any type but text. A row whose length differs from the header's is an
error.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any, Final

import polars as pl

from dataset.errors import Malformed
from dataset.formats import json_values
from dataset.formats.delimiters import detect_delimiter
from dataset.formats.encodings import as_utf8
from dataset.formats.names import normalize_names
from dataset.formats.parts import read_typed
from dataset.formats.source import Body, Read, Source
from dataset.load_options import LoadOptions

__all__ = ["MEDIA_TYPES", "read", "sniff"]

MEDIA_TYPES: Final = ("text/csv",)

_MARKUP: Final = re.compile(rb"\s*<(?:!doctype|html|\?xml)", re.IGNORECASE)
_JSON: Final = re.compile(rb"\s*[\[{]")
_BLANK: Final = re.compile(rb"\s*\Z")
_EMPTY: Final = "The body is empty: send a first row that names the columns."
_BATCH_ROWS: Final = 2_000  # converted to Python objects at a time; larger batches are slower
_BATCH_FIELDS: Final = 400_000
_WINDOW_BYTES: Final = 4 * 2**20
_PART_BYTES: Final = 16 * 2**20  # of the body; as columns of text they take several times as much

# The standard library's limit of 128 KiB is less than the outline of a country.
csv.field_size_limit(2**31 - 1)


def sniff(head: bytes) -> bool:
    """Return True: any text may be CSV, so this format is the last one tried."""
    return True


def read(source: Source) -> Read:
    """Parse the columns and infer their types. Raises Malformed or InvalidDataset."""
    body, notes = as_utf8(source.body, source.charset, or_latin_1=True)
    if body.find(b"\0") >= 0:
        raise Malformed("The body holds NUL characters: send CSV as text.")
    if _MARKUP.match(body):
        raise Malformed("The body is a page of HTML or XML, not CSV.")
    if _is_json(body):
        raise Malformed("The body is JSON, not CSV: send it with its own Content-Type.")
    if _BLANK.match(body):
        raise Malformed(_EMPTY)
    delimiter = detect_delimiter(body)
    try:
        header = next((row for row in _iter_rows(body, delimiter) if row), None)
        if header is None:
            raise Malformed(_EMPTY)
        names = normalize_names((name.strip() for name in header), source.limits)
        columns = _read_columns(body, names, delimiter, source.options)
        return Read(columns.frame, (*notes, *columns.notes))
    except csv.Error as error:
        raise Malformed(f"The body is no CSV: {error}.") from error


def _read_columns(body: Body, names: list[str], delimiter: str, options: LoadOptions) -> Read:
    height = _count_regular_rows(body, len(names), delimiter)
    if height is not None:
        with suppress(pl.exceptions.PolarsError, pl.exceptions.PanicException, _IrregularRows):
            return read_typed(names, partial(_read_with_polars, body, len(names), delimiter, height), options)
    return read_typed(names, partial(_read_row_by_row, body, len(names), delimiter), options)


class _IrregularRows(Exception):
    """polars returned a number of rows that differs from the count."""


class _BodyReader(io.RawIOBase):
    """A raw stream over a mapped file, without copying it."""

    def __init__(self, body: Body) -> None:
        self._rest = memoryview(body)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._rest[: len(buffer)]
        buffer[: len(part)] = part
        self._rest = self._rest[len(part) :]
        return len(part)


def _open(body: Body) -> io.BytesIO | io.BufferedReader:
    return io.BytesIO(body) if isinstance(body, bytes) else io.BufferedReader(_BodyReader(body))


def _is_json(body: Body) -> bool:
    """Return whether the body is JSON or NDJSON, which would parse as meaningless CSV."""
    if _JSON.match(body) is None:
        return False
    whole = bytes(body).lstrip()
    for text in (whole.partition(b"\n")[0], whole):
        with suppress(ValueError):
            return isinstance(json_values.parse(text), dict | list)
    return False


def _count_regular_rows(body: Body, width: int, delimiter: str) -> int | None:
    """Return the number of rows with the header if polars parses them all correctly, else None.

    polars pads short rows and guesses at stray quotes, but rejects long rows. So delimiters outside of quotes are
    counted first: if there are as many as `width` fields in every row need, and no row is long, none is short.
    """
    delimiters, lines = 0, 0
    for part in _iter_unquoted(body, delimiter.encode()):
        if b'"' in part or b"\n\n" in part or part.startswith(b"\n") or b"\r" in part:
            return None
        delimiters += part.count(delimiter.encode())
        lines += part.count(b"\n")
    if body[-1:] == delimiter.encode():
        return None  # polars accepts one field too many at the end of a file
    height = lines if body[-1:] == b"\n" else lines + 1
    return height if delimiters == (width - 1) * height else None


def _read_with_polars(
    body: Body, width: int, delimiter: str, height: int, positions: Sequence[int]
) -> Iterator[list[pl.Series]]:
    """Parse with polars, ten times as fast as row by row. Raises _IrregularRows and the errors of polars."""
    schema = {f"column_{number}": pl.String for number in range(width)}
    seen = 0
    for part in _iter_windows(body, _PART_BYTES):
        frame = pl.read_csv(
            part,
            has_header=False,
            schema=schema,
            columns=list(positions),
            separator=delimiter,
            empty_string_is_null=False,
        )
        seen += frame.height
        yield (frame if seen > frame.height else frame.slice(1)).get_columns()
    if seen != height:
        raise _IrregularRows


def _iter_unquoted(body: Body, delimiter: bytes) -> Iterator[bytes]:
    """Yield the body in windows, with LF line ends and an x in place of each quoted field."""
    edge = re.escape(delimiter) + rb"\r\n"
    quoted = re.compile(rb'"(?<![^%b]")[^"]*+(?:""[^"]*+)*+"(?![^%b])' % (edge, edge))
    for part in _iter_windows(body, _WINDOW_BYTES):
        plain = quoted.sub(b"x", part) if b'"' in part else part
        yield plain.replace(b"\r\n", b"\n") if b"\r" in plain else plain


def _iter_windows(body: Body, size: int) -> Iterator[bytes]:
    """Yield the body in parts of whole lines and about `size` bytes, to avoid a second copy of it in memory.

    A part ends after a line up to which the number of quotes is even. Where stray quotes make that end wrong, the part
    contains an unpaired quote.
    """
    begin = 0
    while begin < len(body):
        end = _end_of_window(body, begin, size)
        yield body[begin:end]
        begin = end


def _end_of_window(body: Body, begin: int, size: int) -> int:
    end, odd, seen = min(begin + size, len(body)), False, begin
    while end < len(body):
        end = body.find(b"\n", end) + 1 or len(body)
        odd ^= body[seen:end].count(b'"') % 2 == 1
        if not odd:
            break
        seen = end
    return end


def _iter_rows(body: Body, delimiter: str) -> Iterator[list[str]]:
    text = io.TextIOWrapper(_open(body), encoding="utf-8", newline="")
    return (row for row in csv.reader(text, strict=True, delimiter=delimiter) if row)


def _read_row_by_row(body: Body, width: int, delimiter: str, positions: Sequence[int]) -> Iterator[list[pl.Series]]:
    """Parse row by row. Raises Malformed and csv.Error."""
    rows = islice(_iter_rows(body, delimiter), 1, None)
    frames: list[pl.DataFrame] = []
    seen, size = 0, 0.0
    while batch := list(islice(rows, max(1, min(_BATCH_ROWS, _BATCH_FIELDS // width)))):
        if set(map(len, batch)) != {width}:
            number, fields = next((number, len(row)) for number, row in enumerate(batch, seen + 1) if len(row) != width)
            raise Malformed(
                f"Row {number} after the header has {fields} fields, the header has {width}: give them as many."
            )
        columns = list(zip(*batch, strict=True))
        frames.append(pl.DataFrame([pl.Series(str(n), columns[n], dtype=pl.String) for n in positions]))
        seen += len(batch)
        size += frames[-1].estimated_size()
        if size > _PART_BYTES:
            yield pl.concat(frames, rechunk=True).get_columns()
            frames, size = [], 0.0
    if frames:
        yield pl.concat(frames, rechunk=True).get_columns()
