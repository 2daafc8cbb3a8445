"""Ingestion: parse a body, choose identifier and index, and describe the result."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import polars as pl

from dataset import formats, sizes
from dataset.description import Column, Description
from dataset.errors import InvalidDataset, quoted
from dataset.load_options import LoadOptions
from dataset.notes import Note
from dataset.serialization import to_json_values, to_texts
from dataset.spill import Spill
from dataset.table import Table
from dataset.types.column_types import infer_types
from dataset.types.type_inference import column_type

__all__ = ["ingest"]

_PARSER_REVISION: Final = 4  # part of the version hash: increment it when the same body would give other rows
_DEFAULT_LIMITS: Final = formats.Limits()
_NO_OPTIONS: Final = LoadOptions()
_NO_RECORDS: Final = (
    "The body has no records, and would replace the dataset by an empty one: send at least one record, or add "
    "?empty=yes. (`curl -d @FILE` strips the ends of lines: send a file with --data-binary @FILE.)"
)
_ID_ENDINGS: Final = ("_id", "Id", "ID")
_RETRIEVED: Final = re.compile(r"realtime|data[ _-]?as[ _-]?of|created", re.IGNORECASE)  # when a record was written
_UPDATED: Final = re.compile("updated", re.IGNORECASE)


def ingest(
    body: formats.Body,
    media_type: str | None,
    *,
    options: LoadOptions = _NO_OPTIONS,
    limits: formats.Limits = _DEFAULT_LIMITS,
    max_memory: int | None = None,
    spill: Spill | None = None,
) -> Table:
    """Parse a body into a table.

    `limits` bounds the decompressed size, `max_memory` the table's size in memory. Columns that may be larger than
    memory are moved to `spill` one by one.
    Raises Malformed, UnsupportedMediaType, InvalidDataset or TooLarge.
    """
    chosen, source = formats.open_body(body, media_type, options, limits, spill)
    with ThreadPoolExecutor(1) as thread:  # hashing releases the GIL
        version = thread.submit(_version, source.body, (chosen.MEDIA_TYPES[0], source.charset, options.as_json()))
        frame, notes, final = chosen.read(source)
    notes = (*notes, *infer_types(frame, options, final, spill))
    if not frame.height and not options.empty and options.header != "only":
        raise InvalidDataset(_NO_RECORDS)
    sizes.check_size(frame, limits.unpacked_bytes, max_memory)
    row_number = _row_number_name(frame.columns)
    identifier, id_notes = _choose_id(frame, options.id)
    identifier = identifier or row_number
    index = _choose_index(frame, options.index, identifier) or row_number
    first, last = _index_bounds(frame, index)
    description = Description(
        version=version.result(),
        count=frame.height,
        id=identifier,
        index=index,
        columns=tuple(Column(column.name, column_type(column), column.null_count()) for column in frame),
        first=first,
        last=last,
        bytes=len(source.body),
        loaded=_now(),
        notes=(*notes, *id_notes),
    )
    return Table(description, frame)


def _row_number_name(columns: Sequence[str]) -> str:
    name = "row"
    while name in columns:
        name += "_"
    return name


def _choose_id(frame: pl.DataFrame, requested: str | None) -> tuple[str | None, list[Note]]:
    """Return the column of the identifiers, None for the row number, and a note if `id` cannot be it."""
    if requested == "":
        return None, []
    if requested is not None:
        if requested not in frame.columns:
            raise InvalidDataset(_unknown_column(frame, requested, "id"), "id")
        if problem := _find_id_problem(frame[requested]):
            remedy = "Make the identifiers unique and complete, or name another column with ?id=COLUMN."
            raise InvalidDataset(f"The identifier {quoted(requested)} {problem}. {remedy}", "id")
        return requested, []
    problem = _find_id_problem(frame["id"]) if "id" in frame.columns else None
    if "id" in frame.columns and not problem:
        return "id", []
    named = (column for column in frame if column.name.endswith(_ID_ENDINGS))
    chosen = next((column.name for column in named if _find_id_problem(column) is None), None)
    if not problem:
        return chosen, []
    instead = f"the column {quoted(chosen)} does" if chosen else "the row number does"
    detail = f"The column {problem}, so it does not identify the records; {instead}. Choose another with ?id=COLUMN."
    return chosen, [Note(detail, "id", rows=frame.height - frame["id"].drop_nulls().n_unique())]


def _find_id_problem(column: pl.Series) -> str | None:
    """Return why the column cannot hold the identifiers, or None."""
    if column.null_count():
        return f"has no value in row {column.is_null().arg_true()[0] + 1}"
    if column.is_sorted() and _is_rising(column):
        return None
    repeated = ~column.is_first_distinct()
    if not repeated.any():
        return None
    return f"holds {quoted(to_texts(column.filter(repeated).head(1)).item())} more than once"


def _is_rising(column: pl.Series) -> bool:
    """Return whether a sorted column has no value twice, without a table of all values."""
    physical = column.to_physical()
    return bool((physical.slice(1) != physical.slice(0, max(0, len(physical) - 1))).all())


def _choose_index(frame: pl.DataFrame, requested: str | None, identifier: str) -> str | None:
    types = {column.name: column_type(column) for column in frame}
    if requested is not None:
        if requested not in types:
            raise InvalidDataset(_unknown_column(frame, requested, "index"), "index")
        if types[requested] == "boolean":
            raise InvalidDataset(
                f"The column {quoted(requested)} is boolean and has no range: name another index.", "index"
            )
        return requested
    temporal = [column for column in frame if types[column.name] in ("date", "time")]
    ranked = sorted(temporal, key=lambda column: _UPDATED.match(column.name) is not None)
    varied = (column.name for column in ranked if not _RETRIEVED.match(column.name) and column.min() != column.max())
    default = next(varied, identifier)
    return default if types.get(default) != "boolean" else None


def _unknown_column(frame: pl.DataFrame, requested: str, parameter: str) -> str:
    known = ", ".join(map(quoted, frame.columns[:20])) or "none"
    return f"There is no column {quoted(requested)} for ?{parameter}=. The columns are: {known}."


def _index_bounds(frame: pl.DataFrame, index: str) -> tuple[object, object]:
    if index not in frame.columns:
        return (1, frame.height) if frame.height else (None, None)
    ends = frame.select(first=pl.col(index).min(), last=pl.col(index).max())
    return to_json_values(ends["first"]).item(), to_json_values(ends["last"]).item()


def _version(body: formats.Body, options: tuple[object, ...]) -> str:
    options_prefix = repr((_PARSER_REVISION, *options)).encode("utf-8", "backslashreplace")
    digest = hashlib.sha256(options_prefix + b"\n")
    digest.update(body)
    return digest.hexdigest()[:32]


def _now() -> dt.datetime:
    now = dt.datetime.now(dt.UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
