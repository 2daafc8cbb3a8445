"""Search of a JSON document for the value that holds the records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, Final, NamedTuple

from dataset.errors import InvalidDataset, quoted
from dataset.formats import geojson
from dataset.formats.columns import Grid, grid_of_objects
from dataset.formats.json_known import (
    check_known,
    check_no_error,
    is_table_schema,
    pxweb_rows,
    rows_of_table_schema,
)
from dataset.formats.json_names import NameLists
from dataset.formats.json_paths import ASIDES, DATA_NAMES, Path, left_out, pointer
from dataset.formats.json_tables import Pool, Table, is_grouped, list_table, object_table
from dataset.load_options import LoadOptions
from dataset.notes import Note

__all__ = ["find_grid"]

_MAX_LISTED: Final = 20
_MAX_LISTED_LENGTH: Final = 500  # characters
_MAX_MIXED: Final = 10  # items of a list that is searched
_MIN_INNER_ROWS: Final = 10
_MAX_POSITION: Final = 4  # numbers
_REMEDY: Final = "send a list of objects, or an object that holds one such list"


class _Candidate(NamedTuple):
    path: Path | None
    value: Any
    table: Table


def find_grid(document: Any, options: LoadOptions) -> tuple[Grid, list[Note]]:
    """Return the table in a document, and notes on the choice. Raises InvalidDataset."""
    if options.list is not None:
        return _read_named(document, options.list, options)
    return _find(document, options)


def _find(document: Any, options: LoadOptions, *, is_record: bool = False) -> tuple[Grid, list[Note]]:
    """Return the table in a document, or the document as one record rather than a list in it."""
    if isinstance(document, list):
        table = list_table(document, None, options)
        if table is not None:
            return _read_list(document, table, options)
    elif isinstance(document, dict):
        check_known(document)
        if is_table_schema(document):
            return grid_of_objects(rows_of_table_schema(document)), []
        if geojson.is_feature_collection(document):
            return geojson.grid_of_features(document["features"]), []
        if (rows := pxweb_rows(document)) is not None:
            return _read_rows(rows, options)
    found = list(_candidates(document, options))
    if geojson.is_feature(document):
        found = [each for each in found if each.table.rows > 1 and not (each.path and each.path.aside)]
        if not found:
            return geojson.grid_of_features([document]), []
        grid, notes = _choose(found)
        return grid, notes or [Note("The records within the Feature were read, without its geometry.")]
    if found and is_record and found[0].path is not None:
        return grid_of_objects([document]), []
    if not is_record:
        has_records = any(each.table.rows and not (each.path and _is_message(each.path)) for each in found)
        check_no_error(document, has_records=has_records)
    if found:
        return _choose(found)
    return _one_record(document), []


def _read_rows(rows: list[list[Any]], options: LoadOptions) -> tuple[Grid, list[Note]]:
    table = list_table(rows, None, replace(options, header="yes"))
    if table is None:
        raise InvalidDataset(f"The body holds no list of objects: {_REMEDY}.")
    return table.read()


def _read_list(document: list[Any], table: Table, options: LoadOptions) -> tuple[Grid, list[Note]]:
    """Return the records of a list; of a single one that is but a wrapper, those in it."""
    if len(document) != 1 or not isinstance(document[0], dict) or geojson.is_feature(document[0]):
        return table.read()
    check_no_error(document, has_records=False)
    found = [each for each in _candidates(document, options) if not (each.path and each.path.aside)]
    inner = [each for each in found if each.path and each.table.pool == Pool.RECORDS and each.table.rows > 1]
    if not inner:
        return table.read()
    if all(isinstance(member, dict | list) for member in document[0].values()):
        return _choose(found)
    grid, notes = table.read()
    return grid, [*notes, Note(f"The one record holds lists of records: {_listed(inner)}; ?list=POINTER reads those.")]


def _one_record(document: Any) -> Grid:
    if isinstance(document, list):
        number = next(number for number, item in enumerate(document) if not isinstance(item, dict))
        raise InvalidDataset(f"Item {number} of the list is not an object: {_REMEDY}.")
    if not isinstance(document, dict) or not document:
        raise InvalidDataset(f"The body holds no list of objects: {_REMEDY}.")
    lists = {name: len(value) for name, value in document.items() if isinstance(value, list)}
    if len(lists) == len(document) and any(isinstance(item, list) for name in lists for item in document[name]):
        raise InvalidDataset(f"The body holds no list of objects: {_REMEDY}.")
    if len(lists) > 1 and len(lists) == len(document):
        raise InvalidDataset("The lists in the body have different lengths: columns have one.")
    if len(lists) > 1 and len(set(lists.values())) == 1:
        raise InvalidDataset(
            "The body may be one record or columns of values: send a list of one object, or for columns ?list=.", "list"
        )
    return grid_of_objects([document])


def _candidates(document: Any, options: LoadOptions) -> Iterator[_Candidate]:
    """Yield the values that can be read as a table, in order."""
    names = NameLists()
    ahead: list[tuple[Path | None, Any]] = [(None, document)]
    while ahead:
        path, value = ahead.pop()
        table = _table_at(path, value, names, options)
        if path and table and table.pool == Pool.COLUMNS and isinstance(value, list) and not _is_clearly_data(path):
            path = path._replace(min_rows=_MIN_INNER_ROWS if _are_positions(value) else 0, doubtful=True)
        if table is not None and (table.names or path is None or table.rows >= _min_rows(path)):
            yield _Candidate(path, value, table)
        ahead += reversed(list(_inner(path, value, table)))


def _table_at(path: Path | None, value: Any, names: NameLists, options: LoadOptions) -> Table | None:
    if isinstance(value, dict):
        return object_table(value, options, is_whole=path is None)
    if not isinstance(value, list):
        return None
    return list_table(value, names.beside(path.holder if path else None, value), options)


def _min_rows(path: Path) -> int:
    """Return the number of rows from which on a value may be the data."""
    return min(path.min_rows, 2) if path.name.lower() in DATA_NAMES else path.min_rows


def _are_positions(rows: list[list[Any]]) -> bool:
    """Return whether lists may be a matrix, or the positions of a shape, within one record."""
    return all(len(row) <= _MAX_POSITION and set(map(type, row)) <= {int, float} for row in rows[:_MIN_INNER_ROWS])


def _inner(path: Path | None, value: Any, table: Table | None) -> Iterator[tuple[Path, Any]]:
    """Yield the members to search: of objects, of a list's only object, and of a short list of objects and lists."""
    if isinstance(value, dict) and table is None:
        for name, member in value.items():
            if isinstance(member, dict | list):
                yield _within(path, name, value), member
    elif isinstance(value, list) and table is not None and len(value) == 1 and isinstance(value[0], dict):
        scalars = sum(not isinstance(member, dict | list) for member in value[0].values())
        within = _within(path, "0")
        within = within._replace(min_rows=2 if path is None else _MIN_INNER_ROWS) if scalars else within
        yield within._replace(doubtful=within.doubtful or scalars > 1), value[0]
    elif isinstance(value, list) and len(value) <= _MAX_MIXED and {dict, list} <= set(map(type, value)):
        for number, item in enumerate(value):
            if isinstance(item, dict | list):
                yield _within(path, str(number)), item


def _within(path: Path | None, name: str, holder: dict[str, Any] | None = None) -> Path:
    inner = Path(path, name, holder, holder is not None and name.lower() in ASIDES)
    if path is None:
        return inner
    return inner._replace(aside=inner.aside or path.aside, min_rows=path.min_rows, doubtful=path.doubtful)


def _choose(found: list[_Candidate]) -> tuple[Grid, list[Note]]:
    """Return the candidate that is certain to be the data. Raises InvalidDataset if there is none."""
    # Open-data portals add empty lists of notes and links: an empty list counts only if there is no other.
    filled = [each for each in found if each.table.rows] or found
    likely = [each for each in filled if not (each.path and each.path.aside)] or filled
    pool = min(each.table.pool for each in likely)
    best = max((each for each in likely if each.table.pool == pool), key=lambda each: each.table.rows)
    if any(_rivals(each, best) for each in likely if each is not best) or _is_doubtful(best):
        raise InvalidDataset(
            "It is not certain which values in the body are the records: those (with as many as stand in brackets) at "
            f"{_listed(filled)}. Choose with ?list=POINTER.{_group_remedy(likely)}",
            "list",
        )
    beside, is_part = left_out(best.path) if isinstance(best.value, list) else ([], False)
    if is_part and best.table.rows < _MIN_INNER_ROWS:
        raise InvalidDataset(
            f"The body may be one record, or hold {best.table.rows:,} of them at {pointer(best.path)!r}: add "
            f"?list={pointer(best.path)} for those, or ?list= (empty) for the whole body as one record.",
            "list",
        )
    grid, notes = best.table.read()
    if beside:
        notes.append(Note(f"The records are those of {pointer(best.path)!r}; left out were: {', '.join(beside)}."))
    if name := _inner_data(best.value):
        detail = f"The lists in {name!r} became JSON text: ?list={pointer(best.path)}/0/{name} reads the first of them."
        notes.append(Note(detail, name))
    names = best.table.names
    others = [each for each in filled if each is not best and each.table.pool == pool]
    others = [each for each in others if names is None or each.value is not names.source]
    if others:
        notes.insert(0, _choice_note(best, others))
    return grid, notes


def _inner_data(rows: Any) -> str | None:
    """Return the name of a member in which each of some objects holds a list of data."""
    if not isinstance(rows, list) or not 1 < len(rows) <= _MAX_MIXED or set(map(type, rows)) != {dict}:
        return None
    lists = ({name for name, value in row.items() if isinstance(value, list) and len(value) > 1} for row in rows)
    return next((name for name in set.intersection(*lists) if name.lower() == "data"), None)


def _is_message(path: Path) -> bool:
    return path.aside or path.name.lower() == "detail"


def _group_remedy(likely: list[_Candidate]) -> str:
    """Return how to read several lists together, if they are all members of one object."""
    path = likely[0].path
    if path is None or path.holder is None or len(likely) != len(path.holder) or not is_grouped(path.holder):
        return ""
    return f" ?list={pointer(path.parent)} reads them together, with a column of their names."


def _is_doubtful(candidate: _Candidate) -> bool:
    return not candidate.table.certain or (candidate.path is not None and candidate.path.doubtful)


def _rivals(other: _Candidate, best: _Candidate) -> bool:
    """Return whether another candidate might be the data as well."""
    if other.table.pool != best.table.pool:
        least = 1 if best.table.rows == 1 and _has_data_name(other) else max(best.table.rows, _MIN_INNER_ROWS)
        return other.table.pool == Pool.COLUMNS and other.table.rows > least
    return (
        other.table.rows == best.table.rows
        or (_has_data_name(other) and not _has_data_name(best))
        or _are_alike(other.value, best.value)
    )


def _has_data_name(candidate: _Candidate) -> bool:
    return candidate.path is not None and candidate.path.name.lower() in DATA_NAMES


def _is_clearly_data(path: Path) -> bool:
    return path.name.lower() in DATA_NAMES or (path.holder is not None and len(path.holder) == 1)


def _are_alike(one: Any, other: Any) -> bool:
    """Return whether two lists hold objects of mostly the same members: parts of the same data."""
    first, second = (value[0] if isinstance(value, list) and value else None for value in (one, other))
    if not isinstance(first, dict) or not isinstance(second, dict):
        return False
    return 3 * len(first.keys() & second.keys()) > len(first) + len(second)  # the half of all members


def _choice_note(best: _Candidate, others: list[_Candidate]) -> Note:
    return Note(
        f"The records are those of {pointer(best.path)!r}. There are others in {_listed(others)}: "
        "?list=POINTER chooses.",
        rows=best.table.rows,
    )


def _listed(candidates: list[_Candidate]) -> str:
    """Return the pointers of some candidates, with their numbers of records."""
    shown: list[str] = []
    for each in candidates:
        if len(shown) == _MAX_LISTED or sum(map(len, shown)) > _MAX_LISTED_LENGTH:
            return f"{', '.join(shown)} and more"
        shown.append(f"{pointer(each.path)!r} ({each.table.rows:,})")
    return ", ".join(shown)


def _read_named(document: Any, pointer: str, options: LoadOptions) -> tuple[Grid, list[Note]]:
    """Return the table at a JSON pointer (RFC 6901), or in the object there."""
    if pointer and not pointer.startswith("/"):
        raise InvalidDataset(f"A JSON pointer begins with a slash. {_known_pointers(document, options)}", "list")
    value, holder = document, None
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and name in value:
            value, holder = value[name], value
        elif isinstance(value, list) and name.isdecimal() and len(name) < 10 and int(name) < len(value):
            value, holder = value[int(name)], None
        else:
            raise InvalidDataset(f"There is nothing at {quoted(pointer)}. {_known_pointers(document, options)}", "list")
    table = None
    if isinstance(value, list):
        table = list_table(value, NameLists().beside(holder, value), options)
    elif isinstance(value, dict):
        table = object_table(value, options, is_whole=True, is_named=True)
        if table is None:
            return _find(value, replace(options, list=None), is_record=not pointer)
    if table is None:
        raise InvalidDataset(f"No records are at {quoted(pointer)}. {_known_pointers(document, options)}", "list")
    return table.read()


def _known_pointers(document: Any, options: LoadOptions) -> str:
    found = list(islice(_candidates(document, options), _MAX_LISTED))
    return f"There are records in: {_listed(found)}." if found else "The body holds no list of records."
