"""One file per format: which media types it serves, how its content looks, and how it becomes typed columns.

A new format is a module with the three members of `Format`, and its name in the table below.
"""

from __future__ import annotations

import re
from types import ModuleType
from typing import Final, Protocol, cast

from dataset.errors import UnsupportedMediaType
from dataset.formats import csv_text, json_text, ndjson, parquet
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
    """What the module of a format offers."""

    MEDIA_TYPES: tuple[str, ...]

    @staticmethod
    def sniff(head: bytes) -> bool:
        """Whether a body that begins so is of this format, for files sent with no telling type."""

    @staticmethod
    def read(source: Source) -> Read:
        """Answer the columns. Raises Malformed, InvalidDataset or TooLarge, and nothing else."""


# In the order in which content is looked at.
_FORMATS: Final[tuple[ModuleType, ...]] = (parquet, ndjson, json_text, csv_text)
_GENERIC_TYPES: Final = ("", "application/octet-stream", "application/x-www-form-urlencoded")
_CHARSET: Final = re.compile(r';\s*charset\s*=\s*"?([^";\s]*)', re.IGNORECASE)

MEDIA_TYPES: Final[tuple[str, ...]] = tuple(name for module in reversed(_FORMATS) for name in module.MEDIA_TYPES)
"""All that is read, by name."""


def is_specific_type(media_type: str | None) -> bool:
    """Answer whether a media type says anything of the format, if only that it is one that is not read."""
    return _essence(media_type) not in _GENERIC_TYPES


def is_compressed(media_type: str | None, head: bytes) -> bool:
    """Answer whether a body that begins so will be read as a format that compresses, so that its size says little."""
    return _essence(media_type) in parquet.MEDIA_TYPES or (not is_specific_type(media_type) and parquet.sniff(head))


def detect_format(media_type: str | None, body: Body) -> tuple[Format, str | None]:
    """Answer the format of a media type (with parameters), or of the content where the type does not tell; the charset.

    curl's own `application/x-www-form-urlencoded` does not tell. Raises UnsupportedMediaType.
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
