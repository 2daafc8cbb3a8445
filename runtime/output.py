"""Redirects standard output and error of a child to a file, whose last 64 KiB become the log of the job."""

from __future__ import annotations

import ctypes
import io
import logging
import os
import sys
from typing import Final

__all__ = ["Output", "drop_beginning", "read_end", "valid_text"]

_KEPT_BYTES: Final = 64 * 1024
_LARGEST_BYTES: Final = 2**20
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_PUNCH_HOLE: Final = 0x02 | 0x01  # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
_CONTINUATION: Final = bytes(range(0x80, 0xC0))


def valid_text(text: str) -> str:
    """Return ``text`` with a question mark for characters without UTF-8 bytes, such as lone surrogates."""
    return text.encode("utf-8", "replace").decode()


def drop_beginning(descriptor: int) -> None:
    """Free the space of an output file except its end, once it takes more than 1 MiB; its size stays.

    Writers never wait, and lose nothing of the end.
    """
    status = os.fstat(descriptor)
    if status.st_blocks * 512 <= _LARGEST_BYTES:
        return
    if sys.platform == "linux":
        length = (status.st_size - _KEPT_BYTES) // _PAGE * _PAGE
        fallocate = ctypes.CDLL(None, use_errno=True).fallocate
        fallocate(ctypes.c_int(descriptor), ctypes.c_int(_PUNCH_HOLE), ctypes.c_int64(0), ctypes.c_int64(length))
    else:
        os.ftruncate(descriptor, 0)


def read_end(descriptor: int) -> str:
    """Return the last 64 KiB of an output file."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    if not size:
        return ""
    begin = max(0, size - _KEPT_BYTES)
    found = os.pread(descriptor, _KEPT_BYTES, begin)
    if begin:
        found = found.lstrip(_CONTINUATION)
    # Replacement characters make the text longer.
    return found.decode("utf-8", "replace").encode()[-_KEPT_BYTES:].decode("utf-8", "ignore")


class Output:
    """Redirects standard output and error of this process to a file opened for appending, and reads its end."""

    def __init__(self, descriptor: int) -> None:
        self._file = descriptor
        self._reported = 0
        self._streams: tuple[io.TextIOWrapper, ...] = ()
        self._handler = logging.StreamHandler()
        # Events of the worker belong to its own log.
        self._handler.addFilter(lambda record: record.name != "worker")
        self._handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))

    def catch(self) -> None:
        """Redirect prints and logs of this process; the log of the worker keeps its destination.

        Lines that analyses log are only in the output: they may quote parameters or data.
        """
        log = open(os.dup(2), "w", buffering=1, encoding="utf-8", errors="replace")  # noqa: SIM115
        root = logging.getLogger()
        for handler in root.handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setStream(log)
                handler.addFilter(lambda record: not _is_of_analysis(record))
        root.addHandler(self._handler)
        self.reset()

    def reset(self) -> None:
        """Empty the file and redirect standard output and error to it again."""
        if self._size():
            os.ftruncate(self._file, 0)
        self._reported = 0
        os.dup2(self._file, 1)
        os.dup2(self._file, 2)
        if not (self._streams and all(map(_is_intact, self._streams))):
            self._streams = (_open_stream(1), _open_stream(2))
            self._handler.stream = self._streams[1]  # setStream would flush the old one, which may be closed
        sys.stdout, sys.stderr = self._streams

    def has_changed(self) -> bool:
        """Return whether anything was written since the last call."""
        before, self._reported = self._reported, self._size()
        return self._reported != before

    def text(self) -> str:
        """Return the last 64 KiB that this attempt wrote."""
        return read_end(self._file)

    def _size(self) -> int:
        return os.lseek(self._file, 0, os.SEEK_END)


def _is_of_analysis(record: logging.LogRecord) -> bool:
    return record.name == "root" or record.name.startswith("analyses.")


def _open_stream(descriptor: int) -> io.TextIOWrapper:
    # Unbuffered, so that a kill loses nothing and the writers' lines stay in order.
    raw = io.FileIO(descriptor, "w", closefd=False)
    return io.TextIOWrapper(raw, encoding="utf-8", errors="replace", write_through=True)


def _is_intact(stream: io.TextIOWrapper) -> bool:
    """Return whether an analysis has neither closed nor detached nor reconfigured the stream."""
    try:
        return not stream.closed and (stream.encoding, stream.errors) == ("utf-8", "replace")
    except ValueError:
        return False
