"""Refusal of text that would load as a single column although another separator divides its lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from dataset.errors import Malformed, quoted
from dataset.formats.cell_kinds import is_typed, kind_of
from dataset.formats.dialects import Row, read_sample
from dataset.formats.quoting import Dialect

__all__ = ["check_single_column"]

_OTHER_SEPARATORS: Final = "^~:!#$&*@§¦\x01\x1c\x1d\x1e\x1f"
_SAFE_IN_A_QUERY: Final = "^~:!$*@"
_REGULAR_SHARE: Final = 0.8
_TYPED_TOKENS: Final = 0.6


def check_single_column(lines: Sequence[str], line: int) -> None:
    """Raise Malformed if spaces or another character divide most lines alike. `line` lines precede them."""
    _check_other_separators(lines, line)
    _check_spaces(lines, line)


def _check_other_separators(lines: Sequence[str], line: int) -> None:
    for separator in _OTHER_SEPARATORS:
        rows = [row for row in read_sample(lines, line, Dialect(separator)).rows if row.cells]
        if len(rows) < 2 or len(rows[0].cells) < 2 or not (rows[0].cells[0].strip() and rows[0].cells[-1].strip()):
            continue
        regular = sum(len(row.cells) == len(rows[0].cells) for row in rows[1:])
        if regular >= _REGULAR_SHARE * (len(rows) - 1) and not is_typed(separator.join(row.cells) for row in rows[1:]):
            raise Malformed(
                f"Line {rows[0].first} looks like {len(rows[0].cells)} fields between {quoted(separator)}: "
                f"{quoted(separator.join(rows[0].cells))}. Add ?delimiter={quote(separator, safe=_SAFE_IN_A_QUERY)} to "
                "read it so, or ?delimiter=, to read a single column."
            )


def _check_spaces(lines: Sequence[str], line: int) -> None:
    rows = [row for row in read_sample(lines, line, Dialect(" ")).rows if row.cells]
    texts = [lines[row.first - 1 - line] for row in rows]
    at = next((n for n in range(len(rows) - 1) if _are_fields(rows[n], rows[n + 1], texts[n])), None)
    if at is None and _is_table(rows) and not is_typed(texts[1:]):
        at = 0
    if at is None:
        _check_gaps(rows, texts)
        return
    while at and len(rows[at - 1].cells) == len(rows[at].cells) and rows[at - 1].last + 1 == rows[at].first:
        at -= 1
    if at == 1 and _is_table(rows):
        at = 0
    row = rows[at]
    skip = f"?skip={row.first - 1}&delimiter=space" if at else "?delimiter=space"
    raise Malformed(
        f"Line {row.first} looks like {len(row.cells)} fields between spaces: {quoted(texts[at].rstrip())}. "
        f"Add {skip} to read it so, or ?delimiter=, to read a single column."
    )


def _are_fields(row: Row, following: Row, text: str) -> bool:
    """Return whether two lines have the same number of words, most of which are not text."""
    cells = row.cells + following.cells
    return (
        1 < len(row.cells) == len(following.cells)
        and kind_of(text) == "text"
        and sum(kind_of(cell) != "text" for cell in cells) >= _TYPED_TOKENS * len(cells)
    )


def _check_gaps(rows: Sequence[Row], texts: Sequence[str]) -> None:
    """Raise Malformed if most lines have runs of spaces."""
    gaps = sum(re.search(r"\S {2,}\S", text) is not None for text in texts)
    if len(rows) < 2 or gaps < _REGULAR_SHARE * len(rows):
        return
    is_regular = len({len(row.cells) for row in rows}) == 1
    remedy = "Add ?delimiter=space to read it so" if is_regular else "Export the table as CSV"
    raise Malformed(
        f"Line {rows[0].first} looks like {len(rows[0].cells)} fields between spaces: "
        f"{quoted(texts[0].rstrip())}. {remedy}, or add ?delimiter=, to read a single column."
    )


def _is_table(rows: Sequence[Row]) -> bool:
    """Return whether all lines have as many words, or the first one less, and some are typed in every line but it."""
    if len(rows) < 2 or len(rows[0].cells) < 2 or any(kind_of(cell) != "text" for cell in rows[0].cells):
        return False
    widths = {len(row.cells) for row in rows[1:]}
    return widths in ({len(rows[0].cells)}, {len(rows[0].cells) + 1}) and any(
        is_typed(column) for column in zip(*(row.cells for row in rows[1:]), strict=True)
    )
