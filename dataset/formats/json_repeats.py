"""Members that stand twice in one object: the parser keeps the last value, so the loss is noted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, Final

from dataset.notes import Note

__all__ = ["repeat_notes"]

_MAX_NOTES: Final = 20
_HEAD_BYTES: Final = 2**16
_COLONS: Final = (b'":', b'" :')


def repeat_notes(values: list[Any], text: bytes, parts: Callable[[], Iterable[bytes]]) -> list[Note]:
    """Return a note on each member that some object holds twice; `parts` are the texts of the values.

    Parsing again would double the time. It is needed only where the text has more names than the values have members.
    """
    members = _count_members(values, text.count(b"{"))
    if members == text.count(b":"):  # none in a string
        return []
    head = text[:_HEAD_BYTES]  # written in one style or the other, as the rest is
    names = sum(text.count(colon) for colon in _COLONS if colon in head)
    if names != members:
        names -= sum(text.count(b"\\" + colon) for colon in _COLONS)
    return [] if names == members else _find_repeats(parts())


def _count_members(values: list[Any], most_objects: int) -> int:
    """Return the number of members of all objects, of which there are at most as many as are given."""
    total, found, level = 0, 0, values
    while level and found < most_objects:
        objects = [value for value in level if type(value) is dict]
        total += sum(map(len, objects))
        found += len(objects)
        if found == most_objects:
            break
        inner = [*map(dict.values, objects), *(value for value in level if type(value) is list)]
        level = []
        if set(map(type, chain.from_iterable(inner))) & {dict, list}:
            level = [value for value in chain.from_iterable(inner) if type(value) is dict or type(value) is list]
    return total


def _find_repeats(texts: Iterable[bytes]) -> list[Note]:
    counts: Counter[str] = Counter()
    lost: dict[str, Any] = {}

    def look(pairs: list[tuple[str, Any]]) -> None:
        if len(pairs) == len(dict(pairs)):
            return
        for name, count in Counter(name for name, _ in pairs).items():
            if count > 1:
                counts[name] += 1
                lost.setdefault(name, next(value for other, value in pairs if other == name))

    for text in texts:
        json.loads(text, object_pairs_hook=look, parse_int=str, parse_float=str)
    return [
        Note(
            "The member stands more than once in an object: its last value was read.", name, str(lost[name])[:100], rows
        )
        for name, rows in counts.most_common(_MAX_NOTES)
    ]
