"""The tables of changed versions, which share rows and indexes with those before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from dataset.changes import Append, Change, Replace, Row, encode_change
from dataset.description import Description
from dataset.id_index import IdIndex
from dataset.revision import change_ends, revise, to_json_ends, version_of_change
from dataset.sizes import row_bytes
from dataset.table import Location, Table

__all__ = ["apply_change", "replay_changes"]


def apply_change(table: Table, change: Change) -> tuple[Table, bytes]:
    """Return the table of the new version that a change makes, and the change as it is stored."""
    stored = encode_change(change)
    removed = [] if isinstance(change, Append) else [table.rows.row(change.position)]
    added = [*change.rows] if isinstance(change, Append) else [change.row] if isinstance(change, Replace) else []
    grown = sum(map(row_bytes, added)) - sum(map(row_bytes, removed))
    version = version_of_change(table.description.version, stored)
    base, changes, log, size = table.location
    changed = replay_changes(
        table,
        [change],
        revise(table.description, version, removed, added, grown),
        Location(base, changes + 1, log or version, size + len(stored)),
        table.memory + grown,
    )
    before = table.ends
    changed.set_ends(change_ends(before, _index_values(table, removed, change), _index_values(table, added, change)))
    if changed.ends != before:
        first, last = to_json_ends(changed.ends, table.rows.schema.get(table.description.index, pl.Int64()))
        changed.description = replace(changed.description, first=first, last=last)
    return changed, stored


def replay_changes(
    table: Table, changes: Sequence[Change], description: Description, location: Location, memory: int
) -> Table:
    """Return the table after these changes, whose version has this description."""
    next_row = table.next_row
    if table.has_numbers:
        next_row += sum(len(change.rows) for change in changes if isinstance(change, Append))
    rows = table.rows.changed(*changes)
    names = table.rows.schema.names()
    ids = table.ids.changed(changes, None if table.has_numbers else names.index(table.description.id))
    if ids.is_worn:
        column = ids.numbers() if table.has_numbers else rows.frame[table.description.id]
        ids = IdIndex.of_column(column, table.can_index_ids())
    changed = Table(description, rows, memory, table.max_memory, ids, next_row)
    changed.location = location
    return changed


def _index_values(table: Table, rows: Sequence[Row], change: Change) -> Sequence[Any]:
    """Return the index values of rows that a change removes or adds."""
    if table.description.index in table.rows.schema:
        place = table.rows.schema.names().index(table.description.index)
        return [row[place] for row in rows]
    if not rows:
        return []
    if isinstance(change, Append):
        return range(table.next_row, table.next_row + len(rows))
    return [table.ids.number_at(change.position)]
