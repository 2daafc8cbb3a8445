"""The columns of a dataset, with lookups that are cached for many jobs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import islice

__all__ = ["DatasetColumns", "quote_name", "shorten_names"]

_MAX_NAMES = 20
_MAX_NAME = 80


class DatasetColumns(Mapping[str, str]):
    """The columns, name to type, and the name of the index; created once for all jobs that are validated together."""

    def __init__(self, types: Mapping[str, str], index: str | None = None) -> None:
        self.index = index
        self._types = types
        self._found: dict[object, list[str]] = {}

    def __getitem__(self, name: str) -> str:
        return self._types[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)

    def of_types(self, types: tuple[str, ...]) -> list[str]:
        """Return the columns of these types, in the dataset's order."""
        if types not in self._found:
            self._found[types] = [name for name, type_ in self._types.items() if type_ in types]
        return self._found[types]

    def likely(self, types: tuple[str, ...]) -> list[str]:
        """Return the columns of these types that do not look like identifiers, or all if every one does."""
        key = ("likely", types)
        if key not in self._found:
            fitting = self.of_types(types)
            self._found[key] = [name for name in fitting if not _is_identifier(name)] or fitting
        return self._found[key]

    def called(self, words: tuple[str, ...], types: tuple[str, ...]) -> list[str]:
        """Return the columns of these types named by one of ``words``, then those that end in one, or contain one."""
        key = ("called", words, types)
        if key not in self._found:
            fitting = self.of_types(types)
            exact = [name for name in fitting if name.strip().lower() in words]
            last = [name for name in fitting if set(_words(name)[-1:]) & set(words)]
            self._found[key] = exact + last + [name for name in fitting if set(_words(name)) & set(words)]
        return self._found[key]

    def paired(self, endings: tuple[str, ...], others: tuple[str, ...], types: tuple[str, ...]) -> list[str]:
        """Return the columns of these types like reclat: one of ``endings`` where reclong has one of ``others``."""
        key = ("paired", endings, others, types)
        if key not in self._found:
            starts = {start for name in self.of_types(types) for start in _starts(name, others)}
            self._found[key] = [name for name in self.of_types(types) if starts.intersection(_starts(name, endings))]
        return self._found[key]


def shorten_names(names: Collection[str]) -> str:
    """List names for a message: the first twenty, long ones truncated."""
    shown = ", ".join(_cut(name) for name in islice(names, _MAX_NAMES)) or "none"
    return shown if len(names) <= _MAX_NAMES else f"{shown} and {len(names) - _MAX_NAMES:,} more"


def quote_name(name: str) -> str:
    """Quote a name for a message, truncated if it is long."""
    return repr(_cut(name))


def _cut(name: str) -> str:
    return name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…"


def _is_identifier(name: str) -> bool:
    return name.lower() == "id" or name.endswith(("_id", "Id", "ID"))


def _words(name: str) -> list[str]:
    spaced = re.sub("(?<=[a-z])(?=[A-Z])", " ", name)  # decimalLatitude
    return "".join(each.lower() if each.isalnum() else " " for each in spaced).split()


def _starts(name: str, endings: tuple[str, ...]) -> list[str]:
    lower = name.lower()
    return [lower.removesuffix(ending) for ending in endings if lower.endswith(ending)]
