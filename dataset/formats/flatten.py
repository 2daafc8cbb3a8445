"""Flattening of objects within records: the members of column `a` become columns `a.b`.

An object of `#text` and attributes, as converted from XML, becomes its text. Objects whose members would be too many
columns stay whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Final, NamedTuple

from dataset.notes import Note

__all__ = ["MAX_COLUMNS", "Budget", "Leaf", "flatten"]

MAX_COLUMNS: Final = 5_000
_MAX_NAMES_BYTES: Final = 2**20
_TEXT_MEMBERS: Final = ("#text", "$t", "_text", "__text", "@value", "_", "$")
_ATTRIBUTE_SIGNS: Final = ("@", "$", "#", "-", "_")
_ABSENT: Final = object()


class Leaf(NamedTuple):
    """A column without objects, or with objects that stay whole; `kinds` are the types of its values."""

    name: str
    values: list[Any]
    kinds: set[type]


class Budget:
    """The number of columns that flattening may still add, and the notes on what it did."""

    def __init__(self, width: int, height: int, max_values: int) -> None:
        self.width = width
        self.notes: list[Note] = []
        self._max_width = min(MAX_COLUMNS, max_values // max(1, height))
        self._names_bytes = 0

    def take(self, prefix: str, members: Iterable[str]) -> bool:
        """Return whether there is room for the members of a column, in place of it, and count them."""
        lengths = [len(prefix) + len(member) for member in members]
        width, names_bytes = self.width - 1 + len(lengths), self._names_bytes + sum(lengths)
        if width >= self._max_width or names_bytes > _MAX_NAMES_BYTES:
            self.notes.append(
                Note(f"The objects have {len(lengths):,} members, too many for columns: they became JSON text.", prefix)
            )
            return False
        self.width, self._names_bytes = width, names_bytes
        return True


def flatten(name: str, values: list[Any], budget: Budget) -> Iterator[Leaf]:
    """Yield the columns that replace one, in the order of the members' first occurrence."""
    kinds = set(map(type, values))
    if dict not in kinds:
        yield Leaf(name, values, kinds)
        return
    members = dict.fromkeys(chain.from_iterable(value for value in values if type(value) is dict))
    text = _text_member(members, values)
    if not members or not budget.take(name, members):
        yield Leaf(name, values, kinds)
    elif text is not None:
        yield from _flatten_texts(name, values, text, [member for member in members if member != text], budget)
    else:
        if kinds - {dict, type(None)}:
            others = [None if type(value) is dict else value for value in values]
            budget.width += 1
            yield Leaf(name, others, set(map(type, others)))
        for member in members:
            inner = [value.get(member) if type(value) is dict else None for value in values]
            yield from flatten(f"{name}.{member}", inner, budget)


def _text_member(members: Iterable[str], values: list[Any]) -> str | None:
    """Return the member with the text if all objects consist of a text and attributes."""
    found = next((name for name in _TEXT_MEMBERS if name in members), None)
    if found is None:
        return None
    objects = [value for value in values if type(value) is dict]
    if any(isinstance(inner, dict | list) for value in objects for inner in value.values()):
        return None
    signed = all(member == found or member.startswith(_ATTRIBUTE_SIGNS) for member in members)
    return found if signed or found == _TEXT_MEMBERS[0] else None


def _flatten_texts(name: str, values: list[Any], text: str, attributes: list[str], budget: Budget) -> Iterator[Leaf]:
    """Yield the texts, and the attributes that differ between rows; the others are noted."""
    texts = [value.get(text) if type(value) is dict else value for value in values]
    yield Leaf(name, texts, set(map(type, texts)))
    for attribute in attributes:
        given = [value.get(attribute, _ABSENT) if type(value) is dict else _ABSENT for value in values]
        different = set(given) - {_ABSENT}
        if len(different) == 1:
            detail = f"Only the text of the objects was taken: their {attribute} is {different.pop()!r:.80} throughout."
            budget.notes.append(Note(detail, name))
            budget.width -= 1
        else:
            column = [None if value is _ABSENT else value for value in given]
            yield Leaf(f"{name}.{attribute}", column, set(map(type, column)))
