"""File formats, one module each: its media types, the detection of its content, and a reader to typed columns.

To add a format, write a module with the three members of `Format` and list it in `_FORMATS`.
"""

from __future__ import annotations

import re
from types import ModuleType
from typing import Final, Protocol, cast

from dataset.errors import UnsupportedMediaType
from dataset.formats import arrow, csv_text, json_text, ndjson, parquet
from dataset.formats.encodings import check_charset, decode_head
from dataset.formats.source import Body, Limits, Read, Source

__all__ = [
    "MEDIA_TYPES",
    "Body",
    "Format",
    "Limits",
    "Read",
    "Source",
    "detect_format",
    "is_compressed",
    "is_specific_type",
]


class Format(Protocol):
    """The interface of a format's module."""

    MEDIA_TYPES: tuple[str, ...]

    @staticmethod
    def sniff(head: bytes) -> bool:
        """Return whether a body with this beginning looks like this format; used when the media type is generic."""

    @staticmethod
    def read(source: Source) -> Read:
        """Parse the columns. Raises only Malformed, InvalidDataset or TooLarge."""


# In the order of content detection. Of a text format, the beginning is decoded first.
_BINARY_FORMATS: Final[tuple[ModuleType, ...]] = (parquet, arrow)
_TEXT_FORMATS: Final[tuple[ModuleType, ...]] = (ndjson, json_text, csv_text)
_FORMATS: Final = (*_BINARY_FORMATS, *_TEXT_FORMATS)
_GENERIC_TYPES: Final = ("", "application/octet-stream", "application/x-www-form-urlencoded")
_CHARSET: Final = re.compile(r';\s*charset\s*=\s*"?([^";\s]*)', re.IGNORECASE)

MEDIA_TYPES: Final[tuple[str, ...]] = tuple(name for module in reversed(_FORMATS) for name in module.MEDIA_TYPES)
"""The supported media types."""


def is_specific_type(media_type: str | None) -> bool:
    """Return whether a media type denotes a format, supported or not."""
    return _essence(media_type) not in _GENERIC_TYPES


def is_compressed(media_type: str | None, head: bytes) -> bool:
    """Return whether a body will be read as a compressed format, whose size does not bound that of the table."""
    return _essence(media_type) in parquet.MEDIA_TYPES or (not is_specific_type(media_type) and parquet.sniff(head))


def detect_format(media_type: str | None, body: Body) -> tuple[Format, str | None]:
    """Return the format and the charset, from the media type or, if that is generic, from the content.

    curl's default `application/x-www-form-urlencoded` counts as generic. Raises UnsupportedMediaType.
    """
    essence = _essence(media_type)
    found = _CHARSET.search(media_type or "")
    charset = found[1] if found else None
    check_charset(charset)
    head = decode_head(body) if essence in _GENERIC_TYPES else b""
    for candidate in (cast(Format, module) for module in _FORMATS):
        if essence in candidate.MEDIA_TYPES or (essence in _GENERIC_TYPES and candidate.sniff(head)):
            return candidate, charset
    raise UnsupportedMediaType(f"Send the dataset with a Content-Type among: {', '.join(MEDIA_TYPES)}.")


def _essence(media_type: str | None) -> str:
    return (media_type or "").partition(";")[0].strip().lower()
