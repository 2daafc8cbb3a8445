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
from contextlib import suppress
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
_HEAD: Final = 16
_ROOT: Final = Path(__file__).parent.parent
_AT_ONCE: Final = BoundedSemaphore(2)
_REFUSALS: Final = (errors.InvalidDataset, errors.Malformed, errors.TooLarge, errors.UnsupportedMediaType)


def ingest_apart(
    file: io.BytesIO,
    media_type: str | None,
    *,
    id_column: str | None = None,
    index_column: str | None = None,
    most_bytes: int = MOST_BYTES,
) -> Table:
    """Read a body as `ingest` does, in a process of its own unless it is small, and close it.

    Raises the same, and TooLarge if it takes more memory than there is.
    """
    options = {"id_column": id_column, "index_column": index_column, "most_bytes": most_bytes}
    file.seek(0)
    with file:
        if file.getbuffer().nbytes <= _SMALL and not formats.is_packed(media_type, file.read(_HEAD)):
            body = file.getvalue()
            return ingest(body, media_type, id_column=id_column, index_column=index_column, most_bytes=most_bytes)
        with _AT_ONCE:
            return _read_in_child(json.dumps({"media_type": media_type, **options}).encode(), file)


def _read_in_child(head: bytes, file: io.BytesIO) -> Table:
    words = [sys.executable, "-m", "dataset.reader"]
    with subprocess.Popen(
        words, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        with suppress(BrokenPipeError), child.stdin as pipe:  # a child that is dead tells why by its exit status
            pipe.write(head + b"\n")
            pipe.write(file.getbuffer())
        file.close()  # the child has it now, and nobody needs it twice
        told, rows = child.stdout.readline(), child.stdout.read()
    if child.returncode < 0:
        raise errors.TooLarge("Reading the body takes more memory than there is: send fewer rows or columns.")
    if child.returncode > 0:
        raise RuntimeError(f"reading a body ended with exit status {child.returncode}; the log has its last words")
    members: dict[str, Any] = json.loads(told)
    for refusal in _REFUSALS:
        if refusal.__name__ == members.get("refusal"):
            raise refusal(*members["words"])
    return Table(Description.from_json(members), pl.read_ipc(io.BytesIO(rows)))
