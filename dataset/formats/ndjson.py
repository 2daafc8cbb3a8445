"""Newline-delimited JSON: one object per line. Empty lines are skipped; values are converted as in JSON."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from typing import Any, Final

from dataset.errors import InvalidDataset, Malformed
from dataset.formats import json_values
from dataset.formats.columns import Grid
from dataset.formats.encodings import as_utf8
from dataset.formats.json_repeats import repeat_notes
from dataset.formats.json_tables import list_table
from dataset.formats.source import Read, Source
from dataset.notes import Note

__all__ = ["MEDIA_TYPES", "OPTIONS", "read", "sniff"]

MEDIA_TYPES: Final = ("application/x-ndjson",)
OPTIONS: Final = ("header", "encoding")

_RECORD_SEPARATOR: Final = b"\x1e"  # RFC 7464; a record may take several lines
_OBJECT_AND_MORE: Final = re.compile(rb"\s*({[^\n]*}|\[[^\n]*\])[ \t\r]*\n\s*[{\[]")


def sniff(head: bytes) -> bool:
    """Return whether the first line is a complete object or list and another follows, or a JSON text sequence."""
    if head.startswith(_RECORD_SEPARATOR):
        return True
    match = _OBJECT_AND_MORE.match(head)
    if match is None:
        return False
    try:
        json_values.parse(match[1])
    except ValueError:
        return False
    return True


def read(source: Source) -> Read:
    """Parse a column for each member name. Raises Malformed or InvalidDataset with the line number."""
    body, notes = as_utf8(source.body, source.charset, source.options.encoding)
    text = bytes(body)
    if not text or text.isspace():
        raise Malformed("The body is empty: send one object a line.")

    def grid(parse: json_values.Parse) -> tuple[Grid, list[Note]]:
        lines = enumerate(_lines(text), start=1)
        rows = [_row(parse, line, number) for number, line in lines if not line.isspace()]
        table = list_table(rows, None, source.options)
        if table is not None:
            found, on_rows = table.read()
            return found, [*repeat_notes(rows, text, lambda: filter(bytes.strip, _lines(text))), *on_rows]
        numbers = (number for number, line in enumerate(_lines(text), start=1) if not line.isspace())
        number = next(number for number, row in zip(numbers, rows, strict=True) if not isinstance(row, dict))
        raise InvalidDataset(f"Line {number} is not an object: send one object a line.")

    read = json_values.to_read(grid, len(text), source)
    return read._replace(notes=notes + read.notes)


def _lines(text: bytes) -> Iterable[bytes]:
    """Return the lines, or the records of a JSON text sequence (RFC 7464, RFC 8142)."""
    if not text.startswith(_RECORD_SEPARATOR):
        return io.BytesIO(text)
    return filter(None, text.split(_RECORD_SEPARATOR))


def _row(parse: json_values.Parse, line: bytes, number: int) -> Any:
    try:
        return parse(line.lstrip(_RECORD_SEPARATOR))
    except ValueError as error:
        raise Malformed(f"Line {number} is no JSON: {json_values.describe_error(error)}.") from error
