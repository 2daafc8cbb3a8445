"""The options of a load as the form of an upload offers them, and those that a note or an error names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, get_args
from urllib.parse import unquote

from dataset import OPTION_NAMES, TYPE_PREFIX, ColumnType

__all__ = ["OPTIONS", "TYPES", "Choice", "choices_of"]

TYPES: Final[tuple[str, ...]] = get_args(ColumnType)

_OPTION: Final = re.compile(r"\?([^\s`?=]+)=([^\s`]*)")

OPTIONS: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("id", "Column that identifies a record", ()),
    ("index", "Column that jobs range over", ()),
    ("header", "Header row", ("yes", "no", "only")),
    ("skip", "Lines to skip", ()),
    ("delimiter", "Delimiter, or tab", ()),
    ("quote", "Quotation mark", ()),
    ("comment", "Comment mark", ()),
    ("encoding", "Encoding", ()),
    ("decimal", "Decimal mark", (".", ",")),
    ("thousands", "Thousands separator", ()),
    ("missing", "Missing values, by commas", ()),
    ("dates", "Order of dates", ("dmy", "mdy", "ymd")),
    ("list", "Path of the records in JSON", ()),
    ("member", "File within the zip", ()),
    ("sheet", "Sheet of the workbook", ()),
    ("empty", "Take a file without records", ("yes",)),
)
"""The options of a load that the form offers: name, label, and the values to choose from, if they are few."""


class Choice(NamedTuple):
    """An option that a note or an error names, which the reader may take by a click."""

    name: str
    value: str


def choices_of(detail: str, given: Mapping[str, str]) -> Iterator[Choice]:
    """Yield the options that a note or an error names as `?NAME=VALUE`; `missing` is added to the one that is given."""
    for match in _OPTION.finditer(detail):
        name, value = unquote(match[1]), unquote(match[2])
        if len(value) > 1 and value[-1] in ".,;:)" and detail[match.end() : match.end() + 1] in ("", " "):
            value = value[:-1]
        if value and (name in OPTION_NAMES or name.startswith(TYPE_PREFIX)):
            earlier = given.get(name) if name == "missing" else None
            yield Choice(name, f"{earlier},{value}" if earlier else value)
