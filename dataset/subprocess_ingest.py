"""Ingestion in a subprocess with limits on memory and time.

Parsing takes several times the memory of the body, and seconds during which other threads would be blocked. The
subprocess returns its memory to the system when it exits, and is killed when it exceeds a limit. One subprocess runs at
a time. Small bodies are parsed in this process, which is faster than starting another.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import IO, Any, Final, NamedTuple, Protocol

from dataset import errors, formats
from dataset.arrow_chunks import EncodedTable
from dataset.description import Description
from dataset.ingest import ingest
from dataset.load_options import LoadOptions
from dataset.reader_process import start_reader_ahead, take_reader
from dataset.shared_files import NewFile, SharedFiles
from dataset.table import Table

__all__ = ["LoadLimits", "ingest_in_subprocess"]

_MAX_IN_PROCESS_BYTES: Final = 2**16
_IN_PROCESS_LIMITS: Final = formats.Limits(unpacked_bytes=2**20, columns=200, values=100_000)
"""Bodies within these limits are parsed in well under 0.1 s."""

_QUEUE_SLOTS: Final = BoundedSemaphore(9)
_READER_LOCK: Final = Lock()
_IN_PROCESS_LOCK: Final = Lock()
_WAIT_SECONDS: Final = 60
_POLL_SECONDS: Final = 0.01
_ERRORS: Final = (errors.InvalidDataset, errors.Malformed, errors.TooLarge, errors.UnsupportedMediaType)
_DISK_FULL_ERRNOS: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_OUT_OF_MEMORY: Final = "Reading the body takes more memory than there is: send fewer rows or columns."


class ReaderLock(Protocol):
    """A lock like `threading.Lock`, perhaps of several processes."""

    def acquire(self, *, timeout: float) -> bool:
        """Wait for the lock, for at most `timeout` seconds; return whether it is held now."""

    def release(self) -> None:
        """Release the lock."""


class LoadLimits(NamedTuple):
    """Limits in bytes on the body, the subprocess' memory and the table (None: unlimited), and on seconds of parsing.

    Temporary files are created in `folder`; None is the system's temporary directory. One subprocess runs at a time of
    all that share `lock`. The rows are also written to one of `files`; `is_scanned`: the chunks will be scanned.
    """

    body_bytes: int = 256 * 2**20
    reader_memory: int | None = None
    table_memory: int | None = None
    seconds: float = 120
    folder: str | None = None
    lock: ReaderLock | None = None
    files: SharedFiles = SharedFiles(0)
    is_scanned: bool = False

    def prepare(self) -> None:
        """Start the subprocess for a large body that begins to arrive, unless another one is at work."""
        lock = self.lock or _READER_LOCK
        if lock.acquire(timeout=0):
            lock.release()
            start_reader_ahead(self.folder)


_DEFAULT_LIMITS: Final = LoadLimits()
_NO_OPTIONS: Final = LoadOptions()


def ingest_in_subprocess(
    parts: Iterable[bytes],
    media_type: str | None,
    *,
    options: LoadOptions = _NO_OPTIONS,
    limits: LoadLimits = _DEFAULT_LIMITS,
) -> Table | EncodedTable:
    """Ingest a body that arrives in parts, in a subprocess unless it is small.

    Only one part of a large body is in memory at a time. Raises the errors of `ingest`, TooLarge also for a body that
    exceeds the memory or time limit, and Busy after waiting a minute for other bodies.
    """
    rest = iter(parts)
    head = _read_head(rest, _MAX_IN_PROCESS_BYTES + 1)
    if len(head) <= _MAX_IN_PROCESS_BYTES and not formats.is_compressed(media_type, head):
        with suppress(errors.TooManyValues), _IN_PROCESS_LOCK:
            return ingest(head, media_type, options=options, limits=_IN_PROCESS_LIMITS, max_memory=limits.table_memory)
    arguments = {
        "media_type": media_type,
        "options": options.as_json(),
        "limits": formats.limits_of(limits.body_bytes)._asdict(),
        "max_memory": limits.table_memory,
        "arrow": None,
        "parquet": limits.is_scanned,
    }
    with _reader_slot(limits.lock or _READER_LOCK):
        return _run_reader(arguments, head, rest, limits)


def _read_head(parts: Iterator[bytes], min_bytes: int) -> bytes:
    head = bytearray()
    for part in parts:
        head += part
        if len(head) >= min_bytes:
            break
    return bytes(head)


@contextmanager
def _reader_slot(lock: ReaderLock | Lock) -> Iterator[None]:
    """Hold the lock on the subprocess. Raises Busy if too many requests wait for it, or after a minute."""
    if not _QUEUE_SLOTS.acquire(blocking=False):
        raise errors.Busy("Too many datasets are being loaded at the moment: try again in a minute.")
    try:
        if not lock.acquire(timeout=_WAIT_SECONDS):
            raise errors.Busy("Other datasets are being loaded at the moment: try again in a minute.")
        try:
            yield
        finally:
            lock.release()
    finally:
        _QUEUE_SLOTS.release()


def _run_reader(arguments: dict[str, Any], head: bytes, rest: Iterator[bytes], limits: LoadLimits) -> EncodedTable:
    reader = take_reader(limits.folder)
    arrow = limits.files.create()
    if arrow is not None:
        arguments["arrow"] = {"path": str(arrow.path), "room": limits.files.room()}
    try:
        with reader.process as child, reader.body as body:
            try:
                # The subprocess starts while the body arrives, and parses once it is complete.
                body.write(head)
                body.writelines(rest)
                body.flush()
                with suppress(BrokenPipeError), child.stdin as stdin:  # type: ignore[union-attr]
                    stdin.write(json.dumps(arguments).encode() + b"\n")
                _wait_within_limits(child, limits)
            finally:
                child.kill()
        return _load_result(child.returncode, reader.rows, arrow)
    except BaseException as error:
        reader.rows.close()
        if arrow is not None:
            arrow.close()
        if isinstance(error, OSError) and error.errno in _DISK_FULL_ERRNOS:
            raise _disk_full() from error
        raise


def _wait_within_limits(child: subprocess.Popen[bytes], limits: LoadLimits) -> None:
    """Wait for the child's exit while polling its memory. Raises TooLarge on exceeding a limit."""
    status = Path(f"/proc/{child.pid}/status")
    deadline = time.monotonic() + limits.seconds
    while True:
        try:
            child.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        else:
            return
        if limits.reader_memory is not None and _used_memory(status) > limits.reader_memory:
            raise errors.TooLarge(_OUT_OF_MEMORY)
        if time.monotonic() > deadline:
            raise errors.TooLarge(f"Reading the body takes more than {limits.seconds:g} s: send fewer rows or columns.")


def _used_memory(status: Path) -> int:
    """Return the anonymous and shared memory of a process in bytes; mapped files do not count."""
    try:
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    except OSError:  # not Linux, or the process has just exited
        return 0
    return sum(int(fields.get(name, "0").split()[0]) for name in ("RssAnon", "RssShmem")) * 1024


def _disk_full() -> errors.Busy:
    return errors.Busy("The server has no room on its disk for a body of this size at the moment: try again.")


def _load_result(status: int, rows: IO[bytes], arrow: NewFile | None) -> EncodedTable:
    if status == os.EX_TEMPFAIL:
        raise _disk_full()
    if status < 0:
        raise errors.TooLarge(_OUT_OF_MEMORY)
    if status > 0:
        raise RuntimeError(f"the ingest subprocess exited with status {status}; see its stderr in the log")
    rows.seek(0)
    header: dict[str, Any] = json.loads(rows.readline())
    for error in _ERRORS:
        if error.__name__ == header.get("error"):
            raise error(*header["args"])
    return EncodedTable(Description.from_json(header["description"]), header["memory"], rows, arrow)
