"""Detection of the delimiter of a CSV: comma, semicolon, tab or bar."""

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
    """Return the delimiter that splits all of the first rows into the same, largest number of fields; default comma."""
    sample = body[:_SAMPLE_BYTES].decode(errors="replace")
    whole = len(body) <= _SAMPLE_BYTES
    widths = {delimiter: _count_fields(sample, delimiter, whole) for delimiter in _DELIMITERS}
    regular = {delimiter: found[0] for delimiter, found in widths.items() if len(set(found)) == 1 and found[0] > 1}
    headers = {delimiter: found[0] for delimiter, found in widths.items() if found and found[0] > 1}
    # If rows differ in length, only the header counts; max returns the first of equal candidates.
    candidates = regular or ({",": 1} if "," in headers else headers) or {",": 1}
    return max(candidates, key=candidates.__getitem__)


def _count_fields(sample: str, delimiter: str, whole: bool) -> list[int]:
    """Return the number of fields of each of the first rows, without a truncated last row."""
    try:
        rows = list(islice(csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter), _SAMPLE_ROWS + 1))
    except csv.Error:
        return []
    complete = rows if whole and len(rows) <= _SAMPLE_ROWS else rows[:-1]
    return [len(row) for row in complete or rows if row]
