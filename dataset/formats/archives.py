"""Files packed as the one file of a zip, or by gzip: unpacked to a temporary file, up to a limit."""

from __future__ import annotations

import gzip
import io
import lzma
import mmap
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO, Any, Final

from dataset.errors import InvalidDataset, Malformed, TooLarge, UnsupportedMediaType, quoted
from dataset.formats.source import Body

__all__ = ["GZIP_TYPES", "ZIP_TYPES", "is_packed", "is_zip", "open_zip", "unpack", "zip_bytes"]

ZIP_TYPES: Final = ("application/zip", "application/x-zip-compressed")
GZIP_TYPES: Final = ("application/gzip", "application/x-gzip")

_ZIP_MAGICS: Final = (b"PK\x03\x04", b"PK\x05\x06")
_GZIP_MAGIC: Final = b"\x1f\x8b\x08"
_WINDOW_BYTES: Final = 2**20
_MAX_LISTED: Final = 20
_ENCRYPTED: Final = 1
_WORKBOOK: Final = "xl/workbook.xml"
# For damaged headers and content, unknown compressions, and missing passwords.
_ZIP_ERRORS: Final = (
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
)
# A file that only these archives contain, and what they are.
_OTHER_KINDS: Final = {
    "xl/workbook.bin": "a binary Excel workbook (.xlsb): save it as .xlsx or CSV",
    "word/document.xml": "a Word document: save its table as CSV",
    "ppt/presentation.xml": "a PowerPoint presentation: save its table as CSV",
    "META-INF/manifest.xml": "an OpenDocument file (.ods): save it as .xlsx or CSV",
    "content.xml": "an OpenDocument file (.ods): save it as .xlsx or CSV",
    ".zgroup": "a Zarr store: export it as CSV or Parquet",
}


def is_packed(head: bytes) -> bool:
    """Return whether a body with this beginning is a zip (as a workbook is) or a gzip."""
    return head.startswith((*_ZIP_MAGICS, _GZIP_MAGIC))


def is_zip(head: bytes) -> bool:
    """Return whether a body with this beginning is a zip, as a workbook is."""
    return head.startswith(_ZIP_MAGICS)


def zip_bytes(body: Body) -> int:
    """Return the size of a zip's files when unpacked, as it states. Raises Malformed."""
    with open_zip(body) as archive:
        return sum(each.file_size for each in archive.infolist())


def unpack(body: Body, member: str | None, max_bytes: int) -> Body:
    """Return the content of a gzip, or of one file of a zip, which may be a gzip; another body unchanged.

    `member` names the file of a zip. Raises Malformed, InvalidDataset, UnsupportedMediaType or TooLarge.
    """
    if body[:3] == _GZIP_MAGIC:
        body = _gunzip(body, max_bytes)
    if not is_zip(body[:4]):
        if member is not None:
            raise InvalidDataset("The body is not a zip, so it has no members.", "member")
        return body
    with open_zip(body) as archive:
        if _WORKBOOK in archive.namelist():
            if member is not None:
                raise InvalidDataset("The body is an Excel workbook: choose a sheet with ?sheet=NAME.", "member")
            return body
        content = _read_member(archive, _choose_member(archive, member), max_bytes)
    if is_zip(content[:4]):
        with open_zip(content) as archive:
            if _WORKBOOK not in archive.namelist():
                raise UnsupportedMediaType("The zip contains another zip: unpack it, and send the file.")
    return _gunzip(content, max_bytes) if content[:3] == _GZIP_MAGIC else content


@contextmanager
def open_zip(body: Body) -> Iterator[zipfile.ZipFile]:
    """Open a zip. Raises Malformed, also for what the block finds damaged."""
    try:
        with zipfile.ZipFile(_open(body)) as archive:
            yield archive
    except zipfile.BadZipFile as error:
        raise Malformed(f"The body is not a complete zip: {error}.") from error
    except _ZIP_ERRORS as error:
        raise _damaged(error) from error
    except OSError as error:
        if error.errno is not None:  # of the disk
            raise
        raise _damaged(error) from error


def _damaged(error: Exception) -> Malformed:
    return Malformed(f"The zip cannot be unpacked: {str(error)[:200]}.")


def _choose_member(archive: zipfile.ZipFile, member: str | None) -> zipfile.ZipInfo:
    files = [each for each in archive.infolist() if not _is_by_product(each.filename)]
    for marker, kind in _OTHER_KINDS.items():
        if any(each.filename == marker for each in files):
            raise UnsupportedMediaType(f"The body is {kind}.")
    if any(each.filename.lower().endswith(".shp") for each in files):
        raise UnsupportedMediaType("The zip holds a Shapefile: convert it to GeoJSON or CSV.")
    chosen = [each for each in files if member in (None, each.filename)]
    if len(chosen) == 1:
        return chosen[0]
    listed = ", ".join(f"{quoted(each.filename)} ({each.file_size:,} bytes)" for each in files[:_MAX_LISTED])
    if not files:
        raise InvalidDataset("The zip holds no file.")
    found = f"The zip holds {len(files):,} files" if member is None else f"The zip has no one file {quoted(member)}"
    more = " and more" if len(files) > _MAX_LISTED else ""
    raise InvalidDataset(f"{found}: {listed}{more}. Choose one with ?member=NAME.", "member")


def _is_by_product(name: str) -> bool:
    """Return whether this is a folder, or a file that a system adds to archives by itself."""
    base = name.rpartition("/")[2]
    return (
        name.endswith("/")
        or name.startswith("__MACOSX/")
        or base in (".DS_Store", "Thumbs.db", "desktop.ini")
        or base.startswith("._")
    )


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, max_bytes: int) -> Body:
    if member.flag_bits & _ENCRYPTED:
        raise InvalidDataset("The file in the zip is encrypted: send it without a password.")
    with archive.open(member) as content:
        return _copy(content, max_bytes)


def _gunzip(body: Body, max_bytes: int) -> Body:
    try:
        with gzip.GzipFile(fileobj=_open(body)) as content:
            return _copy(content, max_bytes)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise Malformed(f"The gzip cannot be unpacked: {error}.") from error


def _copy(content: IO[bytes] | gzip.GzipFile, max_bytes: int) -> Body:
    """Copy a stream to a temporary file and map that, whose pages do not count as this process' memory."""
    with TemporaryFile() as file:
        size = 0
        while part := content.read(_WINDOW_BYTES):
            size += len(part)
            if size > max_bytes:
                raise TooLarge(f"The body unpacks to more than {max_bytes:,} bytes: send fewer rows or columns.")
            file.write(part)
        file.flush()
        return mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) if size else b""


def _open(body: Body) -> IO[bytes]:
    return io.BytesIO(body) if isinstance(body, bytes) else io.BufferedReader(_MappedFile(body))


class _MappedFile(io.RawIOBase):
    """A raw stream over a mapped file, without a copy of it."""

    def __init__(self, body: mmap.mmap) -> None:
        self._view = memoryview(body)
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._view[self._place : self._place + len(buffer)]
        buffer[: len(part)] = part
        self._place += len(part)
        return len(part)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: len(self._view)}[whence]
        if start + offset < 0:
            raise ValueError("negative seek position")
        self._place = start + offset
        return self._place
