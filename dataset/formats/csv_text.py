"""Text tables: comma-separated values (RFC 4180), also with semicolons, tabs, bars or any other delimiter.

The first row names the columns. Clean files are read by polars, others row by row, with repairs and a note on each kind
of them: see the modules `table_head`, `table_end`, `quoting` and `ragged_rows`. What would have to be guessed is an
error that names the line and the option that decides it. Empty lines are skipped. Spaces are stripped from names, and
from values of any type but text.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple

import polars as pl

from dataset.errors import InvalidDataset, Malformed
from dataset.formats import json_values, unsupported
from dataset.formats.dialects import comment_marks, filled_width
from dataset.formats.encodings import as_utf8
from dataset.formats.names import normalize_names, notes_on_names
from dataset.formats.parts import read_typed
from dataset.formats.quoting import Dialect
from dataset.formats.ragged_rows import RaggedRows
from dataset.formats.repairs import Repairs
from dataset.formats.source import Body, Read, Source
from dataset.formats.table_end import find_end
from dataset.formats.table_head import EMPTY, Head, read_head
from dataset.load_options import LoadOptions
from dataset.notes import Note

__all__ = ["MEDIA_TYPES", "OPTIONS", "read", "sniff"]

MEDIA_TYPES: Final = ("text/csv", "text/tab-separated-values", "text/plain")
OPTIONS: Final = ("skip", "header", "delimiter", "quote", "comment", "encoding")

_CONTROLS: Final = re.compile(rb"[\x01-\x08\x0e-\x19\x1b-\x1f]")
_COMMENTS: Final = re.compile(rb"(?:[ \t]*(?:[#%][^\r\n]*)?[\r\n]+)*+")
_JSON: Final = re.compile(rb"\s*[\[{]")
_BOM: Final = codecs.BOM_UTF8
_LINE_END: Final = re.compile(rb"[\r\n]")
_BLANK: Final = re.compile(rb"[\s\0]*\Z")
_WINDOW_BYTES: Final = 2**20
_PART_BYTES: Final = 16 * 2**20  # of the body; as columns of text they take several times as much
_MAX_QUOTED_BYTES: Final = 8 * 2**20
_SNIFFED_BYTES: Final = 2**16
_MAX_COMMENT_BYTES: Final = 16 * 2**20
_HEAD_BYTES: Final = 2**18
_MIN_HEAD_LINES: Final = 3
_ONE_LINE: Final = (
    "The body is a single line, so there are no records below the header. `curl -d @FILE` strips the ends of lines: "
    "send a file with --data-binary @FILE. If only the names of the columns are meant, add ?empty=yes."
)
_NO_HEADER: Final = (
    "The first row is like the others, so the columns are named by position: add ?header=yes if it names them."
)
_MAX_EXAMPLE: Final = 120  # bytes


def sniff(head: bytes) -> bool:
    """Return True: any text may be CSV, so this format is the last one tried."""
    return True


def read(source: Source) -> Read:
    """Parse the columns and infer their types. Raises Malformed, InvalidDataset or UnsupportedMediaType."""
    body, notes = as_utf8(source.body, source.charset, source.options.encoding, guess=True)
    _refuse_other_formats(body)
    options, repairs = source.options, Repairs()
    while body[: len(_BOM)] == _BOM:  # a second one
        body = body[len(_BOM) :]
        repairs.add("bom", body[:_MAX_EXAMPLE].decode(errors="ignore").partition("\n")[0])
    if not (_LINE_END.search(body) or options.empty or options.header in ("no", "only")):
        raise InvalidDataset(_ONE_LINE)
    try:
        head, begin = read_head(_head_text(body, options), options, repairs, partial(_is_escaped, body))
        names = normalize_names(map(str.strip, head.names or [""] * head.width), source.limits)
        table = _Table(body, begin, find_end(body, begin, head, comment_marks(options), repairs), head)
        rows = RaggedRows(*table, options, source.limits.values)
        columns = _read_columns(table, names, rows, source)
    except csv.Error as error:
        raise Malformed(f"The body is no CSV: {error}.") from error
    frame = _drop_empty_columns(columns.frame, head, repairs)
    if frame.height and options.header == "only":
        raise InvalidDataset(
            f"There are {frame.height:,} rows below the header: add ?header=yes to read them.", "header"
        )
    if head.is_spaced:
        frame = _without_padding(frame, repairs)
    repairs.update(rows.repairs)
    return Read(frame, (*notes, *_header_notes(table, frame, options), *repairs.notes(), *columns.notes))


def _header_notes(table: _Table, frame: pl.DataFrame, options: LoadOptions) -> tuple[Note, ...]:
    if table.head.names is not None:
        return notes_on_names([name.strip() for name in table.head.names[: frame.width]], frame.columns)
    if options.header is not None:
        return ()
    first = table.body[table.begin : table.begin + _MAX_EXAMPLE].decode(errors="ignore").lstrip()
    return (Note(_NO_HEADER, example=re.split("[\r\n]", first)[0]),)


class _Table(NamedTuple):
    """The part of a body that holds rows, without header and footers."""

    body: Body
    begin: int
    end: int
    head: Head


def _read_columns(table: _Table, names: list[str], rows: RaggedRows, source: Source) -> Read:
    options, spill = source.options, source.spill
    # polars raises OSError for text that begins as zlib does: x^.
    errors = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, _IrregularRows)
    with suppress(*errors), ThreadPoolExecutor(1) as thread:
        height = thread.submit(_count_regular_rows, table, options)
        return read_typed(names, partial(_read_with_polars, table, height), options, spill)
    return read_typed(names, rows.parts, options, spill)


def _drop_empty_columns(frame: pl.DataFrame, head: Head, repairs: Repairs) -> pl.DataFrame:
    """Return the frame without the columns at its end that have neither a name nor a value."""
    width, named = frame.width, filled_width(head.names) if head.names else frame.width
    while width > named and frame.to_series(width - 1).null_count() == frame.height:
        width -= 1
    if width < frame.width:
        repairs.add("trailing", head.dialect.delimiter.join(head.names or ()), frame.height)
    return frame[:, :width]


def _without_padding(frame: pl.DataFrame, repairs: Repairs) -> pl.DataFrame:
    """Return the frame without spaces before the texts after a delimiter."""
    for position in range(1, frame.width):
        column = frame.to_series(position)
        if column.dtype == pl.String and (padded := column.str.starts_with(" ").fill_null(value=False)).any():
            repairs.add("padding", column.filter(padded)[0], int(padded.sum()))
            texts = column.str.strip_chars_start(" ")
            frame = frame.with_columns(texts.set(texts == "", None))
    return frame


class _IrregularRows(Exception):
    """polars would not parse the rows as they are meant."""


def _head_text(body: Body, options: LoadOptions) -> str:
    """Return the first lines: at least a few whole ones after comments and skipped lines, and as many as fit."""
    begin = 0 if options.comment is not None else _COMMENTS.match(body).end()  # type: ignore[union-attr]
    for _ in range(options.skip or 0):
        begin = body.find(b"\n", begin) + 1 or begin
    first = min(begin, _MAX_COMMENT_BYTES) + _HEAD_BYTES
    if len(body) <= first:
        return body[:].decode()
    end = max(body.rfind(line_end, 0, first) for line_end in (b"\n", b"\r")) + 1
    line_end = b"\n" if body.find(b"\n") >= 0 else b"\r"
    for _ in range(_MIN_HEAD_LINES - body[begin:end].count(line_end)):
        end = body.find(line_end, end) + 1 or len(body)
    return body[:end].decode()


def _is_escaped(body: Body, quote: str, delimiter: str) -> bool:
    """Return whether a backslash precedes a quote that could not stand there otherwise."""
    q, d = re.escape(quote.encode()), re.escape(delimiter.encode())
    if not quote or body.find(b"\\") < 0 or body.find(b"\\" + quote.encode()) < 0:  # a single byte is found fast
        return False
    return re.search(rb"(?<!\\)\\%b(?!%b|%b|[\r\n]|\Z)" % (q, q, d), body) is not None


def _refuse_other_formats(body: Body) -> None:
    if body.find(b"\0") >= 0 and _CONTROLS.search(body):
        raise Malformed("The body is binary, not text: send it with its own Content-Type.")
    unsupported.reject_text(body[:_SNIFFED_BYTES])
    if _is_json(body):
        raise Malformed("The body is JSON, not CSV: send it with its own Content-Type.")
    if _BLANK.match(body):
        raise Malformed(EMPTY)


def _is_json(body: Body) -> bool:
    """Return whether the body is JSON or NDJSON, which would parse as meaningless CSV."""
    if _JSON.match(body) is None:
        return False
    whole = bytes(body).lstrip()
    for text in (whole.partition(b"\n")[0], whole):
        with suppress(ValueError):
            return isinstance(json_values.parse(text), dict | list)
    return False


def _count_regular_rows(table: _Table, options: LoadOptions) -> int:
    """Return the number of rows if polars parses them all correctly, else raise _IrregularRows.

    polars pads short rows and guesses at stray quotes, but rejects long rows. So delimiters outside of quotes are
    counted first: if there are as many as `width` fields in every row need, and no row is long, none is short.
    """
    body, begin, end, head = table
    delimiter = head.dialect.delimiter.encode()
    if head.dialect != Dialect(head.dialect.delimiter) or len(delimiter) > 1 or delimiter == b" " or options.comment:
        raise _IrregularRows
    if body.find(b"\n", begin, end) < 0:
        raise _IrregularRows  # a window would be as large as the body
    header = bytes(body[:begin]).rstrip().rpartition(b"\n")[2]
    if body.find(b"\0", begin, end) >= 0 or (header and any(head.typed) and body.find(b"\n" + header, begin, end) >= 0):
        raise _IrregularRows
    if body.find(_BOM[:1], begin, end) >= 0 and body.find(b"\n" + _BOM, max(0, begin - 1), end) >= 0:
        raise _IrregularRows
    marks = tuple(mark.encode() for mark in comment_marks(options)) if head.typed[0] else ()
    delimiters, lines = 0, 0
    for part in _iter_unquoted(table, delimiter):
        if b'"' in part or b"\n\n" in part or part.startswith(b"\n") or b"\r" in part:
            raise _IrregularRows
        if any(mark in part and (b"\n" + mark in part or part.startswith(mark)) for mark in marks):
            raise _IrregularRows
        delimiters += part.count(delimiter)
        lines += part.count(b"\n")
    last = body[max(begin, end - 1) : end]
    height = lines if last in (b"\n", b"") else lines + 1
    # polars accepts one field too many at the end of a file.
    if last == delimiter or delimiters != (head.width - 1) * height:
        raise _IrregularRows
    return height


def _read_with_polars(table: _Table, height: Future[int], positions: Sequence[int]) -> Iterator[list[pl.Series]]:
    """Parse with polars, ten times as fast as row by row. Raises _IrregularRows and the errors of polars.

    `height` is the number of rows, which another thread counts.
    """
    schema = {f"column_{number}": pl.String for number in range(table.head.width)}
    seen = 0
    for part in _iter_windows(table, _PART_BYTES):
        if height.done():
            height.result()  # raises
        frame = pl.read_csv(
            part,
            has_header=False,
            schema=schema,
            columns=list(positions),
            separator=table.head.dialect.delimiter,
            empty_string_is_null=False,
        )
        seen += frame.height
        yield frame.get_columns()
    if seen != height.result():
        raise _IrregularRows


def _iter_unquoted(table: _Table, delimiter: bytes) -> Iterator[bytes]:
    """Yield the rows in windows, with LF line ends and an x in place of each quoted field.

    Raises _IrregularRows if one has no value.
    """
    edge = re.escape(delimiter) + rb"\r\n"
    empty_row = rb'(?:""|[ \t%b])++\r?\n' % re.escape(delimiter)
    first_row, later_row = re.compile(empty_row), re.compile(b"\n" + empty_row)
    quoted = re.compile(rb'"(?<![^%b]")[^"]*+(?:""[^"]*+)*+"(?![^%b])' % (edge, edge))
    for part in _iter_windows(table, _WINDOW_BYTES):
        if first_row.match(part) or later_row.search(part):
            raise _IrregularRows
        plain = quoted.sub(b"x", part) if b'"' in part else part
        yield plain.replace(b"\r\n", b"\n") if b"\r" in plain else plain


def _iter_windows(table: _Table, size: int) -> Iterator[bytes]:
    """Yield the rows in parts of whole lines and about `size` bytes, to avoid a second copy of them in memory.

    A part ends after a line up to which the number of quotes is even. Where stray quotes make that end wrong, the part
    contains an unpaired quote. Raises _IrregularRows if a part would be much larger.
    """
    begin = table.begin
    while begin < table.end:
        end = _end_of_window(table, begin, size)
        yield table.body[begin:end]
        begin = end


def _end_of_window(table: _Table, begin: int, size: int) -> int:
    body, last = table.body, table.end
    end, odd, seen = min(begin + size, last), False, begin
    while end < last:
        end = body.find(b"\n", end, last) + 1 or last
        odd ^= body[seen:end].count(b'"') % 2 == 1
        if not odd:
            break
        if end > begin + size + _MAX_QUOTED_BYTES:
            raise _IrregularRows
        seen = end
    return end
