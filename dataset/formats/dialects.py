"""Detection of the dialect of a text table from its first lines.

Each delimiter, quote and escape is tried. Its score is the share of rows that it splits into the same number of fields,
times the share of fields that are plain (Van den Burg et al., 2019, without the patterns), times a preference for more
columns. Two that score alike are not decided between.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from dataset.errors import InvalidDataset, Malformed, quoted
from dataset.formats.cell_kinds import is_typed, kind_of
from dataset.formats.quoting import Dialect, Records
from dataset.formats.repairs import Repairs
from dataset.load_options import LoadOptions

__all__ = ["EscapeTest", "Row", "Sample", "comment_marks", "detect_dialect", "filled_width", "read_sample"]

_COMMENT_MARKS: Final = ("#", "%")
_DELIMITERS: Final = ",;\t|"
_MAX_ROWS: Final = 60
_MAX_CELLS: Final = 20_000
_SCORED_CELLS: Final = 1000
_MOST: Final = 0.5
_TIE: Final = 0.95
_TIE_IF_REGULAR: Final = 0.6
"""A second dialect with a higher share of the best score is as good."""


EscapeTest = Callable[[str, str], bool]
"""Returns whether backslashes escape a quote, from the quote and the delimiter."""


class Row(NamedTuple):
    """One row of the sample: the numbers of its first and its last line, and its fields (none in a blank line)."""

    first: int
    last: int
    cells: list[str]


class Sample(NamedTuple):
    """The first rows in one dialect; `width` is the most frequent number of fields, without any that are always empty.

    `regular` is the share of rows of this width.
    """

    dialect: Dialect
    rows: list[Row]
    width: int = 0
    regular: float = 0


def comment_marks(options: LoadOptions) -> tuple[str, ...]:
    """Return what comment lines begin with."""
    return _COMMENT_MARKS if options.comment is None else tuple(options.comment)


def filled_width(cells: Sequence[str]) -> int:
    """Return the number of fields up to the last one that is not empty."""
    width = len(cells)
    while width and not cells[width - 1].strip():
        width -= 1
    return width


def detect_dialect(lines: Sequence[str], line: int, options: LoadOptions, is_escaped: EscapeTest) -> Sample:
    """Return the first rows in the best dialect; a single column if none splits them. `line` lines precede them.

    Raises InvalidDataset if two dialects fit alike.
    """
    delimiters = (_DELIMITERS if options.delimiter is None else options.delimiter).replace(options.quote or "\0", "")
    if not delimiters:
        raise InvalidDataset("The quote is the delimiter: name another one.", "quote")
    samples = [_best_variant(lines, line, delimiter, options, is_escaped) for delimiter in delimiters]
    candidates = (
        [sample for sample in samples if sample.width > 1]
        or [below for sample in samples if (below := _below_titles(sample)) is not None]
        or samples[:1]
    )
    if len(candidates) == 1:
        return candidates[0]
    scores = [_score(sample) for sample in candidates]
    best = candidates[scores.index(max(scores))]
    for other, score in zip(candidates, scores, strict=True):
        # A tab is rare in text, and two delimiters rarely divide all rows and the header.
        tie = _TIE_IF_REGULAR if best.regular == other.regular == 1 and best.dialect.delimiter != "\t" else _TIE
        if other is not best and score > tie * max(scores) and len(best.rows) > 1:
            found = " and ".join(_name(each.dialect.delimiter) for each in (best, other))
            raise InvalidDataset(
                f"Line {best.rows[0].first}: {found} divide the rows alike: name the separator with ?delimiter=.",
                "delimiter",
            )
    return best


def _best_variant(
    lines: Sequence[str], line: int, delimiter: str, options: LoadOptions, is_escaped: EscapeTest
) -> Sample:
    """Return the sample with double quotes, unless single quotes or escapes make more of its rows regular."""
    marks = tuple(options.comment or "")
    quote = '"' if options.quote is None else options.quote
    best = read_sample(lines, line, Dialect(delimiter, quote, is_escaped(quote, delimiter)), marks)
    head = lines[:_MAX_ROWS]
    if options.quote is None and (share := _share_in_single_quotes(head, delimiter)):
        other = read_sample(lines, line, Dialect(delimiter, "'"), marks)
        best = other if other.regular > best.regular or share > _MOST else best
    if not best.dialect.escaped and any("\\" + delimiter in text for text in head):
        other = read_sample(lines, line, best.dialect._replace(escaped=True), marks)
        best = other if other.regular > best.regular else best
    return best


def read_sample(lines: Iterable[str], line: int, dialect: Dialect, marks: tuple[str, ...] = ()) -> Sample:
    """Return the first rows in a dialect, up to one that cannot be read in it, without lines that begin with a mark."""
    records = Records(lines, dialect, Repairs(), line=line, marks=marks)
    rows: list[Row] = []
    cells = 0
    try:
        for row in dialect.parse(records):
            rows.append(Row(records.first, records.line, row if any(map(str.strip, row)) or len(row) > 1 else []))
            cells += len(row)
            if len(rows) >= _MAX_ROWS or (cells > _MAX_CELLS and len(rows) > 2):
                break
    except (csv.Error, Malformed):
        # Where a quoted field is cut off, or another delimiter ends it, the rows before count half.
        return _measure(dialect, rows, 0.5)
    return _measure(dialect, rows, 1)


def _measure(dialect: Dialect, rows: list[Row], weight: float) -> Sample:
    filled = [row.cells for row in rows if row.cells]
    if not filled:
        return Sample(dialect, rows)
    lengths = Counter(map(len, filled))
    length = max(lengths, key=lambda each: (lengths[each], each))
    width = max(filled_width(cells) for cells in filled if len(cells) == length)
    alike = [cells for cells in filled if len(cells) == length or filled_width(cells) == width]
    return Sample(dialect, rows, width, weight * len(alike) / len(filled))


def _below_titles(sample: Sample) -> Sample | None:
    """Return a sample as wide as its last rows, if these are a table below more titles than it has rows."""
    rows = [row for row in sample.rows if row.cells]
    end = max((n for n, row in enumerate(rows, 1) if filled_width(row.cells) > 1), default=0)
    begin = end
    while begin and len(rows[begin - 1].cells) == len(rows[end - 1].cells):
        begin -= 1
    table = [row.cells for row in rows[begin:end]]
    if begin == 0 or len(table) < 2:
        return None
    is_apart = any(not row.cells and rows[begin - 1].last < row.first < rows[begin].first for row in sample.rows)
    if not is_apart and not any(
        kind_of(name) == "text" and is_typed(cells) for name, *cells in zip(*table, strict=True)
    ):
        return None
    return sample._replace(width=max(map(filled_width, table)), regular=len(table) / (len(rows) - begin))


def _score(sample: Sample) -> float:
    rows = [row.cells for row in sample.rows if len(row.cells) >= sample.width]
    fields = [cell for cells in rows for cell in cells][:_SCORED_CELLS]
    return sample.regular * sum(map(_plainness, fields)) / max(1, len(fields)) * (1 - 1 / (sample.width + 2))


def _plainness(cell: str) -> float:
    if kind_of(cell) != "text":
        return 1
    if any(delimiter in cell for delimiter in _DELIMITERS[1:]) or cell.count(",") > 1:
        return 0.5
    return 0.8 if "," in cell or cell[:1] == " " else 0.9


def _share_in_single_quotes(lines: Sequence[str], delimiter: str) -> float:
    """Return the share of lines with a field in single quotes; 0 if one is in double quotes."""
    d = re.escape(delimiter)
    if not any("'" in line for line in lines) or any(
        re.search(rf'(?:^|{d}) *"[^"]*"(?:{d}|[\r\n]|\Z)', line) for line in lines
    ):
        return 0
    enclosed = re.compile(rf"(?:^|{d})'[^'\r\n]*(?:''[^'\r\n]*)*'(?:{d}|[\r\n]|\Z)")
    return sum(enclosed.search(line) is not None for line in lines) / max(1, len(lines))


def _name(delimiter: str) -> str:
    return "tabs" if delimiter == "\t" else quoted(delimiter)
