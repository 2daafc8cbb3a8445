"""Entry point of the ingest subprocess: `python -m dataset.ingest_main FD`, started by `subprocess_ingest`.

FD is the file descriptor of the body. Standard input: once the body is complete, a line of JSON with the arguments of
`ingest`, the path of a file for the rows with the bytes that it may have, and
whether the chunks are Parquet; end of file without a line means that the
upload was aborted. Standard output: a line of JSON with the description or the error; then the chunks. Exit status
EX_TEMPFAIL: the result could not be written.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import polars as pl

from dataset import arrow_chunks, sizes
from dataset.errors import DatasetError, InvalidDataset, TooLarge, TooManyValues
from dataset.formats import Body, Limits
from dataset.ingest import ingest
from dataset.load_options import LoadOptions
from dataset.shared_files import MIN_BYTES
from dataset.spill import Spill
from dataset.table import Table

_OOM_SCORE_ADJ: Final = Path("/proc/self/oom_score_adj")


def _main() -> None:
    with suppress(OSError):  # not Linux, or forbidden by a sandbox
        _OOM_SCORE_ADJ.write_text("1000")
    line = sys.stdin.buffer.readline()
    if not line:
        return
    out = sys.stdout.buffer
    arguments = json.loads(line)
    arrow, parquet = arguments.pop("arrow"), arguments.pop("parquet")
    try:
        table = _ingest(_map_body(int(sys.argv[1])), arguments, Spill() if parquet else None)
    except DatasetError as error:
        name = "InvalidDataset" if isinstance(error, TooManyValues) else type(error).__name__
        args = [error.detail, error.parameter] if isinstance(error, InvalidDataset) else [error.detail]
        out.write(json.dumps({"error": name, "args": args}).encode())
    else:
        memory = sizes.memory_size(table.frame)
        out.write(json.dumps({"description": table.description.as_json(), "memory": memory}).encode() + b"\n")
        with ThreadPoolExecutor(1) as thread:
            if arrow and MIN_BYTES <= memory <= arrow["room"]:
                thread.submit(_write_arrow, table, arrow["path"], a_slice_at_a_time=parquet)
            arrow_chunks.write_chunks(table.frame, table.description.bytes, out, parquet=parquet)
        out.flush()


def _write_arrow(table: Table, path: str, *, a_slice_at_a_time: bool) -> None:
    """Write the rows, which are not used unless they are complete."""
    with suppress(OSError, pl.exceptions.PolarsError):
        if a_slice_at_a_time:
            table.frame.lazy().sink_ipc(path, compression="uncompressed")
        else:
            table.frame.write_ipc(path, compression="uncompressed")


def _map_body(body: int) -> Body:
    """Memory-map the body: its pages are reclaimable page cache and do not count as this process' memory."""
    return mmap.mmap(body, 0, prot=mmap.PROT_READ) if os.fstat(body).st_size else b""


def _ingest(body: Body, arguments: dict[str, Any], spill: Spill | None) -> Table:
    limits = Limits(**arguments.pop("limits"))
    options = LoadOptions.from_json(arguments.pop("options"))
    try:
        return ingest(body, options=options, limits=limits, spill=spill, **arguments)
    except MemoryError as error:
        raise TooLarge("The body takes more memory than there is: send fewer rows or columns.") from error


if __name__ == "__main__":
    try:
        _main()
        sys.stdout.flush()
        os._exit(0)  # freeing the table would take a while
    except OSError as error:
        print(f"the result cannot be written: {error}", file=sys.stderr)
        os._exit(os.EX_TEMPFAIL)
