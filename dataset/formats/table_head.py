"""The beginning of a text table: what precedes the header, the header, and the columns that it names."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final, NamedTuple

from dataset.errors import InvalidDataset, Malformed, quoted
from dataset.formats.cell_kinds import is_typed, kind_of
from dataset.formats.dialects import EscapeTest, Row, Sample, comment_marks, detect_dialect, filled_width, read_sample
from dataset.formats.header_row import Evidence, header_evidence
from dataset.formats.quoting import Dialect, Records
from dataset.formats.repairs import Repairs
from dataset.formats.single_column import check_single_column
from dataset.load_options import LoadOptions

__all__ = ["EMPTY", "Head", "read_head"]

EMPTY: Final = "The body is empty: send a first row that names the columns."

_SEPARATOR_LINE: Final = re.compile(r'"?sep=(.)"?[ \t]*[\r\n]*', re.IGNORECASE)
_HEADER_BLOCK: Final = re.compile(r'"?-+ ?(begin|end) header ?-+"?[,;\s]*', re.IGNORECASE)
_RULE: Final = re.compile(r"(?=.*[|+])[\s|+:=-]*[-=]{3}[\s|+:=-]*")
_MAX_TITLES: Final = 50
_HEADER_LINES: Final = 1000


class Head(NamedTuple):
    """The dialect; the names as given, None where there is no header; the number of fields.

    `line` is the number of lines before the first row of values; `typed` is true for columns of another type than text,
    as far as the first rows show. `is_spaced` is true if a space follows every delimiter in all of them.
    """

    dialect: Dialect
    names: list[str] | None
    width: int
    line: int
    typed: list[bool]
    is_spaced: bool


def read_head(text: str, options: LoadOptions, repairs: Repairs, is_escaped: EscapeTest) -> tuple[Head, int]:
    """Find the header in the first lines of a file; return also the number of bytes before the first row of values.

    Raises Malformed, or InvalidDataset that names an option.
    """
    lines = list(io.StringIO(text, newline=""))
    first = min(options.skip or 0, len(lines))
    if first < len(lines) and (match := _SEPARATOR_LINE.fullmatch(lines[first])) and options.delimiter is None:
        repairs.add("separator", lines[first])
        options = replace(options, delimiter=match[1])
        first += 1
    first = _end_of_header_block(lines, first, repairs)
    sample, begin = _sample_table(lines, first, options, is_escaped)
    if sample.width == 1 and options.delimiter is None:
        check_single_column(lines[begin:], begin)
    ruled = next((row for row in sample.rows if _RULE.fullmatch(lines[row.first - 1])), None)
    if ruled is not None:
        raise Malformed(
            f"Line {ruled.first} is a ruled line: {quoted(lines[ruled.first - 1].strip())}. Export the table as CSV."
        )
    comments = [line for line in lines[first:begin] if line.strip()]
    try:
        head = _place_header(sample, comments, options, repairs)
    except Malformed:
        if options.delimiter is None:
            check_single_column(lines[begin:], begin)
        is_divided = sample.dialect.delimiter == "\t" or any(len(row.cells) > 1 for row in sample.rows[:1])
        sample = read_sample(lines[begin:], begin, Dialect())
        if options.delimiter is not None or is_divided or sample.width != 1 or sample.regular < 1:
            raise
        head = _place_header(sample, comments, options, repairs)  # one column, whose values hold delimiters
    return head, sum(len(line.encode()) for line in lines[: head.line])


def _sample_table(lines: Sequence[str], first: int, options: LoadOptions, is_escaped: EscapeTest) -> tuple[Sample, int]:
    """Return the first rows after the comments at the beginning, and the number of lines before them."""
    begin = _end_of_comments(lines, first, options)
    sample = detect_dialect(lines[begin:], begin, options, is_escaped)
    if begin > first and not any(row.cells for row in sample.rows):
        begin = first  # every line begins like a comment: these may be values
        sample = detect_dialect(lines[begin:], begin, options, is_escaped)
        if sample.width <= 1:
            raise Malformed("The body holds comments only: send rows, or add ?comment= (empty) if these are rows.")
    if not any(row.cells for row in sample.rows):
        for _ in Records(lines[begin:], sample.dialect, Repairs(), line=begin):
            pass  # raises the reason why the first record cannot be read
        raise Malformed(EMPTY)
    return sample, begin


def _end_of_header_block(lines: Sequence[str], first: int, repairs: Repairs) -> int:
    """Return the position after a block of titles whose begin and end are marked, as those of NASA are."""
    marks = [n for n, line in enumerate(lines[:_HEADER_LINES]) if n >= first and _HEADER_BLOCK.fullmatch(line)]
    if len(marks) < 2 or any(line.strip() for line in lines[first : marks[0]]):
        return first
    repairs.add("titles", lines[marks[0]], marks[1] + 1 - marks[0])
    return marks[1] + 1


def _end_of_comments(lines: Sequence[str], first: int, options: LoadOptions) -> int:
    """Return the position after the comments at the beginning, and the blank lines between them."""
    marks = comment_marks(options)
    end = first
    for position in range(first, len(lines)):
        line = lines[position].lstrip()
        if line and not line.startswith(marks):
            break
        end = position + 1 if line else end
    return end


def _place_header(sample: Sample, comments: list[str], options: LoadOptions, repairs: Repairs) -> Head:
    rows = [row for row in sample.rows if row.cells]
    at = 0 if options.skip is not None else _find_first_row(sample, rows)
    if at == 1 and _is_without_first_name(sample, rows):
        rows[0], at = rows[0]._replace(cells=["", *rows[0].cells]), 0
    if at and len(rows[0].cells) == len(rows[at].cells) and _is_header_with_gaps(sample, rows, at, options):
        at = 0
    if at == 0 and options.header is None and options.skip is None:
        _check_first_row(sample, rows)
    line, values = rows[at].first - 1, rows[at:]
    evidence = header_evidence([row.cells for row in values], sample.width)
    if at:
        _check_titles(sample, rows[:at], rows[at], evidence)
        repairs.add("titles", sample.dialect.delimiter.join(rows[0].cells), at)
    names = (
        None if options.header == "no" else _commented_header(sample, rows[at], comments, evidence, options, repairs)
    )
    if names is None and options.header != "no":
        if evidence == "unclear" and options.header is None:
            raise InvalidDataset(
                f"Line {values[0].first} may be a header or a row: its {quoted(', '.join(values[0].cells))} is like "
                "the lines below. Add ?header=yes or ?header=no.",
                "header",
            )
        if evidence != "none" or options.header is not None:
            names, values, line = rows[at].cells, rows[at + 1 :], rows[at].last
    if comments:
        repairs.add("comments", comments[0], len(comments))
    if names is not None and _is_below_header(values, len(names)):
        repairs.add("units", sample.dialect.delimiter.join(values[0].cells))
        values, line = values[1:], values[0].last
    width = max(sample.width, len(values[0].cells)) if names is None else len(names)
    whole = [row.cells for row in values if len(row.cells) >= width] or [row.cells for row in values]
    typed = [is_typed(cells[n] for cells in whole if n < len(cells)) for n in range(width)]
    is_spaced = width > 1 and all(cell[:1] in (" ", "") for row in rows[at:] for cell in row.cells[1:])
    return Head(sample.dialect, names, width, line, typed, is_spaced)


def _is_below_header(values: list[Row], width: int) -> bool:
    """Return whether the first row is not one of values, but text in each column that is typed below, such as units.

    Raises Malformed if there are several such rows.
    """
    later = [row.cells for row in values[max(1, len(values) // 2) :]]
    kinds = [{kind_of(cells[n]) for cells in later if n < len(cells)} - {"missing"} for n in range(width)]
    typed = [n for n, found in enumerate(kinds) if found and "text" not in found]
    texts = 0
    for row in values:
        cells = [row.cells[n] for n in typed if n < len(row.cells) and kind_of(row.cells[n]) != "missing"]
        alone = len(cells) == sum(bool(cell.strip()) for cell in row.cells)
        if not all(kind_of(cell) == "text" for cell in cells) or len(cells) < (1 if alone and cells else 2):
            break
        texts += 1
    if texts > 1:
        last = values[texts - 1].last
        raise Malformed(
            f"Lines {values[0].first} to {last} are text where those below are not: add ?skip={last} (and ?header=no "
            f"unless line {last + 1} names the columns) if the table begins there."
        )
    return texts == 1 and len(later) > 1


def _find_first_row(sample: Sample, rows: list[Row]) -> int:
    """Return the position of the header, or of the first row: as wide as most, and after titles above a blank line."""
    at = next(n for n, row in enumerate(rows) if filled_width(row.cells) >= sample.width)
    blanks = [row.first for row in sample.rows if not row.cells]
    for later in range(at + 1, min(len(rows), _MAX_TITLES)):
        if (
            any(rows[later - 1].last < blank < rows[later].first for blank in blanks)
            and filled_width(rows[later].cells) >= sample.width
            and header_evidence([row.cells for row in rows[later:]], sample.width) == "typed"
            and header_evidence([row.cells for row in rows[at:later]], sample.width) != "typed"
        ):
            return later
    rest = [row.cells for row in rows[at + 1 :]]
    is_wider = bool(rest) and filled_width(rows[at].cells) > sample.width >= max(map(len, rest))
    return at + 1 if is_wider and header_evidence(rest, sample.width) == "typed" else at


def _check_first_row(sample: Sample, rows: list[Row]) -> None:
    """Raise InvalidDataset if only the first row has spaces after its delimiters and the second may be the header."""
    are_spaced = [any(cell[:1] == " " for cell in row.cells[1:]) for row in rows]
    rest = [row.cells for row in rows[1:]]
    if are_spaced[0] and not any(are_spaced[1:]) and len(rest) > 1 and header_evidence(rest, sample.width) == "typed":
        line = rows[1].first
        raise InvalidDataset(
            f"Line {rows[0].first} may be a title: {quoted(sample.dialect.delimiter.join(rows[0].cells))}. Add "
            f"?skip={line - 1} if line {line} names the columns, or ?header=yes if line {rows[0].first} does.",
            "skip",
        )


def _is_header_with_gaps(sample: Sample, rows: list[Row], at: int, options: LoadOptions) -> bool:
    """Return whether the first row, which has empty fields at its end, is a header rather than a title."""
    first, later = (header_evidence([row.cells for row in rows[n:]], sample.width) for n in (0, at))
    return options.header is not None or (first == "typed" and later != "typed")


def _is_without_first_name(sample: Sample, rows: list[Row]) -> bool:
    """Return whether the header has a name for all columns but the first, as R writes it, in a file that has no titles.

    Where fields are between commas, one of them may also be part of a value.
    """
    names = rows[0].cells
    return (
        sample.dialect.delimiter in "\t "
        and 1 < len(names) == sample.width - 1
        and all(kind_of(name) == "text" for name in names)
        and all(len(row.cells) == sample.width for row in rows[1:])
    )


def _check_titles(sample: Sample, titles: list[Row], row: Row, evidence: Evidence) -> None:
    """Raise Malformed unless lines of other widths are titles: before a blank line or a sure header, or in words."""
    is_apart = any(not filled_width(each.cells) and titles[0].last < each.first < row.first for each in sample.rows)
    widths = [filled_width(title.cells) for title in titles]
    are_words = all(" " in "".join(title.cells).strip() for title in titles)
    is_list = any(cell[:1] == " " for cell in row.cells)
    is_table = (
        max(widths) > 1
        and all(later.first == title.last + 1 for title, later in pairwise(titles))
        and header_evidence([title.cells for title in titles], max(widths)) == "typed"
    )
    if not is_table and (
        (is_apart and (max(widths) <= 1 or evidence != "none"))
        or (evidence == "typed" and (max(widths) <= 1 or are_words))
        or (evidence == "plain" and max(widths) <= 1 and are_words and not is_list)
    ):
        return
    raise Malformed(
        f"Line {titles[0].first} has {filled_width(titles[0].cells)} fields, line {row.first} has "
        f"{filled_width(row.cells)}: put values with delimiters in quotes, or add ?skip={row.first - 1} if the table "
        f"begins at line {row.first}, or name the ?delimiter= or ?quote= of the file."
        + (
            f" If line {titles[0].first} names all columns but the first, add a name for it, or "
            f"?skip={row.first - 1}&header=no to name them by position."
            if len(titles) == 1 < widths[0] == filled_width(row.cells) - 1
            else ""
        )
    )


def _commented_header(
    sample: Sample, row: Row, comments: list[str], evidence: Evidence, options: LoadOptions, repairs: Repairs
) -> list[str] | None:
    """Return the names in the last comment if no other header is sure, and take it from the comments.

    A single one is taken with its mark: `#id` is a name.
    """
    if not comments or sample.width < 2 or evidence == "typed":
        return None
    line = comments[-1].strip()
    is_verbatim = options.comment is None and len(comments) == 1 and (evidence == "none" or line[1:2].isalnum())
    if not is_verbatim and evidence == "plain":
        return None
    line = line if is_verbatim else line.lstrip("".join(comment_marks(options)))
    rows = read_sample([line], 0, sample.dialect).rows
    names = rows[0].cells if rows else []
    if len(names) not in (sample.width, len(row.cells)):
        return None
    if not is_verbatim:
        repairs.add("commented", comments[-1])
    comments.pop()
    return names
