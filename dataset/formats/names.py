"""Normalization of column names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from dataset.errors import InvalidDataset, TooManyValues, quoted
from dataset.formats.source import Limits

__all__ = ["normalize_names"]

_MAX_NAMES_BYTES: Final = 2**20


def normalize_names(names: Iterable[str], limits: Limits) -> list[str]:
    """Return the names, all distinct and not empty: an empty name becomes `column_<position>`.

    Raises InvalidDataset for a duplicate name and for names of more than 1 MiB in total; TooManyValues for more columns
    than the limit.
    """
    seen: dict[str, None] = {}
    size = 0
    for position, given in enumerate(names, start=1):
        if position > limits.columns:
            raise TooManyValues(f"There are more than {limits.columns:,} columns: send fewer, and more rows instead.")
        name = given or f"column_{position}"
        size += len(name.encode(errors="replace"))
        if size > _MAX_NAMES_BYTES:
            raise InvalidDataset(
                f"The columns' names take more than {_MAX_NAMES_BYTES:,} bytes together: shorten them."
            )
        if name in seen:
            raise InvalidDataset(f"Two columns are named {quoted(name)}: rename one of them.")
        seen[name] = None
    return list(seen)
