"""Changes of single records: from a request's body to a change of the dataset, or to what is wrong with it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dataset import Append, InvalidRecords, Path, RecordReader, Replace, Table, TooLarge, check_size, to_frame

__all__ = ["append", "replace"]

_ID: Final = "The identifier"
_MAX_VALUES: Final = 2_000_000
_MAX_ERRORS: Final = 100


def append(table: Table, records: Sequence[Any], paths: Sequence[Path], max_bytes: int) -> Append:
    """Return the change that appends records; `paths` lead to them in the body.

    Raises InvalidRecords, InvalidDataset for a record that is too large, and TooLarge for a dataset that is.
    """
    if table.description.bytes > max_bytes:
        raise TooLarge(f"The dataset has more than {max_bytes:,} bytes, and may grow no further.")
    schema = table.rows.schema
    if not schema:
        raise InvalidRecords([((), "The dataset has no columns: load one that has by POST /data.")])
    if len(records) * len(schema) > _MAX_VALUES:
        raise InvalidRecords(
            [((), f"The records have more than {_MAX_VALUES:,} values: send fewer, or use POST /data.")]
        )
    reader = RecordReader(schema)
    id_name = None if table.has_numbers else table.description.id
    rows, ids = [], dict[Any, Path]()
    for record, path in zip(records, paths, strict=True):
        faults = len(reader.errors)
        values = reader.read(record, path)
        if id_name is not None and len(reader.errors) == faults:
            value, where = values.get(id_name), (*path, id_name)
            if value is None:
                reader.errors.append((where, f"{_ID} is missing."))
            elif ids.setdefault(value, where) != where:
                reader.errors.append((where, f"{_ID} is that of another record in this request."))
        if reader.is_full:
            break
        rows.append(tuple(map(values.get, schema)))
    for value in table.ids.find_all(list(ids))[:_MAX_ERRORS]:
        reader.errors.append((ids[value], f"{_ID} is that of a record in the dataset: change it by PATCH or PUT."))
    _raise(reader)
    check_size(to_frame(schema, rows), sys.maxsize, None)
    return Append(rows, table.next_row if id_name is None else 0)


def replace(table: Table, position: int, members: Any, *, merge: bool) -> Replace | None:
    """Return the change of a record to these members, None if it has them already.

    With `merge`, members that are absent keep their values (RFC 7396), else they become missing. Raises InvalidRecords,
    and InvalidDataset for a record that is too large.
    """
    before = table.rows.row(position)
    old = dict(zip(table.rows.schema, before, strict=True))
    reader = RecordReader(table.rows.schema)
    new = reader.read(members, ())
    id_name = table.description.id
    if not reader.errors and not table.has_numbers and new.setdefault(id_name, old[id_name]) != old[id_name]:
        reader.errors.append(((id_name,), f"{_ID} cannot be changed: remove the record, and append another."))
    _raise(reader)
    values: Mapping[str, Any] = old | new if merge else new
    row = tuple(map(values.get, table.rows.schema))
    if row == before:
        return None
    check_size(to_frame(table.rows.schema, [row]), sys.maxsize, None)
    return Replace(position, row)


def _raise(reader: RecordReader) -> None:
    if reader.errors:
        raise InvalidRecords(reader.errors[:_MAX_ERRORS])
