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
from dataset.types.type_inference import TIME

__all__ = ["EXPORTS", "Export", "no_records"]

_PART_BYTES: Final = 2**17
_MIB: Final = 2**20
_GROUP_VALUES: Final = 2**20
_GROUP_BYTES: Final = 64 * _MIB
_GROUP_ROWS: Final = 2000
"""The least rows of a group: groups of few rows have more metadata than values."""

Blocks = Iterator[pl.DataFrame]


class Export(NamedTuple):
    """A format: the ending of its files, and a function that returns the parts of a file.

    Its arguments are blocks of records, a frame of their columns, and the mean size of a record in bytes.

    It takes `memory(columns)` bytes at most, whatever the number of records: until the first part is there, if it
    `is_spooled`, else until the last.
    """

    ending: str
    encode: Callable[[Blocks, pl.DataFrame, int], Iterator[bytes]]
    memory: Callable[[int], int]
    is_spooled: bool = False


def no_records() -> tuple[Blocks, pl.DataFrame]:
    """Return the blocks and the columns of a file without either."""
    return iter(()), pl.DataFrame()


def _encode_csv(blocks: Blocks, schema: pl.DataFrame, record_bytes: int) -> Iterator[bytes]:
    for number, block in enumerate(chain([schema], blocks)):
        texts = [to_texts(column) if column.dtype in (pl.Float64, pl.Date, TIME) else column for column in block]
        if block.width == 1:  # a line without any character is not a record
            texts = [column.cast(pl.String).fill_null("") for column in texts]
        if block.width:
            yield pl.DataFrame(texts).write_csv(include_header=number == 0).encode()


def _encode_ndjson(blocks: Blocks, schema: pl.DataFrame, record_bytes: int) -> Iterator[bytes]:
    for block in blocks:
        part = io.BytesIO()
        block.with_columns(to_json_values(column) for column in block.select(pl.col(pl.Date, TIME))).write_ndjson(part)
        yield part.getvalue()


def _encode_parquet(blocks: Blocks, schema: pl.DataFrame, record_bytes: int) -> Iterator[bytes]:
    """Write a temporary file, since the sizes of its parts are known at its end only."""

    def read(columns: object, predicate: object, n_rows: object, batch_size: object) -> Iterator[pl.DataFrame]:
        yield from blocks

    rows = min(max(_GROUP_ROWS, _GROUP_VALUES // schema.width), 1 + _GROUP_BYTES // (1 + record_bytes))
    with TemporaryFile() as file:
        frame = register_io_source(read, schema=schema.schema, is_pure=True)
        try:
            frame.sink_parquet(file, row_group_size=rows)
        except pl.exceptions.ComputeError as error:
            if "os error" in str(error):
                raise Busy("The server has no room for a temporary file at the moment: try again.") from error
            raise
        file.seek(0)
        while part := file.read(_PART_BYTES):
            yield part


EXPORTS: Final = {
    "text/csv": Export("csv", _encode_csv, lambda columns: 32 * _MIB),
    "application/x-ndjson": Export("ndjson", _encode_ndjson, lambda columns: 32 * _MIB),
    "application/vnd.apache.parquet": Export(
        "parquet", _encode_parquet, lambda columns: min(400, 64 + columns // 16) * _MIB, is_spooled=True
    ),
}
"""The formats by media type."""
