"""Parsing of JSON values: fast, or exact where the fast parser would lose a number."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import polars as pl
from pydantic_core import from_json

from dataset.formats import columns
from dataset.formats.source import Limits

__all__ = ["Parse", "describe_error", "parse", "to_frame"]

Parse = Callable[[bytes], Any]
"""From JSON in UTF-8 to its value; raises ValueError."""


def parse(text: bytes) -> Any:
    """Parse JSON, also NaN and infinities. Raises ValueError, also for more than 200 levels of nesting."""
    return from_json(text, cache_strings="keys")


def to_frame(rows: Callable[[Parse], list[dict[str, Any]]], body_bytes: int, limits: Limits) -> pl.DataFrame:
    """Return the rows as columns; if a number is beyond a double, parse again and keep it as text."""
    try:
        return columns.from_rows(rows(parse), body_bytes, limits)
    except columns.InfiniteNumber:
        return columns.from_rows(rows(_parse_exact), body_bytes, limits)


def describe_error(error: ValueError) -> str:
    """Return the reason of a parse error for an error detail."""
    words = str(error)
    return words.replace("recursion limit exceeded", "it is nested too deeply")


def _parse_exact(text: bytes) -> Any:
    return json.loads(text, parse_float=_parse_float_exact, parse_constant=lambda _: None)


def _parse_float_exact(numeral: str) -> float | str:
    number = float(numeral)
    return numeral if number in (float("inf"), float("-inf")) else number
