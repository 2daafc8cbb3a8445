"""`/ui/data`: the dataset's description, its columns with a small histogram each, and its records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from data_views.dataset import current_dataset, page_room, reserve_json
from data_views.listing import data_response
from data_views.ownership import may_change, only_owner
from data_views.profiles import column_profiles
from dataset import EXPORTS, Column, ColumnProfile, Description, FilterError, Listing, Page, Table
from pages.application import store
from pages.charts import Chart, draw, short
from pages.fields import to_text
from pages.load_form import OPTIONS, TYPES
from web import budget
from web.links import path_to
from web.problems import Problem
from web.query_params import field_filters, given_parameters, int_param, parameter, parameters
from web.request_body import read_form
from web.ui import redirect_to, render_page

__all__ = ["PATH", "as_cell", "routes"]

PATH: Final = "/ui/data"

_RECORDS: Final = 50
_COLUMNS: Final = 24
_MAX_OFFSET: Final = 10**12
_MAX_CELL: Final = 300
_MAX_FORM_BYTES: Final = 2**16
_LISTED: Final = ("search", "sort")
_FORMATS: Final = {export.ending: media_type for media_type, export in EXPORTS.items()}

routes = Blueprint("ui_data", __name__)


@dataclass(frozen=True, slots=True)
class ShownColumn:
    """A column as the page shows it; `profile` is None for the row number."""

    column: Column
    profile: ColumnProfile | None = None
    chart: Chart | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """A column of the table of records: the link that sorts by it, and the order that it has now."""

    name: str
    is_number: bool
    link: str
    order: str


@routes.get(PATH)
@parameters(*_LISTED, "offset", "columns", fields=True)
def show_data() -> Response:
    """Page: the dataset, its columns and its records; records are searched, filtered and sorted as by GET /data."""
    found = current_dataset(store())
    if found is None:
        return _show_nothing()
    description, table = found
    first = int_param("columns", 0, least=0, most=max(0, len(description.columns) - 1))
    shown = description.columns[first : first + _COLUMNS]
    records = _records(description, table, shown)
    if "HX-Request" in request.headers and request.headers.get("HX-Request-Type") != "full":
        return render_page("_records.html", **records)
    profiles = column_profiles(table, [column.name for column in shown])
    columns = [ShownColumn(each, profiles[each.name], draw(each.name, profiles[each.name])) for each in shown]
    last = first + len(shown)
    return render_page(
        "data.html",
        **records,
        columns=columns,
        first_column=first + 1,
        last_column=last,
        previous_columns=_address(columns=max(0, first - _COLUMNS) or None) if first else None,
        next_columns=_address(columns=last) if last < len(description.columns) else None,
        value_link=_value_link,
        short=short,
        **_upload_form(),
    )


@routes.get("/ui/data/export/<ending>")
@parameters(*_LISTED, fields=True)
def export_data(ending: str) -> Response:
    """The records that the page of the data lists, as a file: csv, ndjson or parquet."""
    if ending not in _FORMATS:
        for name, _ in field_filters():
            raise FilterError("There is no export of this kind, so it takes no parameters.", name)
        raise Problem("not-found", f"There are exports as {', '.join(_FORMATS)}.")
    return data_response(store(), _FORMATS[ending])


@routes.post("/ui/data/unload")
@parameters()
def unload_data() -> Response:
    """Form of the dashboard: unload the dataset; unfinished jobs keep theirs."""
    read_form(_MAX_FORM_BYTES)
    store().clear(only_owner())
    return redirect_to(PATH)


def _show_nothing() -> Response:
    for name, _ in field_filters():
        raise FilterError("No dataset is loaded, so there is no such column.", name)
    return render_page("data.html", dataset=None, **_upload_form())


def _upload_form() -> dict[str, Any]:
    return {"may_change": may_change(store()), "given": {}, "load_options": OPTIONS, "types": TYPES}


def _records(description: Description, table: Table, shown: Sequence[Column]) -> dict[str, Any]:
    """Return what the table of records shows: the page that the query asks for, of some columns."""
    names = [column.name for column in shown]
    if not table.has_numbers and description.id not in names:
        names.insert(0, description.id)
    listing = Listing(
        table,
        search=parameter("search"),
        filters=field_filters(),
        sort=parameter("sort") or None,
        fields=names,
        hold=budget.hold,
    )
    offset = int_param("offset", 0, least=0, most=_MAX_OFFSET)
    page = listing.page(offset=offset, limit=_RECORDS, max_bytes=page_room(description), reserve=reserve_json)
    types = description.types()
    end = offset + len(page.records)
    return {
        "dataset": description,
        "headers": [_header(name, types[name] in ("integer", "number")) for name in names],
        "rows": _rows(page, names),
        "has_numbers": table.has_numbers,
        "total": page.total,
        "begin": offset + 1,
        "end": end,
        "previous": _address(offset=max(0, offset - _RECORDS) or None) if offset else None,
        "next": _address(offset=end) if page.next_row is not None else None,
        "search": parameter("search") or "",
        "kept": _kept(),
        "filters": _filters(),
        "exports": {ending: _address(f"{PATH}/export/{ending}", offset=None, columns=None) for ending in _FORMATS},
        "is_filtered": bool(parameter("search") or field_filters()),
        "everything": path_to(PATH),
    }


def _rows(page: Page, names: Sequence[str]) -> list[tuple[int | None, list[str | None]]]:
    """Return the row number (None unless it is the identifier) and the cells of each record."""
    numbers: Sequence[int | None] = page.numbers or [None] * len(page.records)
    cells = ([as_cell(record[name]) for name in names] for record in page.records)
    return list(zip(numbers, cells, strict=True))


def as_cell(value: Any) -> str | None:
    """Return a value as the text of a table's cell, cut if it is long; None is a missing value."""
    if value is None:
        return None
    text = to_text(value)
    return text if len(text) <= _MAX_CELL else f"{text[:_MAX_CELL]}…"


def _header(name: str, is_number: bool) -> Header:
    """Return the header of a column; its link sorts ascending, then descending, then not at all."""
    sort = parameter("sort")
    order = {name: "ascending", f"-{name}": "descending"}.get(sort or "", "none")
    following = {"none": name, "ascending": f"-{name}"}.get(order)
    return Header(name, is_number, _address(sort=following, offset=None), order)


def _filters() -> list[tuple[str, str]]:
    """Return each filter in words, and the link to the page without it."""
    given = field_filters()
    words = [f"{name.removeprefix('field.')} = {value}" for name, value in given]
    others = [[*given[:place], *given[place + 1 :]] for place in range(len(given))]
    return [(each, _link(rest, _from_the_first())) for each, rest in zip(words, others, strict=True)]


def _value_link(name: str, value: Any) -> str:
    """Return the link to the records that have a value in a column, beside the filters that there are."""
    return _link([*field_filters(), (f"field.{name}", to_text(value))], _from_the_first())


def _from_the_first() -> dict[str, str]:
    """Return the query without the place in the list."""
    return {name: text for name, text in given_parameters().items() if name != "offset"}


def _kept() -> list[tuple[str, str]]:
    """Return what a new search keeps of the query: all but the search itself and the place in the list."""
    others = _from_the_first()
    others.pop("search", None)
    return [*field_filters(), *others.items()]


def _address(path: str = PATH, **changes: Any) -> str:
    """Return the address of this page with some parameters changed; None removes one."""
    query = given_parameters() | {name: "" if value is None else str(value) for name, value in changes.items()}
    return _link(field_filters(), query, path)


def _link(filters: Sequence[tuple[str, str]], query: dict[str, str], path: str = PATH) -> str:
    pairs = [*filters, *((name, text) for name, text in query.items() if text)]
    return path_to(path) + (f"?{urlencode(pairs, errors='replace')}" if pairs else "")
