"""Detection of a header: whether the first row of a table names the columns or is already a record."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final, Literal

from dataset.formats.cell_kinds import is_typed, kind_of
from dataset.notes import Note
from dataset.types.type_inference import parse_number

__all__ = ["NO_HEADER_NOTE", "Evidence", "cell_kind", "has_header", "header_evidence"]

Evidence = Literal["typed", "plain", "none", "unclear"]
"""Of a header: `typed` if a value below has another type, `plain` if none has one, `none` if all are as the first."""

NO_HEADER_NOTE: Final = Note(
    "The first row is of the same types as the others and was read as a record; ?header=yes makes it name the columns."
)

_SAMPLE_ROWS: Final = 50
_YEAR: Final = re.compile("(?:1[5-9]|2[01])[0-9]{2}")


def has_header(first: Sequence[Any], others: Sequence[Sequence[Any]]) -> bool:
    """Return whether a first row names the columns of the others."""
    if not all(cell is None or isinstance(cell, str) for cell in first):
        return False
    own = [cell_kind(cell) for cell in first]
    below = [
        _common_kind(row[position : position + 1] for row in others[:_SAMPLE_ROWS]) for position in range(len(own))
    ]
    if any(name == "text" and kind not in ("text", None) for name, kind in zip(own, below, strict=True)):
        return True
    same = [name for name, kind in zip(own, below, strict=True) if name == kind and name not in ("text", None)]
    return not same or _are_consecutive([cell for cell, kind in zip(first, own, strict=True) if kind == "number"])


def header_evidence(rows: Sequence[Sequence[str]], width: int) -> Evidence:
    """Return what speaks for the first row being a header."""
    first, rest = rows[0], rows[1:]
    columns = {n: [row[n] for row in rest if n < len(row)] for n in range(min(width, len(first)))}
    typed = {n: cells for n, cells in columns.items() if is_typed(cells)}
    if not typed:
        return "plain"
    kinds = {n: kind for n in typed if (kind := kind_of(first[n])) != "missing"}
    alike = [n for n, kind in kinds.items() if kind != "text" and kind in map(kind_of, typed[n])]
    if len(alike) < len(kinds):
        return "typed" if not alike or _are_series([first[n] for n in alike]) else "unclear"
    if not first[0].strip() and all(row and row[0].strip() for row in rest):
        return "typed"  # the name of an index, left empty
    years = [int(first[n]) for n in typed if _YEAR.fullmatch(first[n].strip())]
    if not years or all(_YEAR.fullmatch(cell.strip()) for cells in typed.values() for cell in cells):
        return "none"
    if len(years) == 1:
        return "unclear" if len(typed) == 1 and width > 1 else "none"
    return "typed" if {b - a for a, b in pairwise(years)} in ({1}, {-1}, {5}, {10}) else "none"


def _common_kind(cells: Iterable[Sequence[Any]]) -> str | None:
    kinds = {cell_kind(value) for cell in cells for value in cell} - {None}
    return kinds.pop() if len(kinds) == 1 else "text" if kinds else None


def cell_kind(value: Any) -> str | None:
    """Return the kind of a value, of a text as if it stood in CSV; None if it is missing."""
    if isinstance(value, str):
        kind = kind_of(value)
        return None if kind == "missing" else kind
    if value is None or isinstance(value, bool):
        return None if value is None else "boolean"
    return "number" if isinstance(value, int | float) else type(value).__name__


def _are_consecutive(names: Sequence[str]) -> bool:
    """Return whether numerals, as years above a table do, rise one by one."""
    return (
        len(names) > 1
        and all(name.isascii() and name.isdigit() and len(name) == 4 for name in names)
        and all(int(after) - int(before) == 1 for before, after in pairwise(names))
    )


def _are_series(names: Sequence[str]) -> bool:
    """Return whether names that are numbers may be those of columns: years, or a series."""
    if all(_YEAR.fullmatch(name.strip()) for name in names):
        return True
    numbers = [parse_number(name.strip()) for name in names]
    steps = [later - one for one, later in pairwise(numbers) if one is not None and later is not None]
    is_rising = len(steps) == len(names) - 1 and all(step > 0 for step in steps)
    return is_rising and (len(steps) > 1 or steps == [1])
