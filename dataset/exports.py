"""Records as CSV, NDJSON and Parquet, encoded a block at a time."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from itertools import chain
from tempfile import TemporaryFile
from typing import Final, NamedTuple

import polars as pl
from polars.io.plugins import register_io_source

from dataset.errors import Busy
from dataset.serialization import to_json_values, to_texts
from dataset.type_inference import TIME

__all__ = ["EXPORTS", "EXPORT_BYTES", "Export", "no_records"]

EXPORT_BYTES: Final = 16 * 2**20
"""The memory that an export takes, whatever its size: some copies of a block, or of a record of the largest size."""

_PART_BYTES: Final = 2**17
_ROWS_PER_GROUP: Final = 2**17

Blocks = Iterator[pl.DataFrame]


class Export(NamedTuple):
    """A format: the ending of its files, and a function from blocks and a frame of their columns to parts of a file."""

    ending: str
    encode: Callable[[Blocks, pl.DataFrame], Iterator[bytes]]


def no_records() -> tuple[Blocks, pl.DataFrame]:
    """Return the blocks and the columns of a file without either."""
    return iter(()), pl.DataFrame()


def _encode_csv(blocks: Blocks, schema: pl.DataFrame) -> Iterator[bytes]:
    for number, block in enumerate(chain([schema], blocks)):
        texts = [to_texts(column) if column.dtype in (pl.Float64, pl.Date, TIME) else column for column in block]
        if block.width == 1:  # a line without any character is not a record
            texts = [column.cast(pl.String).fill_null("") for column in texts]
        if block.width:
            yield pl.DataFrame(texts).write_csv(include_header=number == 0).encode()


def _encode_ndjson(blocks: Blocks, schema: pl.DataFrame) -> Iterator[bytes]:
    for block in blocks:
        part = io.BytesIO()
        block.with_columns(to_json_values(column) for column in block.select(pl.col(pl.Date, TIME))).write_ndjson(part)
        yield part.getvalue()


def _encode_parquet(blocks: Blocks, schema: pl.DataFrame) -> Iterator[bytes]:
    """Write a temporary file, since the sizes of its parts are known at its end only."""

    def read(columns: object, predicate: object, n_rows: object, batch_size: object) -> Iterator[pl.DataFrame]:
        yield from blocks

    with TemporaryFile() as file:
        frame = register_io_source(read, schema=schema.schema, is_pure=True)
        try:
            frame.sink_parquet(file, row_group_size=_ROWS_PER_GROUP)
        except pl.exceptions.ComputeError as error:
            if "os error" in str(error):
                raise Busy("The server has no room for a temporary file at the moment: try again.") from error
            raise
        file.seek(0)
        while part := file.read(_PART_BYTES):
            yield part


EXPORTS: Final = {
    "text/csv": Export("csv", _encode_csv),
    "application/x-ndjson": Export("ndjson", _encode_ndjson),
    "application/vnd.apache.parquet": Export("parquet", _encode_parquet),
}
"""The formats by media type."""
