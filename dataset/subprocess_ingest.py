"""Reading a body in a process of its own, so that its memory and its time are bounded and nobody else waits for it.

Reading takes several times the memory of the body, and seconds in which other threads stand still. A process gives all
of it back at its end; one that takes too much of either is killed, and takes only the body with it. One body is read at
a time. Small texts are read at once: a process takes longer to start than these to read.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from threading import BoundedSemaphore, Lock
from typing import IO, Any, Final, NamedTuple

from dataset import errors, formats
from dataset.description import Description
from dataset.ingest import ingest
from dataset.packing import Packed
from dataset.table import Table

__all__ = ["LoadLimits", "ingest_apart"]

_SMALL: Final = 2**16
_HERE: Final = formats.Limits(plain_bytes=2**20, columns=200, values=100_000)
"""What takes well under 0.1 s of this process' interpreter."""

_ROOT: Final = Path(__file__).parent.parent
_WAITING: Final = BoundedSemaphore(9)
_READING: Final = Lock()
_READING_HERE: Final = Lock()
_WAIT_SECONDS: Final = 60
_LOOK_SECONDS: Final = 0.01
_THREADS: Final = 4
_REFUSALS: Final = (errors.InvalidDataset, errors.Malformed, errors.TooLarge, errors.UnsupportedMediaType)
_NO_DISK: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TOO_MUCH: Final = "Reading the body takes more memory than there is: send fewer rows or columns."


class LoadLimits(NamedTuple):
    """Bytes of a body, of its reader's memory, and of the table in memory (None: not limited); seconds of reading.

    `folder` is where bodies and what was read of them wait on disk; None is the system's temporary folder.
    """

    body_bytes: int = 256 * 2**20
    reader_memory: int | None = None
    table_memory: int | None = None
    seconds: float = 120
    folder: str | None = None


_UNLESS_TOLD: Final = LoadLimits()


def ingest_apart(
    parts: Iterable[bytes],
    media_type: str | None,
    *,
    id_column: str | None = None,
    index_column: str | None = None,
    limits: LoadLimits = _UNLESS_TOLD,
) -> Table | Packed:
    """Read a body, given part by part, as `ingest` does: in a process of its own unless it is small.

    Of a large body nothing is held here but a part at a time. Raises the same, TooLarge for a body that takes more
    memory or time than there is, and Busy when others are being read for a minute.
    """
    ahead = iter(parts)
    head = _take(ahead, _SMALL + 1)
    options: dict[str, Any] = {"media_type": media_type, "id_column": id_column, "index_column": index_column}
    if len(head) <= _SMALL and not formats.is_compressed(media_type, head):
        with suppress(errors.TooManyValues), _READING_HERE:
            return ingest(head, limits=_HERE, most_memory=limits.table_memory, **options)
    options["limits"] = formats.Limits(plain_bytes=limits.body_bytes)._asdict()
    options["most_memory"] = limits.table_memory
    with _turn():
        return _read_in_child(options, head, ahead, limits)


def _take(parts: Iterator[bytes], least: int) -> bytes:
    head = bytearray()
    for part in parts:
        head += part
        if len(head) >= least:
            break
    return bytes(head)


@contextmanager
def _turn() -> Iterator[None]:
    """Hold the one reader. Raises Busy where too many wait for it, or for too long."""
    if not _WAITING.acquire(blocking=False):
        raise errors.Busy("Too many datasets are being loaded at the moment: try again in a minute.")
    try:
        if not _READING.acquire(timeout=_WAIT_SECONDS):
            raise errors.Busy("Other datasets are being loaded at the moment: try again in a minute.")
        try:
            yield
        finally:
            _READING.release()
    finally:
        _WAITING.release()


def _read_in_child(options: dict[str, Any], head: bytes, rest: Iterator[bytes], limits: LoadLimits) -> Packed:
    rows = TemporaryFile(dir=limits.folder)  # noqa: SIM115 - the caller closes it
    try:
        with TemporaryFile(dir=limits.folder) as body, _started(body, rows) as child:
            try:
                # It starts while the body arrives, and reads when it has all of it.
                body.write(head)
                body.writelines(rest)
                body.flush()
                with suppress(BrokenPipeError), child.stdin as orders:  # type: ignore[union-attr]
                    orders.write(json.dumps(options).encode() + b"\n")
                _await(child, limits)
            finally:
                child.kill()
        return _result(child.returncode, rows)
    except BaseException as error:
        rows.close()
        if isinstance(error, OSError) and error.errno in _NO_DISK:
            raise _no_room() from error
        raise


def _started(body: IO[bytes], rows: IO[bytes]) -> subprocess.Popen[bytes]:
    threads = str(min(_THREADS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _THREADS))
    # The allocator of polars keeps freed memory for ten seconds, which would count as if it were used.
    environ = {"POLARS_MAX_THREADS": threads, "_RJEM_MALLOC_CONF": "dirty_decay_ms:100,muzzy_decay_ms:100"}
    return subprocess.Popen(
        [sys.executable, "-m", "dataset.ingest_main", str(body.fileno())],
        cwd=_ROOT,
        env=environ | os.environ,
        stdin=subprocess.PIPE,
        stdout=rows,
        pass_fds=(body.fileno(),),
        start_new_session=True,
    )


def _await(child: subprocess.Popen[bytes], limits: LoadLimits) -> None:
    """Wait for the child's end, and look how much memory it uses meanwhile. Raises TooLarge."""
    status = Path(f"/proc/{child.pid}/status")
    last = time.monotonic() + limits.seconds
    while True:
        try:
            child.wait(_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        else:
            return
        if limits.reader_memory is not None and _used(status) > limits.reader_memory:
            raise errors.TooLarge(_TOO_MUCH)
        if time.monotonic() > last:
            raise errors.TooLarge(f"Reading the body takes more than {limits.seconds:g} s: send fewer rows or columns.")


def _used(status: Path) -> int:
    """The bytes that a process uses itself: mapped files and reserved addresses do not count."""
    try:
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    except OSError:  # no Linux, or it has just ended
        return 0
    return sum(int(fields.get(name, "0").split()[0]) for name in ("RssAnon", "RssShmem")) * 1024


def _no_room() -> errors.Busy:
    return errors.Busy("The server has no room on its disk for a body of this size at the moment: try again.")


def _result(status: int, rows: IO[bytes]) -> Packed:
    if status == os.EX_TEMPFAIL:
        raise _no_room()
    if status < 0:
        raise errors.TooLarge(_TOO_MUCH)
    if status > 0:
        raise RuntimeError(f"reading a body ended with exit status {status}; the log has its last words")
    rows.seek(0)
    told: dict[str, Any] = json.loads(rows.readline())
    for refusal in _REFUSALS:
        if refusal.__name__ == told.get("refusal"):
            raise refusal(*told["words"])
    return Packed(Description.from_json(told["description"]), told["memory"], rows)
