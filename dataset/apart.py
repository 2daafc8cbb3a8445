"""Reading a body in a process of its own, so that whatever it holds hurts nobody else.

Reading takes several times the memory of the body, and seconds in which other threads stand still. A process gives all
of it back at its end; one that runs out of memory, or crashes, takes only the body with it. Small texts are read at
once: a process takes longer to start than these to read.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, Final

import polars as pl

from . import errors, formats
from .description import Description
from .ingest import MOST_BYTES, ingest
from .table import Table

__all__ = ["ingest_apart"]

_SMALL: Final = 2**20
_ROOT: Final = Path(__file__).parent.parent
_AT_ONCE: Final = BoundedSemaphore(2)
_REFUSALS: Final = (errors.InvalidDataset, errors.Malformed, errors.TooLarge, errors.UnsupportedMediaType)


def ingest_apart(
    body: bytes,
    media_type: str | None,
    *,
    id_column: str | None = None,
    index_column: str | None = None,
    most_bytes: int = MOST_BYTES,
) -> Table:
    """Read a body as `ingest` does, in a process of its own unless it is small. Raises the same, and TooLarge if it
    takes more memory than there is.
    """
    options = {"id_column": id_column, "index_column": index_column, "most_bytes": most_bytes}
    if len(body) <= _SMALL and not formats.is_packed(media_type, body):
        return ingest(body, media_type, id_column=id_column, index_column=index_column, most_bytes=most_bytes)
    with _AT_ONCE:
        return _answered(_run(json.dumps({"media_type": media_type, **options}).encode(), body))


def _run(head: bytes, body: bytes) -> bytes:
    words = [sys.executable, "-m", "dataset.reader"]
    with subprocess.Popen(words, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with process.stdin as pipe:
                for part in (head + b"\n", body):
                    view = memoryview(part)
                    while view:
                        view = view[pipe.write(view) :]
        except BrokenPipeError:
            pass  # it is dead, which its exit status tells
        answer = process.stdout.read()
    return answer if process.returncode == 0 else b""


def _answered(answer: bytes) -> Table:
    head, _, frame = answer.partition(b"\n")
    if not head:
        raise errors.TooLarge("Reading the body takes more memory than there is: send fewer rows or columns.")
    told: dict[str, Any] = json.loads(head)
    for refusal in _REFUSALS:
        if refusal.__name__ == told.get("refusal"):
            raise refusal(*told["words"])
    return Table(Description.from_json(told), pl.read_ipc(io.BytesIO(frame)))
