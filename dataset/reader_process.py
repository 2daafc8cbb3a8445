"""The subprocess that parses a body, and the files that it reads and writes."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock, Timer
from typing import Final

__all__ = ["Reader", "start_reader_ahead", "take_reader"]

_ROOT: Final = Path(__file__).parent.parent
_MAX_THREADS: Final = 4
_AHEAD_SECONDS: Final = 60


class Reader:
    """A subprocess that waits for the arguments on its standard input; the body is in a file, its result in another."""

    def __init__(self, folder: str | None) -> None:
        """Start a subprocess with temporary files in a folder."""
        self.folder = folder
        self.body = TemporaryFile(dir=folder)  # noqa: SIM115 - closed with the subprocess
        self.rows = TemporaryFile(dir=folder)  # noqa: SIM115 - closed with the result
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _MAX_THREADS
        environ = {
            "POLARS_MAX_THREADS": str(min(_MAX_THREADS, cores)),
            # By default, jemalloc in polars retains freed memory for ten seconds, which would count towards the limit.
            "_RJEM_MALLOC_CONF": "dirty_decay_ms:100,muzzy_decay_ms:100",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dataset.ingest_main", str(self.body.fileno())],
            cwd=_ROOT,
            env=environ | os.environ | ({"TMPDIR": folder} if folder else {}),
            stdin=subprocess.PIPE,
            stdout=self.rows,
            pass_fds=(self.body.fileno(),),
            start_new_session=True,
        )

    def close(self) -> None:
        """End the subprocess and delete its files."""
        self.process.kill()
        with self.process, self.body, self.rows:
            pass


_lock: Final = Lock()
_starter: Final = ThreadPoolExecutor(1, "start-reader")
_ahead: list[Future[Reader]] = []


def start_reader_ahead(folder: str | None) -> None:
    """Start a subprocess for a body that begins to arrive, unless one waits; it ends after a minute without a body."""
    with _lock:
        if not _ahead:
            started = _starter.submit(Reader, folder)
            _ahead.append(started)
            timer = Timer(_AHEAD_SECONDS, _discard, (started,))
            timer.daemon = True
            timer.start()


def take_reader(folder: str | None) -> Reader:
    """Return a subprocess that waits. Raises OSError."""
    with _lock:
        started = _ahead.pop() if _ahead else None
    if started is not None:
        with suppress(OSError):  # raised again below, unless it has passed
            reader = started.result()
            if reader.folder == folder and reader.process.poll() is None:
                return reader
            reader.close()
    return Reader(folder)


def _discard(started: Future[Reader]) -> None:
    with _lock:
        if started not in _ahead:
            return
        _ahead.remove(started)
    with suppress(OSError):
        started.result().close()
