"""Reads an uploaded file: as the body or in a form, compressed by gzip or not, decompressed up to a limit.

The file is streamed: only a part of it is in memory at a time.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio import multipart

from web.problems import Problem
from web.request_body import iter_body

__all__ = ["Upload", "read_upload", "unpack_file"]

_FORM: Final = "multipart/form-data"
_GZIP: Final = 16 + zlib.MAX_WBITS
_GZIP_MAGIC: Final = b"\x1f\x8b\x08"
_WINDOW: Final = 2**16
_MOST_MEMBERS: Final = 100_000  # of a gzip; each costs as much as a window, even if it is nearly empty
_MOST_HELD: Final = 4 * _WINDOW  # bytes of a form without content or the end of a header

# Sent by browsers and curl for files whose type they do not know.
_GENERIC_TYPES: Final = (
    "text/plain",
    "application/gzip",
    "application/x-gzip",
    "application/vnd.ms-excel",
    "text/tab-separated-values",
)


class Upload(NamedTuple):
    """A file's decompressed parts and its media type, None if that does not name a format."""

    parts: Iterator[bytes]
    media_type: str | None


def read_upload(
    most: int, is_specific_type: Callable[[str | None], bool], fields: dict[str, str] | None = None
) -> Upload:
    """Return the request body, or the one `file` of its form, of at most ``most`` bytes when decompressed.

    ``is_specific_type`` returns whether a media type names a format; a file of any other type that starts with the gzip
    magic number is decompressed. The form's other fields, if it may have some, are added to ``fields``; they stand
    before the file, because it is read as it arrives.

    :raises Problem: here or while the parts are read: too-large; unsupported-media-type for a content coding; malformed
        when it breaks off; invalid for a form with anything but one `file`.
    """
    if (request.content_length or 0) > most:
        raise _too_large(most)
    parts, media_type = _read_body(most), request.headers.get("Content-Type")
    essence, options = parse_options_header(media_type)
    in_form = essence.lower() == _FORM
    if in_form:
        parts, media_type = _only_file(parts, options.get("boundary", ""), fields)
        if media_type and media_type.partition(";")[0].strip().lower() in _GENERIC_TYPES:
            media_type = None
    # A part of a form has no content coding: tools send a .csv.gz with the type of the .csv.
    is_specific = is_specific_type(media_type)
    if is_specific and not in_form:
        return Upload(parts, media_type)
    return _gunzip_if_packed(parts, media_type, most, is_specific)


def unpack_file(
    parts: Iterator[bytes],
    media_type: str | None,
    coding: str,
    size: int | None,
    *,
    most: int,
    is_specific_type: Callable[[str | None], bool],
) -> Upload:
    """Return a file that a server has sent with these headers, of at most ``most`` bytes when decompressed.

    :raises Problem: as :func:`read_upload` does.
    """
    if size is not None and size > most:
        raise _too_large(most)
    if media_type and media_type.partition(";")[0].strip().lower() in _GENERIC_TYPES:
        media_type = None
    parts = _decoded(parts, coding, most)
    if is_specific_type(media_type):
        return Upload(parts, media_type)
    return _gunzip_if_packed(parts, media_type, most, is_specific=False)


def _gunzip_if_packed(parts: Iterator[bytes], media_type: str | None, most: int, is_specific: bool) -> Upload:
    head, parts = _ahead(parts, len(_GZIP_MAGIC))
    if head.startswith(_GZIP_MAGIC):
        return Upload(_limited(_unpacked(parts), most), media_type if is_specific else None)
    return Upload(parts, media_type)


def _read_body(most: int) -> Iterator[bytes]:
    return _decoded(iter_body(), request.headers.get("Content-Encoding", "").strip().lower(), most)


def _decoded(parts: Iterator[bytes], coding: str, most: int) -> Iterator[bytes]:
    if coding in ("gzip", "x-gzip"):
        return _limited(_unpacked(parts), most)
    if coding in ("", "identity"):
        return _limited(parts, most)
    detail = "The only Content-Encoding that is taken is gzip."
    raise Problem("unsupported-media-type", detail, headers={"Accept-Encoding": "gzip"})


def _ahead(parts: Iterator[bytes], size: int) -> tuple[bytes, Iterator[bytes]]:
    """Return the first ``size`` bytes, or fewer if there are fewer, and an iterator over all parts."""
    head = b""
    while len(head) < size and (part := next(parts, b"")):
        head += part
    return head, chain([head] if head else [], parts)


def _limited(parts: Iterable[bytes], most: int) -> Iterator[bytes]:
    size = 0
    for part in parts:
        size += len(part)
        if size > most:
            raise _too_large(most)
        yield part


def _unpacked(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Decompress gzip (RFC 1952) incrementally, one member after the other."""
    member, members = zlib.decompressobj(_GZIP), 1
    try:
        for packed in parts:
            waiting = packed
            while waiting:
                if member.eof:
                    waiting = waiting.lstrip(b"\0")  # padding, as in tape archives
                    if not waiting:
                        break
                    member, members = zlib.decompressobj(_GZIP), members + 1
                    if members > _MOST_MEMBERS:
                        raise Problem("malformed", f"The gzip has more than {_MOST_MEMBERS:,} members: pack it as one.")
                part = member.decompress(waiting, _WINDOW)
                waiting = member.unused_data if member.eof else member.unconsumed_tail
                if part:
                    yield part
        while not member.eof and (part := member.decompress(b"", _WINDOW)):
            yield part
    except zlib.error as error:
        raise Problem("malformed", f"The body is no gzip: {error}.") from error
    if not member.eof:
        raise Problem("malformed", "The gzip broke off: send it whole.")


def _only_file(
    form: Iterator[bytes], boundary: str, fields: dict[str, str] | None
) -> tuple[Iterator[bytes], str | None]:
    """Return the content of the part `file`, and its media type; add the fields before it to ``fields``."""
    events = _events(form, boundary)
    for event in events:
        if isinstance(event, multipart.Field) and event.name != "file" and fields is not None:
            fields[event.name or ""] = _field_text(events)
        elif isinstance(event, multipart.Field | multipart.File):
            _check_name(event)
            return _content(events), event.headers.get("Content-Type")
    raise _not_one(0)


def _field_text(events: Iterator[multipart.Event]) -> str:
    text = b""
    for event in events:
        if isinstance(event, multipart.Data):
            text += event.data
            if len(text) > _MOST_HELD:
                break
            if not event.more_data:
                return text.decode(errors="replace")
    raise Problem("malformed", "The form cannot be parsed: it has a field that is too long.")


def _content(events: Iterator[multipart.Event]) -> Iterator[bytes]:
    found = 1
    for event in events:
        if isinstance(event, multipart.Field | multipart.File):
            _check_name(event)
            found += 1
        elif isinstance(event, multipart.Data) and found == 1 and event.data:
            yield bytes(event.data)
    if found > 1:
        raise _not_one(found)


def _check_name(part: multipart.Field | multipart.File) -> None:
    if part.name != "file":
        name = (part.name or "")[:100]
        raise _bad_form(f"/{name}", f"The form has a part {name!r}; send one part named file, and no other.")


def _events(form: Iterator[bytes], boundary: str) -> Iterator[multipart.Event]:
    """Parse a form (RFC 7578) into events."""
    if not boundary:
        raise Problem("malformed", "The Content-Type of the form names no boundary.")
    try:
        decoder = multipart.MultipartDecoder(boundary.encode("latin-1"), max_form_memory_size=_MOST_HELD, max_parts=100)
        for part in chain(form, [None]):
            decoder.receive_data(part)
            while not isinstance(event := decoder.next_event(), multipart.NeedData):
                yield event
                if isinstance(event, multipart.Epilogue):
                    break
    except RequestEntityTooLarge as error:
        raise Problem(
            "malformed", "The form cannot be parsed: it has too many parts, or a header that is too long."
        ) from error
    except ValueError as error:
        raise Problem("malformed", f"The form cannot be parsed: {error or 'it breaks off'}.") from error


def _not_one(found: int) -> Problem:
    return _bad_form("/file", f"The form has {found} parts named file; send one.")


def _bad_form(pointer: str, detail: str) -> Problem:
    return Problem("invalid", detail, errors=[{"pointer": pointer, "detail": detail}])


def _too_large(most: int) -> Problem:
    return Problem("too-large", f"The body may have {most:,} bytes at most, unpacked.")
