"""Detection of a header: whether the first row of a table names the columns or is already a record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final

from dataset.formats.cell_kinds import kind_of
from dataset.notes import Note

__all__ = ["NO_HEADER_NOTE", "cell_kind", "has_header"]

NO_HEADER_NOTE: Final = Note(
    "The first row is of the same types as the others and was read as a record; ?header=yes makes it name the columns."
)

_SAMPLE_ROWS: Final = 50


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
