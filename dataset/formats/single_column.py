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
    at = next((n for n in range(len(rows) - 1) if _are_fields(rows[n : n + 2], texts[n : n + 2], n)), None)
    if at is None:
        if not _is_table(rows) or is_typed(texts[1:]):
            return
        at = 0
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


def _are_fields(rows: Sequence[Row], texts: Sequence[str], position: int) -> bool:
    """Return whether two lines have as many words, most of them no text, or a run of spaces in the first two lines."""
    width = len(rows[0].cells)
    if width < 2 or width != len(rows[1].cells) or any(kind_of(text) not in ("text", "missing") for text in texts[:1]):
        return False
    cells = [*rows[0].cells, *rows[1].cells]
    are_typed = sum(kind_of(cell) != "text" for cell in cells) >= _TYPED_TOKENS * len(cells)
    return are_typed or (position == 0 and all(re.search(r"\S\s{2,}\S", text) for text in texts))


def _is_table(rows: Sequence[Row]) -> bool:
    """Return whether all lines have as many words, or the first one less, and some are typed in every line but it."""
    if len(rows) < 2 or len(rows[0].cells) < 2 or any(kind_of(cell) != "text" for cell in rows[0].cells):
        return False
    widths = {len(row.cells) for row in rows[1:]}
    return widths in ({len(rows[0].cells)}, {len(rows[0].cells) + 1}) and any(
        is_typed(column) for column in zip(*(row.cells for row in rows[1:]), strict=True)
    )
