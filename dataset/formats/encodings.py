"""Character encodings: UTF-8, UTF-16 detected by its BOM or by zero bytes, and Latin-1 as a fallback.

Bodies are transcoded to UTF-8, the input of the formats' readers, a window at a time.
"""

from __future__ import annotations

import codecs
import io
import re
from typing import Final

from dataset.errors import Malformed, UnsupportedMediaType
from dataset.formats.source import Body
from dataset.notes import Note

__all__ = ["LATIN_1_NOTE", "as_utf8", "check_charset", "decode_head"]

LATIN_1_NOTE: Final = Note(
    "The body is not UTF-8 and was read as Latin-1 (in its Windows form, 1252): "
    "if letters look wrong, convert it to UTF-8 and load it again."
)

_WINDOW_BYTES: Final = 2**20
_UTF_8_BOM: Final = codecs.BOM_UTF8
_UTF_16_BOMS: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_CHARSETS: Final = {
    "utf-8": None,
    "utf8": None,
    "us-ascii": None,
    "ascii": None,
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "latin-1": "cp1252",
    "latin1": "cp1252",
    "iso-8859-1": "cp1252",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
}
# Control characters that do not occur in text. (Those of Latin-1 from 0x80 on are letters in Windows-1252.)
_CONTROLS: Final = re.compile(rb"[\0-\x08\x0b\x0e-\x1f\x7f]")


def check_charset(charset: str | None) -> None:
    """Raise UnsupportedMediaType for an unsupported character set."""
    if charset is not None and charset.lower() not in _CHARSETS:
        raise UnsupportedMediaType("Text is read in UTF-8, UTF-16 and Latin-1: convert it, or correct its charset.")


def decode_head(body: Body) -> bytes:
    """Return the first mebibyte of a body in UTF-8, without BOM, for content detection."""
    decoder = codecs.getincrementaldecoder(_detect_bom(body) or "utf-8-sig")("replace")
    return decoder.decode(body[:_WINDOW_BYTES]).encode(errors="replace")


def as_utf8(body: Body, charset: str | None, *, or_latin_1: bool = False) -> tuple[Body, tuple[Note, ...]]:
    """Return the text in UTF-8 without BOM, and notes for the client on the encoding.

    A BOM takes precedence over `charset`, which may be None or one that `check_charset` accepts. Raises Malformed.
    """
    codec = _detect_bom(body) or _CHARSETS[(charset or "utf-8").lower()]
    if codec is not None:
        return _transcode(body, codec), ()
    problem = _find_utf8_error(body)
    if problem is None:
        return (body[len(_UTF_8_BOM) :] if body[: len(_UTF_8_BOM)] == _UTF_8_BOM else body), ()
    if not or_latin_1:
        raise Malformed(f"The body is not UTF-8: {problem}.")
    if _CONTROLS.search(body):
        raise Malformed(f"The body is neither UTF-8 nor other text: {_remedy(body)}.")
    return _transcode(body, "cp1252"), (LATIN_1_NOTE,)


def _remedy(body: Body) -> str:
    if body[:2] == b"\x1f\x8b":
        return "it looks like gzip, so say Content-Encoding: gzip"
    return "send text, or the right Content-Type"


def _detect_bom(body: Body) -> str | None:
    """Return the codec of UTF-16 with a BOM, or without one if the first two characters are ASCII."""
    if body[:2] in _UTF_16_BOMS:
        return "utf-16"
    zeros = [byte == 0 for byte in body[:4]]
    if zeros in ([False, True, False, True], [True, False, True, False]):
        return "utf-16-be" if zeros[0] else "utf-16-le"
    return None


def _find_utf8_error(body: Body) -> str | None:
    """Describe the first error in UTF-8 and its byte; None if there is none."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(body)
    for begin in range(0, len(body), _WINDOW_BYTES):
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(view[begin : begin + _WINDOW_BYTES], final=begin + _WINDOW_BYTES >= len(body))
        except UnicodeDecodeError as error:
            return f"{error.reason} at byte {begin - pending + error.start}"
    return None


def _transcode(body: Body, codec: str) -> bytes:
    decoder = codecs.getincrementaldecoder(codec)()
    view, text = memoryview(body), io.BytesIO()
    try:
        for begin in range(0, len(body), _WINDOW_BYTES):
            part = decoder.decode(view[begin : begin + _WINDOW_BYTES], final=begin + _WINDOW_BYTES >= len(body))
            text.write(part.encode())
    except UnicodeError as error:
        raise Malformed(f"The body cannot be read as {codec}: {error}.") from error
    return text.getvalue()
