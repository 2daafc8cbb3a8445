"""Search of a JSON document for the value that holds the records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, Final, NamedTuple

from dataset.errors import InvalidDataset, quoted
from dataset.formats import geojson
from dataset.formats.columns import Grid, grid_of_objects
from dataset.formats.json_names import NameLists
from dataset.formats.json_tables import Pool, Table, is_grouped, list_table, object_table
from dataset.load_options import LoadOptions
from dataset.notes import Note

__all__ = ["find_grid"]

_MAX_NAME_LENGTH: Final = 100  # characters of a name
_MAX_LISTED: Final = 20
_MAX_LISTED_LENGTH: Final = 500  # characters
_MAX_MIXED: Final = 10  # items of a list that is searched
_MIN_INNER_ROWS: Final = 10
_MAX_POSITION: Final = 4  # numbers
_REMEDY: Final = "send a list of objects, or an object that holds one such list"
# Members that describe the records, in the answers of portals and other services.
_ASIDES: Final = frozenset(
    """meta metadata _meta fields columns schema links _links link included facets facet_groups aggregations aggs
    parameters params query queryinfo request header headers responseheader warnings warning errors messages notes note
    paging pagination page dimension dimensions filters sort crs spatialreference context @context definitions options
    licenses attributions contact debug info coordinates bbox rings paths""".split()
)
_DATA_NAMES: Final = frozenset(
    "data result results records items rows features value values observations docs entries hits list content".split()
)
_ERROR_MEMBERS: Final = frozenset(
    "error errors message status code detail details title type instance success reason statuscode".split()
)


class _Path(NamedTuple):
    """A member's name, its object, and that object's path; parents are shared, so any depth takes constant memory."""

    parent: _Path | None
    name: str
    holder: dict[str, Any] | None
    aside: bool = False
    min_rows: int = 0  # within the one object of a list, which may be the record
    doubtful: bool = False


class _Candidate(NamedTuple):
    path: _Path | None
    value: Any
    table: Table


def find_grid(document: Any, options: LoadOptions) -> tuple[Grid, list[Note]]:
    """Return the table in a document, and notes on the choice. Raises InvalidDataset."""
    if options.list is not None:
        return _read_named(document, options.list, options)
    if isinstance(document, list):
        table = list_table(document, None, options)
        if table is not None:
            return table.read()
    elif isinstance(document, dict):
        _check_known(document)
        if _is_table_schema(document):
            return _without_row_numbers(document), []
        if geojson.is_feature_collection(document):
            return geojson.grid_of_features(document["features"]), []
    found = list(_candidates(document, options))
    if geojson.is_feature(document):
        found = [each for each in found if each.table.rows > 1 and not (each.path and each.path.aside)]
        if not found:
            return geojson.grid_of_features([document]), []
        grid, notes = _choose(found)
        return grid, notes or [Note("The records within the Feature were read, without its geometry.")]
    if found:
        return _choose(found)
    return _one_record(document), []


def _one_record(document: Any) -> Grid:
    if isinstance(document, list):
        number = next(number for number, item in enumerate(document) if not isinstance(item, dict))
        raise InvalidDataset(f"Item {number} of the list is not an object: {_REMEDY}.")
    if not isinstance(document, dict) or not document:
        raise InvalidDataset(f"The body holds no list of objects: {_REMEDY}.")
    if not {name.lower() for name in document} - _ERROR_MEMBERS:
        raise InvalidDataset(f"The body holds no list of objects but a message, perhaps of an error: {_REMEDY}.")
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


def _check_known(document: dict[str, Any]) -> None:
    """Raise InvalidDataset for formats that are no tables though their lists might look so."""
    for holder in (document, *(member for member in document.values() if isinstance(member, dict))):
        cube = holder.get("dimension")
        if isinstance(cube, dict) and any("category" in each for each in cube.values() if isinstance(each, dict)):
            raise InvalidDataset("The body is JSON-stat, a cube of values: download it as CSV instead.")
        if isinstance(holder.get("dataSets"), list):
            raise InvalidDataset("The body is SDMX-JSON, a cube of values: download it as CSV instead.")
    if document.get("type") == "Topology" and "arcs" in document:
        raise InvalidDataset("The body is TopoJSON: convert it to GeoJSON or CSV.")


def _is_table_schema(document: dict[str, Any]) -> bool:
    """Return whether a document is pandas' `table`: a Table Schema beside the records."""
    schema, rows = document.get("schema"), document.get("data")
    return (
        document.keys() == {"schema", "data"}
        and isinstance(schema, dict)
        and isinstance(schema.get("fields"), list)
        and isinstance(rows, list)
        and all(isinstance(row, dict) for row in rows)
    )


def _without_row_numbers(document: dict[str, Any]) -> Grid:
    """Return the records, without the `index` that pandas adds where it only numbers the rows."""
    rows = document["data"]
    if document["schema"].get("primaryKey") == ["index"] and all(row.get("index") == n for n, row in enumerate(rows)):
        rows = [{name: value for name, value in row.items() if name != "index"} for row in rows]
    return grid_of_objects(rows)


def _candidates(document: Any, options: LoadOptions) -> Iterator[_Candidate]:
    """Yield the values that can be read as a table, in order."""
    names = NameLists()
    ahead: list[tuple[_Path | None, Any]] = [(None, document)]
    while ahead:
        path, value = ahead.pop()
        table = _table_at(path, value, names, options)
        if path and table and table.pool == Pool.COLUMNS and isinstance(value, list) and not _is_clearly_data(path):
            path = path._replace(min_rows=_MIN_INNER_ROWS if _are_positions(value) else 0, doubtful=True)
        if table is not None and (table.names or path is None or table.rows >= path.min_rows):
            yield _Candidate(path, value, table)
        ahead += reversed(list(_inner(path, value, table)))


def _table_at(path: _Path | None, value: Any, names: NameLists, options: LoadOptions) -> Table | None:
    if isinstance(value, dict):
        return object_table(value, is_whole=path is None)
    if not isinstance(value, list):
        return None
    return list_table(value, names.beside(path.holder if path else None, value), options)


def _are_positions(rows: list[list[Any]]) -> bool:
    """Return whether lists may be a matrix, or the positions of a shape, within one record."""
    return all(len(row) <= _MAX_POSITION and set(map(type, row)) <= {int, float} for row in rows[:_MIN_INNER_ROWS])


def _inner(path: _Path | None, value: Any, table: Table | None) -> Iterator[tuple[_Path, Any]]:
    """Yield the members to search: of objects, of a list's only object, and of a short list of objects and lists."""
    if isinstance(value, dict) and table is None:
        for name, member in value.items():
            if isinstance(member, dict | list):
                yield _within(path, name, value), member
    elif isinstance(value, list) and table is not None and len(value) == 1 and isinstance(value[0], dict):
        scalars = sum(not isinstance(member, dict | list) for member in value[0].values())
        within = _within(path, "0")
        within = within._replace(min_rows=_MIN_INNER_ROWS) if scalars else within
        yield within._replace(doubtful=within.doubtful or scalars > 1), value[0]
    elif isinstance(value, list) and len(value) <= _MAX_MIXED and {dict, list} <= set(map(type, value)):
        for number, item in enumerate(value):
            if isinstance(item, dict | list):
                yield _within(path, str(number)), item


def _within(path: _Path | None, name: str, holder: dict[str, Any] | None = None) -> _Path:
    inner = _Path(path, name, holder, holder is not None and name.lower() in _ASIDES)
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
    grid, notes = best.table.read()
    names = best.table.names
    others = [each for each in filled if each is not best and each.table.pool == pool]
    others = [each for each in others if names is None or each.value is not names.source]
    if others:
        notes.insert(0, _choice_note(best, others))
    return grid, notes


def _group_remedy(likely: list[_Candidate]) -> str:
    """Return how to read several lists together, if they are all members of one object."""
    path = likely[0].path
    if path is None or path.holder is None or len(likely) != len(path.holder) or not is_grouped(path.holder):
        return ""
    return f" ?list={_pointer(path.parent)} reads them together, with a column of their names."


def _is_doubtful(candidate: _Candidate) -> bool:
    return not candidate.table.certain or (candidate.path is not None and candidate.path.doubtful)


def _rivals(other: _Candidate, best: _Candidate) -> bool:
    """Return whether another candidate might be the data as well."""
    if other.table.pool != best.table.pool:
        return other.table.pool == Pool.COLUMNS and other.table.rows > max(best.table.rows, _MIN_INNER_ROWS)
    return (
        other.table.rows == best.table.rows
        or (_has_data_name(other) and not _has_data_name(best))
        or _are_alike(other.value, best.value)
    )


def _has_data_name(candidate: _Candidate) -> bool:
    return candidate.path is not None and candidate.path.name.lower() in _DATA_NAMES


def _is_clearly_data(path: _Path) -> bool:
    return path.name.lower() in _DATA_NAMES or (path.holder is not None and len(path.holder) == 1)


def _are_alike(one: Any, other: Any) -> bool:
    """Return whether two lists hold objects of mostly the same members: parts of the same data."""
    first, second = (value[0] if isinstance(value, list) and value else None for value in (one, other))
    if not isinstance(first, dict) or not isinstance(second, dict):
        return False
    return 3 * len(first.keys() & second.keys()) > len(first) + len(second)  # the half of all members


def _choice_note(best: _Candidate, others: list[_Candidate]) -> Note:
    return Note(
        f"The records are those of {_pointer(best.path)!r}. There are others in {_listed(others)}: "
        "?list=POINTER chooses.",
        rows=best.table.rows,
    )


def _listed(candidates: list[_Candidate]) -> str:
    """Return the pointers of some candidates, with their numbers of records."""
    shown: list[str] = []
    for each in candidates:
        if len(shown) == _MAX_LISTED or sum(map(len, shown)) > _MAX_LISTED_LENGTH:
            return f"{', '.join(shown)} and more"
        shown.append(f"{_pointer(each.path)!r} ({each.table.rows:,})")
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
        table = object_table(value, is_whole=True, is_named=True)
        if table is None:
            return find_grid(value, replace(options, list=None))
    if table is None:
        raise InvalidDataset(f"No records are at {quoted(pointer)}. {_known_pointers(document, options)}", "list")
    return table.read()


def _known_pointers(document: Any, options: LoadOptions) -> str:
    found = list(islice(_candidates(document, options), _MAX_LISTED))
    return f"There are records in: {_listed(found)}." if found else "The body holds no list of records."


def _pointer(path: _Path | None) -> str:
    """Return a path as a JSON pointer for an error message, with long names truncated."""
    names: list[str] = []
    while path is not None:
        names.append(path.name[:_MAX_NAME_LENGTH].replace("~", "~0").replace("/", "~1"))
        path = path.parent
    return "".join(f"/{name}" for name in reversed(names))[: 2 * _MAX_NAME_LENGTH]
