"""Reads a JSON body one value at a time, so that parsing and errors need little memory even for a large body.

The body stays text. A scan checks the syntax and notes where each element of its list starts; it parses each element on
its own and drops it, never more than one window of text. Callers parse the elements again when they need them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["JsonBody", "TooManyElements", "ValueTooLarge"]

_WHITESPACE = re.compile(r"[ \t\n\r]*")
# An error this close to the end of a window may be a literal or an escape that is cut off there.
_LONGEST_TOKEN = 16
_SMALL_CHARS = 2**14
"""The only value is kept up to this length."""


class TooManyElements(ValueError):
    """The list has more elements than allowed."""


class ValueTooLarge(ValueError):
    """One value exceeds the size limit.

    ``position`` is the index of the element, None for a body that is not a list. ``member`` names the member that makes
    the object large; None if no single one does, or if it is not an object.
    """

    def __init__(self, position: int | None, is_object: bool, member: str | None) -> None:
        super().__init__("a value is too large")
        self.position = position
        self.is_object = is_object
        self.member = member


class JsonBody:
    """A JSON text: one value, or a list of values that are parsed one by one."""

    def __init__(self, text: str, *, max_elements: int, max_chars: int) -> None:
        """Validate the syntax of ``text`` up to the first element that is too large.

        :raises ValueError: it is not JSON (also as JSONDecodeError, with the position; RecursionError; UnicodeError for
            an unpaired surrogate).
        :raises TooManyElements: its list has more than ``max_elements``.
        :raises ValueTooLarge: an element, or the only value, has more than ``max_chars`` characters.
        """
        self._text = text
        self._max_chars = max_chars
        self._window_chars = max_chars + _LONGEST_TOKEN
        self._window_start, self._window = 0, text[: self._window_chars]
        self._has_surrogates = "\\ud" in text or "\\uD" in text
        self._starts: list[int] = []
        self._only: Any = None
        start = _skip(text, 0)
        self.is_list = text.startswith("[", start)
        end = self._scan_list(start, max_elements) if self.is_list else self._scan_value(start)
        if end != len(text):
            raise json.JSONDecodeError("Extra data", text, end)
        self._window = ""

    def __len__(self) -> int:
        return len(self._starts)

    @property
    def chars(self) -> int:
        """The length of the text in characters."""
        return len(self._text)

    def values(self) -> Iterator[Any]:
        """Parse the elements of the list, or the only value, one after the other."""
        if self._only is not None:
            yield self._only
            return
        for start in self._starts:
            yield _DECODER.raw_decode(self._text, start)[0]

    def canonical(self) -> Iterator[bytes]:
        """Return, in pieces, a canonical form that is the same for all spellings of a value."""
        if self.is_list:
            yield b"["
        for position, value in enumerate(self.values()):
            if position:
                yield b", "
            yield json.dumps(value, ensure_ascii=False, sort_keys=True).encode()
        if self.is_list:
            yield b"]"

    def _scan_list(self, start: int, max_elements: int) -> int:
        text = self._text
        position = _skip(text, start + 1)
        if text.startswith("]", position):
            return _skip(text, position + 1)
        while True:
            if len(self._starts) == max_elements:
                raise TooManyElements(f"more than {max_elements} elements")
            position = self._scan_value(position)
            if text.startswith("]", position):
                return _skip(text, position + 1)
            if not text.startswith(",", position):
                raise json.JSONDecodeError("Expecting ',' delimiter", text, position)
            position = _skip(text, position + 1)

    def _scan_value(self, start: int) -> int:
        """Validate the value that starts at ``start`` and return the position after it."""
        value, end = self._parse(start)
        if end - start > self._max_chars:
            raise self._too_large(start)
        if self._has_surrogates:
            json.dumps(value, ensure_ascii=False).encode()
        self._starts.append(start)
        if not self.is_list and end - start <= _SMALL_CHARS:
            self._only = value
        return _skip(self._text, end)

    def _parse(self, start: int) -> tuple[Any, int]:
        while True:
            try:
                value, end = _DECODER.raw_decode(self._window, start - self._window_start)
            except json.JSONDecodeError as error:
                if not self._may_be_cut(error):
                    raise json.JSONDecodeError(error.msg, self._text, self._window_start + error.pos) from None
            else:
                # A number that reaches the end of the window may continue after it.
                if end < len(self._window) or self._is_last_window():
                    return value, self._window_start + end
            if self._window_start == start:
                raise self._too_large(start)
            self._window_start, self._window = start, self._text[start : start + self._window_chars]

    def _is_last_window(self) -> bool:
        return self._window_start + len(self._window) == len(self._text)

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        at_end = error.pos >= len(self._window) - _LONGEST_TOKEN or error.msg.startswith("Unterminated string")
        return at_end and not self._is_last_window()

    def _too_large(self, start: int) -> ValueTooLarge:
        is_object = self._text.startswith("{", start)
        member = self._large_member(self._text[start : start + self._window_chars]) if is_object else None
        return ValueTooLarge(len(self._starts) if self.is_list else None, is_object, member)

    def _large_member(self, window: str) -> str | None:
        """Return the member of the object at the start of ``window`` that has at least half of the allowed size."""
        position = 0
        while position < self._max_chars and window[position : position + 1] in ("{", ","):
            try:
                name, position = _DECODER.raw_decode(window, _skip(window, position + 1))
            except ValueError:
                return None
            begin = _skip(window, _skip(window, position) + 1)
            try:
                _, end = _DECODER.raw_decode(window, begin)
            except (ValueError, RecursionError):
                return str(name)
            if end - begin > self._max_chars // 2:
                return str(name)
            position = _skip(window, end)
        return None


def _skip(text: str, position: int) -> int:
    """Return the position of the next character that is not white space."""
    match = _WHITESPACE.match(text, position)
    return match.end() if match else position


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("an object has the same member twice")
    return value


_DECODER = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_object)
