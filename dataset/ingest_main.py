"""The process in which a body is read: `python -m dataset.ingest_main BODY`, started by `apart`.

BODY is the descriptor of a file with the body. Standard input: a line of JSON, the arguments of `ingest`, once the body
is complete; its end without a line means that the body broke off. Standard output: a line of JSON with the description,
or with the refusal; then the chunks.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from dataset import arrow_chunks, sizes
from dataset.errors import DatasetError, InvalidDataset, TooLarge, TooManyValues
from dataset.formats import Body, Limits
from dataset.ingest import ingest
from dataset.table import Table

_OOM_SCORE_ADJ: Final = Path("/proc/self/oom_score_adj")


def _main() -> None:
    with suppress(OSError):  # no Linux, or a sandbox that forbids it
        _OOM_SCORE_ADJ.write_text("1000")
    line = sys.stdin.buffer.readline()
    if not line:
        return
    out = sys.stdout.buffer
    try:
        table = _ingest(_map_body(int(sys.argv[1])), json.loads(line))
    except DatasetError as error:
        name = "InvalidDataset" if isinstance(error, TooManyValues) else type(error).__name__
        words = [error.detail, error.parameter] if isinstance(error, InvalidDataset) else [error.detail]
        out.write(json.dumps({"refusal": name, "words": words}).encode())
    else:
        told = {"description": table.description.as_json(), "memory": sizes.memory_size(table.frame)}
        out.write(json.dumps(told).encode() + b"\n")
        arrow_chunks.write_chunks(table.frame, table.description.bytes, out)
        out.flush()


def _map_body(body: int) -> Body:
    """Map the body: its pages are the file's, which the system can take back, and not this process'."""
    return mmap.mmap(body, 0, prot=mmap.PROT_READ) if os.fstat(body).st_size else b""


def _ingest(body: Body, arguments: dict[str, Any]) -> Table:
    limits = Limits(**arguments.pop("limits"))
    try:
        return ingest(body, limits=limits, **arguments)
    except MemoryError as error:
        raise TooLarge("The body takes more memory than there is: send fewer rows or columns.") from error


if __name__ == "__main__":
    try:
        _main()
    except OSError as no_disk:
        print(f"the rows cannot be written: {no_disk}", file=sys.stderr)
        os._exit(os.EX_TEMPFAIL)
