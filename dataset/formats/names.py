"""The names of columns, as senders give them and as a table needs them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from ..errors import InvalidDataset, quoted

__all__ = ["settle"]

_MOST: Final = 10_000


def settle(names: Iterable[str]) -> list[str]:
    """Answer distinct names, none of them empty: a column without one becomes `column_<position>`.

    Raises InvalidDataset for a name that occurs twice, and for more than 10,000 columns.
    """
    settled = [name or f"column_{position}" for position, name in enumerate(islice(names, _MOST + 1), start=1)]
    if len(settled) > _MOST:
        raise InvalidDataset(f"There are more than {_MOST:,} columns: send fewer, and more rows instead.")
    seen: set[str] = set()
    for name in settled:
        if name in seen:
            raise InvalidDataset(f"Two columns are named {quoted(name)}: rename one of them.")
        seen.add(name)
    return settled
