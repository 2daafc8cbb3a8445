"""Profiles of columns, computed when they are shown and kept per version of the dataset."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from typing import Final

from dataset import ColumnProfile, Table, profile_column

__all__ = ["column_profiles"]

_MAX_KEPT: Final = 2000

_kept: OrderedDict[tuple[str, str], ColumnProfile] = OrderedDict()
_lock: Final = Lock()


def column_profiles(table: Table, names: Iterable[str]) -> dict[str, ColumnProfile]:
    """Return the profile of each of these columns."""
    return {name: _profile(table, name) for name in names}


def _profile(table: Table, name: str) -> ColumnProfile:
    key = (table.description.version, name)
    with _lock:
        found = _kept.get(key)
        if found is not None:
            _kept.move_to_end(key)
            return found
    found = profile_column(table.frame[name])
    with _lock:
        _kept[key] = found
        while len(_kept) > _MAX_KEPT:
            _kept.popitem(last=False)
    return found
