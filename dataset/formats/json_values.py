"""Parsing of JSON values: fast, or exact where the fast parser would lose a number."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pydantic_core import from_json

from dataset.formats import columns
from dataset.formats.columns import Grid
from dataset.formats.source import Read, Source
from dataset.notes import Note

__all__ = ["Parse", "describe_error", "parse", "to_read"]

Parse = Callable[[bytes], Any]
"""From JSON in UTF-8 to its value; raises ValueError."""


def parse(text: bytes) -> Any:
    """Parse JSON, also NaN and infinities. Raises ValueError, also for more than 200 levels of nesting."""
    return from_json(text, cache_strings="keys")


def to_read(grid: Callable[[Parse], tuple[Grid, list[Note]]], body_bytes: int, source: Source) -> Read:
    """Return the typed columns of a grid; if a number is beyond a double, parse again and keep it as text."""

    def read(parse: Parse) -> Read:
        found, notes = grid(parse)
        typed = columns.from_grid(found, body_bytes, source)
        return typed._replace(notes=(*notes, *typed.notes))

    try:
        return read(parse)
    except columns.InfiniteNumber:
        return read(_parse_exact)


def describe_error(error: ValueError) -> str:
    """Return the reason of a parse error for an error detail."""
    words = str(error).replace("recursion limit exceeded", "it is nested too deeply")
    return f"{words}; of one value a line, the type is application/x-ndjson" if "trailing" in words else words


def _parse_exact(text: bytes) -> Any:
    return json.loads(text, parse_float=_parse_float_exact, parse_constant=lambda _: None)


def _parse_float_exact(numeral: str) -> float | str:
    number = float(numeral)
    return numeral if number in (float("inf"), float("-inf")) else number
