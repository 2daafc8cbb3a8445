"""Detection of the dialect of a text table from its first lines.

Each delimiter, quote and escape is tried. The score of one is the share of rows that it splits into the same number of
fields, times the share of fields that are plain (Van den Burg et al., 2019, without the patterns), times a preference
for more columns. Two that score alike are not decided between.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from dataset.errors import InvalidDataset, Malformed, quoted
from dataset.formats.cell_kinds import kind_of
from dataset.formats.quoting import Dialect, Records
from dataset.formats.repairs import Repairs
from dataset.load_options import LoadOptions

__all__ = ["Row", "Sample", "detect_dialect", "filled_width", "read_sample"]

_DELIMITERS: Final = ",;\t|"
_MAX_ROWS: Final = 100
_MAX_CELLS: Final = 20_000
_SCORED_CELLS: Final = 1000
_MOST: Final = 0.5
_CLEAR: Final = 0.95
"""A second dialect with a higher share of the best score is a tie."""


class Row(NamedTuple):
    """One row of the sample: the numbers of its first and its last line, and its fields (none in a blank line)."""

    first: int
    last: int
    cells: list[str]


class Sample(NamedTuple):
    """The first rows in one dialect; `width` is the most frequent number of fields up to the last that is not empty.

    `regular` is the share of rows of this width.
    """

    dialect: Dialect
    rows: list[Row]
    width: int = 0
    regular: float = 0
    score: float = 0


def filled_width(cells: Sequence[str]) -> int:
    """Return the number of fields up to the last one that is not empty."""
    width = len(cells)
    while width and not cells[width - 1].strip():
        width -= 1
    return width


def detect_dialect(lines: Sequence[str], line: int, options: LoadOptions, *, escaped: bool) -> Sample:
    """Return the first rows in the best dialect; a single column if none splits them. `line` lines precede them.

    Raises InvalidDataset if two dialects fit alike.
    """
    delimiters = _DELIMITERS if options.delimiter is None else options.delimiter
    samples = [_best_variant(lines, line, delimiter, options.quote, escaped=escaped) for delimiter in delimiters]
    ranked = sorted((sample for sample in samples if sample.width > 1), key=lambda sample: -sample.score)
    best = ranked[0] if ranked else samples[0]
    for other in ranked[1:]:
        if other.score > _CLEAR * best.score:
            found = " and ".join(_name(each.dialect.delimiter) for each in (best, other))
            raise InvalidDataset(
                f"Line {best.rows[0].first}: {found} divide the rows alike: name the separator with ?delimiter=.",
                "delimiter",
            )
    return best


def _best_variant(lines: Sequence[str], line: int, delimiter: str, quote: str | None, *, escaped: bool) -> Sample:
    """Return the sample with double quotes, unless single quotes or escapes make more of its rows regular."""
    best = read_sample(lines, line, Dialect(delimiter, '"' if quote is None else quote, escaped))
    head = lines[:_MAX_ROWS]
    if quote is None and (share := _share_in_single_quotes(head, delimiter)):
        other = read_sample(lines, line, Dialect(delimiter, "'", escaped))
        best = other if other.regular > best.regular or share > _MOST else best
    if not escaped and any("\\" + delimiter in text for text in head):
        other = read_sample(lines, line, best.dialect._replace(escaped=True))
        best = other if other.regular > best.regular else best
    return best


def read_sample(lines: Iterable[str], line: int, dialect: Dialect) -> Sample:
    """Return the first rows in a dialect, up to the first one that cannot be read in it."""
    records = Records(lines, dialect, Repairs(), line=line)
    rows: list[Row] = []
    cells = 0
    try:
        for row in dialect.parse(records):
            rows.append(Row(records.first, records.line, row if any(map(str.strip, row)) or len(row) > 1 else []))
            cells += len(row)
            if len(rows) >= _MAX_ROWS or (cells > _MAX_CELLS and len(rows) > 2):
                break
    except (csv.Error, Malformed):
        pass
    return _measure(dialect, rows)


def _measure(dialect: Dialect, rows: list[Row]) -> Sample:
    filled = [row.cells for row in rows if row.cells]
    widths = Counter(map(filled_width, filled))
    if not widths:
        return Sample(dialect, rows)
    width = max(widths, key=lambda each: (widths[each], each))
    alike = [cells for cells in filled if width in (len(cells), filled_width(cells))]
    fields = [cell for cells in alike for cell in cells][:_SCORED_CELLS]
    regular, plain = len(alike) / len(filled), sum(map(_plainness, fields)) / max(1, len(fields))
    return Sample(dialect, rows, width, regular, regular * plain * (1 - 1 / max(1, width)))


def _plainness(cell: str) -> float:
    if kind_of(cell) != "text":
        return 1
    return 0.5 if any(delimiter in cell for delimiter in _DELIMITERS) else 0.9


def _share_in_single_quotes(lines: Sequence[str], delimiter: str) -> float:
    """Return the share of lines with a field in single quotes; 0 if a field begins with a double quote."""
    d = re.escape(delimiter)
    if any(re.search(f'(?:^|{d}) *"', line) for line in lines):
        return 0
    enclosed = re.compile(rf"(?:^|{d})'[^'\r\n]*(?:''[^'\r\n]*)*'(?:{d}|[\r\n]|\Z)")
    return sum(enclosed.search(line) is not None for line in lines) / max(1, len(lines))


def _name(delimiter: str) -> str:
    return "tabs" if delimiter == "\t" else quoted(delimiter)
