"""The process in which a body is read: `python -m dataset.reader`, started by `apart`.

Standard input: a line of JSON, the arguments of `ingest`, then the body. Standard output: a line of JSON, the
description or the refusal, then the rows (Arrow IPC).
"""

from __future__ import annotations

import json
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from .errors import DatasetError, InvalidDataset, TooLarge
from .ingest import ingest
from .table import Table

_STATM: Final = Path("/proc/self/statm")
_GENEROUS: Final = 24  # times the largest body: more than any honest one takes
_PROGRAM: Final = 2**30  # bytes that the program itself takes


def _limit_memory(most_bytes: int) -> None:
    """Die rather than take all there is, and die first where others have taken it."""
    if not _STATM.exists():  # no Linux
        return
    taken = int(_STATM.read_text().split()[0]) * resource.getpagesize()
    most = taken + _PROGRAM + _GENEROUS * most_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    with suppress(PermissionError):  # where a sandbox forbids it
        Path("/proc/self/oom_score_adj").write_text("1000")


def _main() -> None:
    arguments: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    _limit_memory(arguments["most_bytes"])
    out = sys.stdout.buffer
    try:
        table = _ingest(arguments)
    except DatasetError as error:
        words = [error.detail, error.parameter] if isinstance(error, InvalidDataset) else [error.detail]
        out.write(json.dumps({"refusal": type(error).__name__, "words": words}).encode())
    else:
        out.write(json.dumps(table.description.as_json()).encode() + b"\n")
        table.frame.write_ipc(out)


def _ingest(arguments: dict[str, Any]) -> Table:
    try:
        return ingest(sys.stdin.buffer.read(), **arguments)
    except MemoryError as error:
        raise TooLarge("The body takes more memory than there is: send fewer rows or columns.") from error


if __name__ == "__main__":
    _main()
