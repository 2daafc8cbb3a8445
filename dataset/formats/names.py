"""Normalization of column names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from dataset.errors import InvalidDataset, TooManyValues
from dataset.formats.source import Limits
from dataset.notes import Note

__all__ = ["normalize_names", "notes_on_names"]

_MAX_NAMES_BYTES: Final = 2**20


def normalize_names(names: Iterable[str], limits: Limits) -> list[str]:
    """Return the names, all distinct and not empty, without the spaces around them.

    An empty name becomes `column_<position>`; a repeated one gets a number: `x`, `x_2`; one that polars would read as
    the pattern of several, `*` or `^…$`, gets an underscore. Raises InvalidDataset for names
    of more than 1 MiB in total; TooManyValues for more columns than the limit.
    """
    seen: dict[str, None] = {}
    given = [name.strip() for name in islice(names, limits.columns + 1)]
    if len(given) > limits.columns:
        raise TooManyValues(f"There are more than {limits.columns:,} columns: send fewer, and more rows instead.")
    if sum(len(name.encode(errors="replace")) for name in given) > _MAX_NAMES_BYTES:
        raise InvalidDataset(f"The columns' names take more than {_MAX_NAMES_BYTES:,} bytes together: shorten them.")
    taken = set(given)
    counts: Counter[str] = Counter()
    for position, each in enumerate(given, start=1):
        base = name = f"{each}_" if _is_pattern(each) else each or f"column_{position}"
        while name in seen or (name != each and name in taken):
            counts[base] = max(counts[base], 1) + 1
            name = f"{base}_{counts[base]}"
        seen[name] = None
    return list(seen)


def notes_on_names(given: Sequence[str], names: Sequence[str]) -> tuple[Note, ...]:
    """Return a note on each reason for which names were changed."""
    changed = [(old, name) for old, name in zip(map(str.strip, given), names, strict=True) if old != name]
    notes = []
    for is_kind, what in (
        (lambda old: not old, "have no name and are named by position"),
        (_is_pattern, "have the name of a pattern and got an underscore"),
        (lambda old: old and not _is_pattern(old), "repeat a name and got a number"),
    ):
        found = [(old, name) for old, name in changed if is_kind(old)]
        if found:
            notes.append(Note(f"Columns that {what}: {len(found)}.", column=found[0][1], example=found[0][0]))
    return tuple(notes)


def _is_pattern(name: str) -> bool:
    return name == "*" or (name.startswith("^") and name.endswith("$"))
