"""Character encodings: Unicode detected by its BOM, by zero bytes or by its validity; any other one named or guessed.

Bodies are transcoded to UTF-8, the input of the formats' readers, a window at a time.
"""

from __future__ import annotations

import codecs
import io
import re
from typing import Final

from dataset.errors import InvalidDataset, Malformed, UnsupportedMediaType, quoted
from dataset.formats.charsets import guess_charset
from dataset.formats.source import Body
from dataset.notes import Note

__all__ = ["as_utf8", "check_charset", "decode_head"]

_WINDOW_BYTES: Final = 2**20
_SAMPLE_BYTES: Final = 2**14
_SAMPLE_LINE: Final = 2**12
_MIN_ZEROS: Final = 0.2
_UTF_8_BOM: Final = codecs.BOM_UTF8
_BOMS: Final = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# What browsers read under these names; the bytes that it adds are control characters in Latin-1.
_ALIASES: Final = {"ascii": "utf-8", "iso8859-1": "cp1252", "shift_jis": "cp932", "gb2312": "gb18030", "gbk": "gb18030"}
_LABELS: Final = {"cp1252": "cp1252 (the Latin-1 of Windows)", "cp932": "cp932 (the Shift-JIS of Windows)"}
_NO_CHARSETS: Final = ("idna", "punycode", "raw-unicode-escape", "unicode-escape", "undefined", "utf-7")
# Control characters that do not occur in text. (Those of Latin-1 from 0x80 on are letters in Windows-1252.)
_CONTROLS: Final = re.compile(rb"[\0-\x08\x0b\x0e-\x19\x1c-\x1f\x7f]")
_ISO_2022_JP: Final = re.compile(rb"\x1b\$[@B][!-~]{2}")
_FOREIGN: Final = re.compile(rb"[\x80-\xff]")
_UTF_8_LETTER: Final = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


def check_charset(charset: str | None) -> None:
    """Raise UnsupportedMediaType for an unknown character set."""
    if charset is not None and _codec(charset) is None:
        raise UnsupportedMediaType(
            f"There is no character set {quoted(charset)}: convert the text, or correct its charset."
        )


def decode_head(body: Body) -> bytes:
    """Return the first mebibyte of a body in UTF-8, without BOM, for content detection."""
    decoder = codecs.getincrementaldecoder(_detect_unicode(body) or "utf-8-sig")("replace")
    return decoder.decode(body[:_WINDOW_BYTES]).encode(errors="replace")


def as_utf8(
    body: Body, charset: str | None, encoding: str | None = None, *, guess: bool = False
) -> tuple[Body, tuple[Note, ...]]:
    """Return the text in UTF-8 without BOM, and notes for the client on the encoding.

    `encoding` decides, then a BOM, then `charset`, which may be None or one that `check_charset` accepts. With `guess`,
    text that is not UTF-8 is read in its most likely character set. Raises Malformed or InvalidDataset.
    """
    if encoding is not None:
        codec = _codec(encoding)
        if codec is None:
            raise InvalidDataset(f"There is no character set {quoted(encoding)}.", "encoding")
    else:
        codec = _detect_unicode(body) or _codec(charset or "utf-8")
    if codec != "utf-8":
        return _transcode(body, str(codec)), ()
    error = _find_utf8_error(body)
    if error is None:
        if guess and encoding is None and body.find(b"\x1b") >= 0 and _ISO_2022_JP.search(body):
            text = _transcode(body, "iso2022_jp")
            return text, (_note_guess("iso2022_jp", bytes(text[:_SAMPLE_BYTES]).decode(errors="ignore")),)
        return (body[len(_UTF_8_BOM) :] if body[: len(_UTF_8_BOM)] == _UTF_8_BOM else body), ()
    position, problem = error
    line = body[:position].count(b"\n") + 1
    if not guess or encoding is not None:
        raise Malformed(f"The body is not UTF-8: {problem} in line {line}, at byte {position}.")
    if _CONTROLS.search(body):
        raise Malformed(f"The body is neither UTF-8 nor other text: {_remedy(body)}.")
    return _transcode_guessed(body, position, line)


def _transcode_guessed(body: Body, position: int, line: int) -> tuple[Body, tuple[Note, ...]]:
    sample = _foreign_lines(body, position)
    foreign = len(_FOREIGN.findall(sample))
    if sum(map(len, _UTF_8_LETTER.findall(sample))) * 2 > foreign:
        raise Malformed(
            f"Line {line} holds a byte that is not UTF-8 (at byte {position}), as the rest of the body is: "
            "correct it, or name the character set with ?encoding=."
        )
    codec = guess_charset(sample)
    if codec is None:
        raise Malformed(
            f"Line {line} is not UTF-8 (at byte {position}), and its character set is not clear: "
            "name it with ?encoding=, for example cp1252, or convert the file to UTF-8."
        )
    return _transcode(body, codec), (_note_guess(codec, sample.decode(codec, errors="replace")),)


def _note_guess(codec: str, text: str) -> Note:
    word = re.search(r"[^,;\t|\r\n]*[^\x00-\x7f][^,;\t|\r\n]*", text)
    return Note(
        f"The body is not UTF-8 and was read as {_LABELS.get(codec, codec)}: if letters look wrong, name its character "
        "set with ?encoding=.",
        example=word[0].strip()[:80] if word else None,
    )


def _foreign_lines(body: Body, position: int) -> bytes:
    """Return the first lines that hold bytes beyond ASCII."""
    found: list[bytes] = []
    size, match = 0, _FOREIGN.search(body)
    while match is not None and size < _SAMPLE_BYTES:
        begin = max(body.rfind(b"\n", 0, match.start()) + 1, match.start() - _SAMPLE_LINE)
        end = body.find(b"\n", match.start()) + 1 or len(body)
        found.append(body[begin : min(end, match.start() + _SAMPLE_LINE)])
        size += len(found[-1])
        match = _FOREIGN.search(body, end)
    return b"".join(found)


def _remedy(body: Body) -> str:
    if body[:2] == b"\x1f\x8b":
        return "it looks like gzip, so say Content-Encoding: gzip"
    return "send text, or the right Content-Type"


def _codec(name: str) -> str | None:
    """Return Python's name of a character set, None if it has none."""
    try:
        info = codecs.lookup(name.strip())
    except (LookupError, ValueError):
        return None
    is_text = getattr(info, "_is_text_encoding", False)
    return _ALIASES.get(info.name, info.name) if is_text and info.name not in _NO_CHARSETS else None


def _detect_unicode(body: Body) -> str | None:
    """Return the codec of UTF-16 or UTF-32 with a BOM, or of UTF-16 where every second byte of many is zero."""
    for bom, codec in _BOMS.items():
        if body[: len(bom)] == bom:
            return codec
    head = body[: _SAMPLE_LINE // 2 * 2]
    pairs = len(head) // 2
    if not pairs or len(body) % 2:
        return None
    zeros = [head[start : pairs * 2 : 2].count(0) / pairs for start in (0, 1)]
    codec = "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    is_text = _CONTROLS.search(head.decode(codec, errors="replace").encode()) is None
    return codec if is_text and max(zeros) >= _MIN_ZEROS and min(zeros) < max(zeros) / 10 else None


def _find_utf8_error(body: Body) -> tuple[int, str] | None:
    """Return the position of the first error in UTF-8, and its description; None if there is none."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(body)
    for begin in range(0, len(body), _WINDOW_BYTES):
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(view[begin : begin + _WINDOW_BYTES], final=begin + _WINDOW_BYTES >= len(body))
        except UnicodeDecodeError as error:
            return begin - pending + error.start, error.reason
    return None


def _transcode(body: Body, codec: str) -> bytes:
    decoder = codecs.getincrementaldecoder(codec)()
    view, text = memoryview(body), io.BytesIO()
    try:
        for begin in range(0, len(body), _WINDOW_BYTES):
            part = decoder.decode(view[begin : begin + _WINDOW_BYTES], final=begin + _WINDOW_BYTES >= len(body))
            text.write(part.encode())
    except UnicodeError as error:
        line = text.getvalue().count(b"\n") + 1
        raise Malformed(
            f"The body cannot be read as {codec}: {error}, after line {line}. Name another one with ?encoding=."
        ) from error
    result = text.getvalue()
    return result.removeprefix(_UTF_8_BOM)
