"""One file per format: which media types it serves, how its content looks, and how it becomes typed columns.

A new format is a module with the three members of `Format`, and its name in the table below.
"""

from __future__ import annotations

import re
from types import ModuleType
from typing import Final, Protocol, cast

import polars as pl

from ..errors import UnsupportedMediaType
from . import csv_text, json_text

__all__ = ["Format", "choose"]


class Format(Protocol):
    """What the module of a format offers."""

    MEDIA_TYPES: tuple[str, ...]

    @staticmethod
    def looks_like(body: bytes) -> bool:
        """Whether the content is of this format, for files sent with no telling type."""

    @staticmethod
    def read(body: bytes) -> pl.DataFrame:
        """Answer columns of the types in `recognition.KINDS`, named by `names.settle`, missing values null.

        Raises Malformed or InvalidDataset, and nothing else.
        """


_FORMATS: Final[tuple[ModuleType, ...]] = (json_text, csv_text)  # in the order in which content is looked at
_UNTELLING: Final = ("", "application/octet-stream", "application/x-www-form-urlencoded")
_CHARSET: Final = re.compile(r';\s*charset\s*=\s*"?([^";\s]*)', re.IGNORECASE)
_CHARSETS: Final = ("utf-8", "utf8", "us-ascii", "ascii")


def choose(media_type: str | None, body: bytes) -> Format:
    """Answer the format of a media type (with parameters), or of the content where the type does not tell.

    curl's own `application/x-www-form-urlencoded` does not tell. Raises UnsupportedMediaType.
    """
    essence = (media_type or "").partition(";")[0].strip().lower()
    charset = _CHARSET.search(media_type or "")
    if charset and charset[1].lower() not in _CHARSETS:
        raise UnsupportedMediaType("Only the character set UTF-8 is read: convert the body, or correct its charset.")
    formats = [cast(Format, module) for module in _FORMATS]
    for candidate in formats:
        if essence in candidate.MEDIA_TYPES or (essence in _UNTELLING and candidate.looks_like(body)):
            return candidate
    known = ", ".join(name for candidate in formats for name in candidate.MEDIA_TYPES)
    raise UnsupportedMediaType(f"Send the dataset with a Content-Type among: {known}.")
