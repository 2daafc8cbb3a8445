"""The shapes in which JSON holds a table, each converted to named columns.

- a list of objects, or of GeoJSON features
- a list of lists under a header row, or with the columns' names in a list beside it (pandas' `split`, Socrata)
- an object of lists of equal length: the columns
- an object of objects: records by their identifiers, or columns by row (pandas' `index` and `columns`)
- an object of values by date
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from functools import partial
from itertools import chain, compress
from typing import Any, Final, NamedTuple

from dataset.errors import InvalidDataset
from dataset.formats import geojson
from dataset.formats.columns import Grid, grid_of_objects
from dataset.formats.header_row import NO_HEADER_NOTE, has_header
from dataset.formats.json_names import NameLists, Names
from dataset.load_options import LoadOptions
from dataset.notes import Note

__all__ = ["Pool", "Table", "is_grouped", "list_table", "object_table"]

_MIN_MIXED_ROWS: Final = 10  # of lists beside other members, which might be one record
_MIN_KEYED: Final = 10
_MIN_RATIO: Final = 3  # of rows to columns, or columns to rows, where nothing else tells them apart
_DATE: Final = re.compile(r"(?:1[5-9]|2[01])\d\d(-?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])")
_LABEL: Final = re.compile(r"[+-]?\d[\d.:/TZ +-]*")
_ROW_NAME: Final = re.compile(r"(?:r|row|record|rec|item|obs|entry|index|idx|id|no|nr)[ _.#-]?\d+", re.IGNORECASE)
_RECORDS_NOTE: Final = Note("The objects were read as records, by their names; ?header=yes makes them columns.")
_COLUMNS_NOTE: Final = Note("The objects were read as columns, by the names in them; ?header=no makes them records.")
_SCALARS: Final = {str, int, float, bool, type(None)}


class Pool(IntEnum):
    """How clearly a value is a table; the clearest are considered first."""

    RECORDS = 0
    COLUMNS = 1
    KEYED = 2


class Table(NamedTuple):
    """A JSON value that can be read as a table: its number of rows, a function that reads it, names given beside it.

    It is not certain where it might as well be a part of one record.
    """

    pool: Pool
    rows: int
    read: Callable[[], tuple[Grid, list[Note]]]
    names: Names | None = None
    certain: bool = True


def list_table(values: list[Any], names: Names | None, options: LoadOptions) -> Table | None:
    """Return a list of objects, or of lists, as a table; None for any other list."""
    kinds = set(map(type, values))
    if kinds <= {dict}:
        return Table(Pool.RECORDS, len(values), lambda: (_objects_grid(values), []))
    if kinds != {list}:
        return None
    if names is not None:
        return Table(Pool.RECORDS, len(values), lambda: _named_grid(values, names), names)
    headed = options.header in ("yes", "only") or (options.header is None and has_header(values[0], values[1:51]))
    if not set(map(type, values[0] if headed else chain.from_iterable(values))) <= _SCALARS:
        return None
    return Table(
        Pool.RECORDS if headed else Pool.COLUMNS, len(values) - headed, lambda: _rows_grid(values, headed, options)
    )


def object_table(
    members: dict[str, Any], options: LoadOptions, *, is_whole: bool = False, is_named: bool = False
) -> Table | None:
    """Return an object of lists or of objects as a table; None for any other object.

    A whole document, and even more so a value that the client has named, need not be as clear as others.
    """
    if is_named and is_grouped(members):
        return Table(Pool.RECORDS, sum(map(len, members.values())), lambda: (_grouped_grid(members), []))
    return (
        _columns_table(members, is_whole=is_whole, is_named=is_named)
        or _keyed_table(members, options, is_whole=is_whole)
        or _series_table(members)
    )


def is_grouped(members: dict[str, Any]) -> bool:
    """Return whether all members are lists of objects, as of records by day; they are a table only if named."""
    lists = list(members.values())
    return len(lists) > 1 and set(map(type, lists)) == {list} and set(map(type, chain.from_iterable(lists))) == {dict}


def _grouped_grid(members: dict[str, list[dict[str, Any]]]) -> Grid:
    labels = [label for label, rows in members.items() for _ in rows]
    return _with_index(_objects_grid(list(chain.from_iterable(members.values()))), labels)


def _objects_grid(rows: list[dict[str, Any]]) -> Grid:
    if rows and all(row.get("type") == "Feature" and "properties" in row for row in rows):
        return geojson.grid_of_features(rows)
    return grid_of_objects(rows)


def _named_grid(rows: list[list[Any]], names: Names) -> tuple[Grid, list[Note]]:
    grid, notes = _padded_grid(list(names.names), rows)
    is_kept = [position not in names.left_out for position in range(len(grid.names))]
    if names.left_out:
        shown = ", ".join(repr(names.names[position]) for position in sorted(names.left_out))
        notes.append(Note(f"The portal's own columns were left out, as in its exports: {shown}."))
    grid = Grid(list(compress(grid.names, is_kept)), compress(grid.columns, is_kept), len(rows))
    return (_with_index(grid, names.labels) if names.labels is not None else grid), notes


def _rows_grid(rows: list[list[Any]], headed: bool, options: LoadOptions) -> tuple[Grid, list[Note]]:
    if headed:
        names = ["" if cell is None else str(cell) for cell in rows[0]]
        return _padded_grid(names, [] if options.header == "only" else rows[1:])
    grid, notes = _padded_grid([f"column_{number}" for number in range(1, max(map(len, rows)) + 1)], rows)
    return grid, [*notes, *([NO_HEADER_NOTE] if options.header is None else [])]


def _padded_grid(names: list[str], rows: list[list[Any]]) -> tuple[Grid, list[Note]]:
    """Return the columns of rows, of which some may be short. Raises InvalidDataset for a long one."""
    width, lengths = len(names), list(map(len, rows))
    if lengths and max(lengths) > width:
        number = next(number for number, length in enumerate(lengths) if length > width)
        raise InvalidDataset(
            f"Row {number + 1} has {lengths[number]} values, but {width} columns have names: name them all."
        )
    short = sum(length < width for length in lengths)
    if not short:
        return Grid(names, ([row[position] for row in rows] for position in range(width)), len(rows)), []
    # Lengthened one column at a time: a few long rows among many short ones would take much memory.
    columns = ([row[position] if position < len(row) else None for row in rows] for position in range(width))
    note = Note("These rows are short: their last values are missing.", rows=short)
    return Grid(names, columns, len(rows)), [note]


def _columns_table(members: dict[str, Any], *, is_whole: bool = False, is_named: bool = False) -> Table | None:
    lists = {name: value for name, value in members.items() if isinstance(value, list)}
    heights = set(map(len, lists.values()))
    if len(heights) != 1 or not set(map(type, chain.from_iterable(lists.values()))) <= _SCALARS:
        return None
    height = heights.pop()
    pure, several = len(lists) == len(members), len(lists) > 1
    if not several and not (pure and is_whole and height):
        return None
    if not pure and not is_named and height < _MIN_MIXED_ROWS:
        return None
    notes = [] if pure else [Note("Lists of equal length were read as columns; the other members were left out.")]
    return Table(Pool.COLUMNS, height, lambda: (Grid(list(lists), lists.values(), height), notes))


def _keyed_table(members: dict[str, Any], options: LoadOptions, *, is_whole: bool) -> Table | None:
    """Return an object of objects of mostly the same members as a table, if it is clear which of them are the rows."""
    objects = list(members.values())
    if not objects or not all(isinstance(value, dict) for value in objects):
        return None
    inner = list(dict.fromkeys(chain.from_iterable(objects)))
    if 2 * sum(map(len, objects)) <= len(inner) * len(objects) or any(map(_holds_tables, objects)):
        return None
    flat = not any(isinstance(cell, dict) for value in objects for cell in value.values())
    outer_labels, inner_labels = _are_labels(members), _are_labels(inner)
    if flat and inner_labels and not outer_labels:
        return Table(Pool.KEYED, len(inner), lambda: (_by_column(members, inner), []))
    if not inner or not (len(members) > 1 or (is_whole and outer_labels)):
        return None
    certain = is_whole or outer_labels != inner_labels or len(members) >= _MIN_KEYED
    if flat and outer_labels == inner_labels:
        in_columns = all(len(_kinds(value.values())) < 2 for value in objects)
        in_rows = all(len(_kinds(value.get(name) for value in objects)) < 2 for name in inner)
        if in_columns and in_rows and max(len(inner), len(members)) < _MIN_RATIO * min(len(inner), len(members)):
            return _either_table(members, inner, options, certain=certain)
        if in_columns and (not in_rows or len(inner) > len(members)):
            return Table(Pool.KEYED, len(inner), lambda: (_by_column(members, inner), []), certain=certain)
    grid = partial(grid_of_objects, objects)
    return Table(Pool.KEYED, len(members), lambda: (_with_index(grid(), list(members)), []), certain=certain)


def _series_table(members: dict[str, Any]) -> Table | None:
    """Return an object of values by date as a table of two columns."""
    if len(members) < 2 or not set(map(type, members.values())) <= _SCALARS or not all(map(_DATE.fullmatch, members)):
        return None
    grid = Grid(["value"], [list(members.values())], len(members))
    return Table(Pool.KEYED, len(members), lambda: (_with_index(grid, list(members)), []))


def _holds_tables(members: dict[str, Any]) -> bool:
    """Return whether an object holds a list of objects, or columns."""
    lists = [value for value in members.values() if isinstance(value, list)]
    return (
        any(isinstance(item, dict) for items in lists for item in items)
        or any(NameLists().beside(members, items) for items in lists)
        or _columns_table(members) is not None
    )


def _are_labels(names: Iterable[str]) -> bool:
    """Return whether names are those of rows rather than of columns: numbers, dates or times."""
    return all(map(_LABEL.fullmatch, names))


def _kinds(values: Iterable[Any]) -> set[type]:
    return {float if type(value) is int else type(value) for value in values} - {type(None)}


def _by_column(members: dict[str, dict[str, Any]], labels: list[str]) -> Grid:
    columns = ([value.get(label) for label in labels] for value in members.values())
    return _with_index(Grid(list(members), columns, len(labels)), labels)


def _either_table(members: dict[str, Any], inner: list[str], options: LoadOptions, *, certain: bool) -> Table:
    """Return objects of values of one type as records or columns, by the option or by names such as `row1`."""
    numbered = all(map(_ROW_NAME.fullmatch, members)), all(map(_ROW_NAME.fullmatch, inner))
    if options.header is None and numbered[0] == numbered[1]:
        return Table(Pool.KEYED, len(members), partial(_refuse_keyed, members), certain=certain)
    are_records = options.header == "no" if options.header is not None else numbered[0]
    notes = [] if options.header is not None else [_RECORDS_NOTE if are_records else _COLUMNS_NOTE]
    if not are_records:
        return Table(Pool.KEYED, len(inner), lambda: (_by_column(members, inner), notes), certain=certain)
    labels, objects = list(members), list(members.values())
    return Table(
        Pool.KEYED, len(labels), lambda: (_with_index(grid_of_objects(objects), labels), notes), certain=certain
    )


def _refuse_keyed(members: dict[str, Any]) -> tuple[Grid, list[Note]]:
    raise InvalidDataset(
        f"It is not certain whether the {len(members)} objects in the body are records or columns: add ?header=no if "
        "they are records, or ?header=yes if their names are those of columns.",
        "header",
    )


def _with_index(grid: Grid, labels: Sequence[Any]) -> Grid:
    """Return the grid with the rows' labels as its first column, unless they only number the rows from 0."""
    if list(labels) in (list(range(grid.height)), list(map(str, range(grid.height)))):
        return grid
    name = "date" if all(isinstance(label, str) and _DATE.fullmatch(label) for label in labels) else "index"
    while name in grid.names:
        name += "_"
    return Grid([name, *grid.names], chain([list(labels)], grid.columns), grid.height)
