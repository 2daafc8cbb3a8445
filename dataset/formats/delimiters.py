"""Which character separates the fields of a CSV: comma, semicolon, tab or bar."""

from __future__ import annotations

import csv
import io
from itertools import islice
from typing import Final

from dataset.formats.source import Body

__all__ = ["detect_delimiter"]

_DELIMITERS: Final = ",;\t|"
_SAMPLE_ROWS: Final = 20
_SAMPLE_BYTES: Final = 2**16


def detect_delimiter(body: Body) -> str:
    """Answer the one that gives the first rows the most fields, and all of them as many; the comma in doubt."""
    sample = body[:_SAMPLE_BYTES].decode(errors="replace")
    whole = len(body) <= _SAMPLE_BYTES
    widths = {delimiter: _count_fields(sample, delimiter, whole) for delimiter in _DELIMITERS}
    regular = {delimiter: found[0] for delimiter, found in widths.items() if len(set(found)) == 1 and found[0] > 1}
    headers = {delimiter: found[0] for delimiter, found in widths.items() if found and found[0] > 1}
    # Of a table with a broken row, the header alone can tell; max takes the first of the best.
    candidates = regular or ({",": 1} if "," in headers else headers) or {",": 1}
    return max(candidates, key=candidates.__getitem__)


def _count_fields(sample: str, delimiter: str, whole: bool) -> list[int]:
    """How many fields each of the first rows has; the last of a sample that breaks off does not count."""
    try:
        rows = list(islice(csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter), _SAMPLE_ROWS + 1))
    except csv.Error:
        return []
    complete = rows if whole and len(rows) <= _SAMPLE_ROWS else rows[:-1]
    return [len(row) for row in complete or rows if row]
