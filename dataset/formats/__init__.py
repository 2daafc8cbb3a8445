"""File formats, one module each: its media types, the detection of its content, and a reader to typed columns.

To add a format, write a module with the four members of `Format` and list it in `_FORMATS`.
"""

from __future__ import annotations

import re
from types import ModuleType
from typing import Final, Protocol, cast

from dataset.errors import InvalidDataset, Malformed, UnsupportedMediaType
from dataset.formats import archives, arrow, csv_text, json_text, ndjson, parquet, unsupported, xlsx
from dataset.formats.encodings import check_charset, decode_head
from dataset.formats.source import Body, Limits, Read, Source, limits_of
from dataset.load_options import LoadOptions
from dataset.spill import Spill

__all__ = [
    "MEDIA_TYPES",
    "PACKED_TYPES",
    "Body",
    "Format",
    "Limits",
    "Read",
    "Source",
    "is_compressed",
    "is_specific_type",
    "limits_of",
    "open_body",
]


class Format(Protocol):
    """The interface of a format's module."""

    MEDIA_TYPES: tuple[str, ...]
    OPTIONS: tuple[str, ...]
    """The options of the load that are for some formats only, this among them."""

    @staticmethod
    def sniff(head: bytes) -> bool:
        """Return whether a body with this beginning looks like this format; used when the media type is generic."""

    @staticmethod
    def read(source: Source) -> Read:
        """Parse the columns. Raises only Malformed, InvalidDataset or TooLarge."""


# In the order of content detection. Of a text format, the beginning is decoded first.
_BINARY_FORMATS: Final[tuple[ModuleType, ...]] = (parquet, arrow, xlsx)
_TEXT_FORMATS: Final[tuple[ModuleType, ...]] = (ndjson, json_text, csv_text)
_FORMATS: Final = (*_BINARY_FORMATS, *_TEXT_FORMATS)
_OPTIONS: Final = frozenset(option for module in _FORMATS for option in module.OPTIONS)
PACKED_TYPES: Final = (*archives.ZIP_TYPES, *archives.GZIP_TYPES)
"""The media types of packed files, whose content decides on the format."""

_HEAD_BYTES: Final = 512
# Sent for files of any format: by default, by browsers, or because the file was packed.
_GENERIC_TYPES: Final = (
    "",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "application/vnd.ms-excel",
    "text/plain",
    *PACKED_TYPES,
)
_CHARSET: Final = re.compile(r';\s*charset\s*=\s*"?([^";\s]*)', re.IGNORECASE)

MEDIA_TYPES: Final[tuple[str, ...]] = tuple(name for module in reversed(_FORMATS) for name in module.MEDIA_TYPES)
"""The media types of the formats; files packed as zip or by gzip have those in `PACKED_TYPES`."""


def is_specific_type(media_type: str | None) -> bool:
    """Return whether a media type denotes a format, supported or not."""
    return _essence(media_type) not in _GENERIC_TYPES


def is_compressed(media_type: str | None, head: bytes) -> bool:
    """Return whether a body will be read as a compressed format, whose size does not bound that of the table."""
    if is_specific_type(media_type):
        binary = any(_essence(media_type) in module.MEDIA_TYPES for module in _BINARY_FORMATS)
    else:
        binary = any(module.sniff(head) for module in _BINARY_FORMATS)
    return binary or archives.is_packed(head)


def open_body(
    body: Body, media_type: str | None, options: LoadOptions, limits: Limits, spill: Spill | None = None
) -> tuple[Format, Source]:
    """Return the format of a body, or of the file packed in it, and the source to read.

    Raises Malformed, UnsupportedMediaType, InvalidDataset or TooLarge.
    """
    if _essence(media_type) in PACKED_TYPES and not archives.is_packed(body[:4]):
        raise UnsupportedMediaType("The body is not packed as its media type says: send it with its own.")
    body = archives.unpack(body, options.member, limits.unpacked_bytes)
    chosen, charset = _detect_format(media_type, body)
    for option in options.as_json().keys() & (_OPTIONS - set(chosen.OPTIONS)):
        wanted = ", ".join(module.MEDIA_TYPES[0] for module in reversed(_FORMATS) if option in module.OPTIONS)
        raise InvalidDataset(f"The option is for {wanted}, but the body is {chosen.MEDIA_TYPES[0]}.", option)
    return chosen, Source(body, charset, limits, options, spill)


def _detect_format(media_type: str | None, body: Body) -> tuple[Format, str | None]:
    """Return the format and the charset, from the media type or, if that is generic, from the content."""
    essence = _essence(media_type)
    found = _CHARSET.search(media_type or "")
    charset = found[1] if found else None
    check_charset(charset)
    if essence in _GENERIC_TYPES:
        return _sniff(body), charset
    for candidate in _FORMATS:
        if essence in candidate.MEDIA_TYPES:
            if candidate in _TEXT_FORMATS:
                _check_text(body[:_HEAD_BYTES])
            return cast(Format, candidate), charset
    unsupported.reject_type(essence)
    raise UnsupportedMediaType(f"Send the dataset with a Content-Type among: {', '.join(MEDIA_TYPES)}.")


def _check_text(head: bytes) -> None:
    """Raise Malformed or UnsupportedMediaType if a body that is sent as text is in a binary format."""
    if xlsx.sniff(head):
        raise Malformed(f"The body is an Excel workbook: send it as {xlsx.MEDIA_TYPES[0]}.")
    unsupported.reject_binary(head)


def _sniff(body: Body) -> Format:
    binary = body[:_HEAD_BYTES]
    for module in _BINARY_FORMATS:
        if module.sniff(binary):
            return cast(Format, module)
    unsupported.reject_binary(binary)
    text = decode_head(body)
    unsupported.reject_text(text)
    return cast(Format, next(module for module in _TEXT_FORMATS if module.sniff(text)))


def _essence(media_type: str | None) -> str:
    return (media_type or "").partition(";")[0].strip().lower()
