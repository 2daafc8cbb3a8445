"""A file that a client sends: as the body or in a form, packed by gzip or not, never unpacked beyond a limit."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from flask import request
from werkzeug.http import parse_options_header
from werkzeug.sansio import multipart

from .bodies import arriving
from .problems import Problem

__all__ = ["Upload", "read_upload"]

_FORM: Final = "multipart/form-data"
_GZIP: Final = 16 + zlib.MAX_WBITS
_GZIP_MAGIC: Final = b"\x1f\x8b\x08"
_WINDOW: Final = 2**16

# What browsers and curl say of files that they know no type of, or none that is taken here.
_UNTELLING_PARTS: Final = (
    "text/plain",
    "application/gzip",
    "application/x-gzip",
    "application/vnd.ms-excel",
    "text/tab-separated-values",
)


class Upload(NamedTuple):
    """A file, unpacked, and its media type as it was given; None where none was given that tells."""

    file: io.BytesIO
    media_type: str | None


def read_upload(most: int, is_telling: Callable[[str | None], bool]) -> Upload:
    """The body of the request, or the one `file` of its form, of at most ``most`` bytes once it is unpacked.

    ``is_telling`` tells media types that say something of a format from those that do not: a file of the latter that
    begins as gzip does is unpacked.

    :raises Problem: too-large; unsupported-media-type for a content coding; malformed when it breaks off; invalid for a
        form with anything but one `file`.
    """
    if (request.content_length or 0) > most:
        raise _too_large(most)
    file, media_type = _read_body(most), request.headers.get("Content-Type")
    essence, options = parse_options_header(media_type)
    in_form = essence.lower() == _FORM
    if in_form:
        file, media_type = _only_file(file, options.get("boundary", ""))
        if media_type and media_type.partition(";")[0].strip().lower() in _UNTELLING_PARTS:
            media_type = None
    # A part of a form cannot say that it is packed: tools give a .csv.gz the type of the .csv.
    head = file.getbuffer()[: len(_GZIP_MAGIC)].tobytes()
    if head == _GZIP_MAGIC and (in_form or not is_telling(media_type)):
        file = _unpacked(_windows(file), _Gunzip(), most)
    return Upload(file, media_type)


class _Gunzip:
    """Unpacks gzip (RFC 1952), one member after the other, a little at a time."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self._waiting = b""

    def feed(self, packed: bytes) -> None:
        """Take the next packed bytes."""
        self._waiting += packed

    def take(self, most: int) -> bytes:
        """The next unpacked bytes, ``most`` at most; none when more are to be fed first."""
        while self._waiting:
            if self._member.eof:
                self._waiting = self._waiting.lstrip(b"\0")  # padding, as tape archives have it
                if not self._waiting:
                    break
                self._member = zlib.decompressobj(_GZIP)
            part = self._member.decompress(self._waiting, most)
            self._waiting = self._member.unused_data or self._member.unconsumed_tail
            if part:
                return part
        return b""

    def is_complete(self) -> bool:
        """Whether a member has just ended."""
        return self._member.eof


class _AsItIs:
    """Unpacks what is not packed."""

    def __init__(self) -> None:
        self._waiting = b""

    def feed(self, packed: bytes) -> None:
        self._waiting = packed

    def take(self, most: int) -> bytes:
        part, self._waiting = self._waiting, b""
        return part

    def is_complete(self) -> bool:
        return True


def _read_body(most: int) -> io.BytesIO:
    coding = request.headers.get("Content-Encoding", "").strip().lower()
    if coding in ("gzip", "x-gzip"):
        return _unpacked(arriving(), _Gunzip(), most)
    if coding in ("", "identity"):
        return _unpacked(arriving(), _AsItIs(), most)
    detail = "The only Content-Encoding that is taken is gzip."
    raise Problem("unsupported-media-type", detail, headers={"Accept-Encoding": "gzip"})


def _windows(file: io.BytesIO) -> Iterator[bytes]:
    file.seek(0)
    return iter(lambda: file.read(_WINDOW), b"")


def _unpacked(parts: Iterable[bytes], unpacking: _Gunzip | _AsItIs, most: int) -> io.BytesIO:
    whole = io.BytesIO()
    try:
        for packed in parts:
            unpacking.feed(packed)
            while part := unpacking.take(_WINDOW):
                whole.write(part)
                if whole.tell() > most:
                    raise _too_large(most)
    except zlib.error as error:
        raise Problem("malformed", f"The body is no gzip: {error}.") from error
    if not unpacking.is_complete():
        raise Problem("malformed", "The gzip broke off: send it whole.")
    return whole


def _only_file(form: io.BytesIO, boundary: str) -> tuple[io.BytesIO, str | None]:
    """The content and the media type of the part `file`."""
    found: list[tuple[io.BytesIO, str | None]] = []
    for name, media_type, content in _parts(form, boundary):
        if name != "file":
            raise _bad_form(f"/{name}", f"The form has a part {name[:100]!r}; send one part named file, and no other.")
        found.append((content, media_type))
    if len(found) != 1:
        raise _bad_form("/file", f"The form has {len(found)} parts named file; send one.")
    return found[0]


def _parts(form: io.BytesIO, boundary: str) -> list[tuple[str, str | None, io.BytesIO]]:
    """Name, media type and content of each part (RFC 7578)."""
    parts: list[tuple[str, str | None, io.BytesIO]] = []
    if not boundary:
        raise Problem("malformed", "The Content-Type of the form names no boundary.")
    try:
        decoder = multipart.MultipartDecoder(boundary.encode("latin-1"), max_parts=100)
        for part in _windows(form):
            decoder.receive_data(part)
            _take_events(decoder, parts)
        decoder.receive_data(None)
        _take_events(decoder, parts)
    except ValueError as error:
        raise Problem("malformed", f"The form cannot be parsed: {error or 'it breaks off'}.") from error
    return parts


def _take_events(decoder: multipart.MultipartDecoder, parts: list[tuple[str, str | None, io.BytesIO]]) -> None:
    while not isinstance(event := decoder.next_event(), multipart.NeedData):
        if isinstance(event, multipart.Field | multipart.File):
            parts.append((event.name or "", event.headers.get("Content-Type"), io.BytesIO()))
        elif isinstance(event, multipart.Data):
            parts[-1][2].write(event.data)
        elif isinstance(event, multipart.Epilogue):
            return


def _bad_form(pointer: str, detail: str) -> Problem:
    return Problem("invalid", detail, errors=[{"pointer": pointer, "detail": detail}])


def _too_large(most: int) -> Problem:
    return Problem("too-large", f"The body may have {most:,} bytes at most, unpacked.")
