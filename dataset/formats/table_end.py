"""The end of a text table: footers after the last row."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Final

from dataset.formats.cell_kinds import kind_of
from dataset.formats.dialects import filled_width
from dataset.formats.quoting import is_clean
from dataset.formats.repairs import Repairs
from dataset.formats.source import Body
from dataset.formats.table_head import Head

__all__ = ["find_end"]

_TAIL_BYTES: Final = 2**16
_MAX_FOOTERS: Final = 50
_WORDS_OF_FOOTERS: Final = re.compile(
    r"[*†‡©(\[]|(?:sources?|notes?|data from|last updated|downloaded|generated|copyright|footnotes?)\b|.*: "
    r"|(?:eof|end|[0-9,]+ (?:rows?|records?|lines?)(?: .*)?|[-=_]{3,})\Z",
    re.IGNORECASE,
)


def find_end(body: Body, begin: int, head: Head, marks: tuple[str, ...], repairs: Repairs) -> int:
    """Return the number of bytes up to the end of the last row; what follows is left out and counted.

    Most footers have fewer fields than the header. They follow a blank line, contradict the type of a column, or begin
    as footers do. Lines that begin with a mark are comments, if they are not rows.
    """
    start = max(begin, len(body) - _TAIL_BYTES)
    if start > begin:
        start = body.find(b"\n", start) + 1 or len(body)
    lines = list(io.StringIO(body[start:].decode(errors="replace"), newline=""))
    rows = [_fields(line, head, marks) for line in lines[-_MAX_FOOTERS:]]
    first = next((n for n in range(len(rows), 0, -1) if not _may_be_footer(rows[n - 1], head)), 0)
    if first == 0 or _is_second_table(rows[first:]):
        return len(body)
    for end in range(first, len(rows)):
        if all(
            _is_footer(row, head, is_apart=[] in rows[first:n] or any(map(_is_worded, rows[end:n])))
            for n, row in enumerate(rows)
            if n >= end
        ):
            left_out = lines[len(lines) - len(rows) + end :]
            kinds = ["footers" if filled_width(row or ()) else "comments" for row in rows[end:]]
            shown = [
                each for each in zip(kinds, left_out, strict=True) if each[0] == "footers" or each[1].startswith(marks)
            ]
            for kind, line in shown:
                repairs.add(kind, line)
            return len(body) - sum(len(line.encode()) for line in left_out) if shown else len(body)
    if (last := rows[-1]) and len(last) == 1 < head.width and kind_of(last[0]) == "text" and not head.typed[0]:
        repairs.add("last", lines[-1])
    return len(body)


def _fields(line: str, head: Head, marks: tuple[str, ...]) -> list[str] | None:
    """Return the fields of a line, none of a blank one or a comment; None if a quoted field begins or ends outside."""
    if not is_clean(line, head.dialect):
        return None
    row = next(head.dialect.parse([line]), []) if line.strip(" \r\n") else []
    is_row = len(row) == head.width and not (head.typed[0] and kind_of(row[0]) == "text")
    return row if is_row or not line.startswith(marks) else []


def _may_be_footer(row: list[str] | None, head: Head) -> bool:
    if row is None:
        return False
    return len(row) < head.width or filled_width(row) <= 1 or _is_sentence(row) or _contradictions(row, head) > 0


def _is_worded(row: Sequence[str] | None) -> bool:
    return row is not None and len(row) > 0 and _WORDS_OF_FOOTERS.match(row[0].strip()) is not None


def _is_sentence(row: Sequence[str]) -> bool:
    return all(cell[:1] == " " for cell in row[1:])


def _contradictions(row: Sequence[str], head: Head) -> int:
    """Return the number of columns that are typed if all their fields are text in a row, unless it is the header."""
    kinds = [kind_of(cell) for is_typed, cell in zip(head.typed, row, strict=False) if is_typed]
    return len(kinds) if row != head.names and all(kind == "text" for kind in kinds) else 0


def _is_footer(row: Sequence[str] | None, head: Head, *, is_apart: bool) -> bool:
    """Return whether a line is a footer, or empty; `is_apart` is true after a blank line."""
    if row is None or not filled_width(row):
        return True
    if len(row) >= head.width > 1 and filled_width(row) > 1:
        found = _contradictions(row, head)
        is_certain = _is_sentence(row) or _is_worded(row) or (head.typed[0] and found > 1 and not is_apart)
        return (found > 0 and is_certain) or (len(row) > head.width and is_apart)
    contradicts = any(is_typed and kind_of(cell) == "text" for is_typed, cell in zip(head.typed, row, strict=False))
    if head.typed[0]:
        return contradicts and (is_apart or len(row) < head.width or (head.width > 1 and " " in row[0].strip()))
    is_short = len(row) < head.width  # a whole row of texts alone may well be a record
    return is_apart or (head.width > 1 and _is_worded(row) and (is_short or any(head.typed)))


def _is_second_table(rows: Sequence[list[str] | None]) -> bool:
    """Return whether at least two rows of several fields follow a blank line, some of them not text."""
    wide = [row for row in rows if row and filled_width(row) > 1]
    return (
        [] in rows and len(wide) > 1 and any(kind_of(cell) in ("number", "moment") for row in wide[1:] for cell in row)
    )
