"""The upload of a file on `/ui/data`: a preview of how it is read, and the load."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, Response, current_app

from data_views.dataset import page_room, reserve_json
from data_views.ownership import publish, require_writable
from dataset import (
    OPTION_NAMES,
    TYPE_PREFIX,
    DatasetError,
    EncodedTable,
    LoadLimits,
    LoadOptions,
    Table,
    first_records,
    ingest_in_subprocess,
    is_specific_type,
)
from pages.application import store
from pages.data import PATH, as_cell
from pages.load_form import OPTIONS, TYPES, choices_of
from submission.dataset_upload import problem_from_dataset_error
from web.problems import Problem
from web.query_params import parameters
from web.ui import redirect_to, render_page
from web.uploads import read_upload

__all__ = ["routes"]

_PREVIEWED: Final = 5
_COLUMNS: Final = 50
_NO_ID: Final = "no_id"

routes = Blueprint("ui_upload", __name__)


@routes.post(PATH)
@parameters()
def load_file() -> Response:
    """Form of the dashboard: load a file; the options of POST /data are fields that stand before `file`."""
    return _read_file(load=True)


@routes.post("/ui/data/preview")
@parameters()
def preview_file() -> Response:
    """Form of the dashboard: show how a file is read; nothing changes."""
    return _read_file(load=False)


def _read_file(*, load: bool) -> Response:
    if load:
        require_writable(store())
    limits: LoadLimits = current_app.extensions["load limits"]
    given: dict[str, str] = {}
    try:
        upload = read_upload(limits.body_bytes, is_specific_type, given)
        loaded = ingest_in_subprocess(upload.parts, upload.media_type, options=_options(given), limits=limits)
        if load:
            publish(store(), loaded)
            return redirect_to(PATH)
    except (DatasetError, Problem) as error:
        return _show_error(error, given)
    return _show_preview(loaded, given)


def _options(given: Mapping[str, str]) -> LoadOptions:
    """Return the options of the form; an empty field is none.

    :raises Problem: invalid, for a field that is not an option.
    :raises InvalidDataset: as :meth:`LoadOptions.from_query` does.
    """
    named = {name: text for name, text in given.items() if text and name != _NO_ID}
    for name in named:
        if name not in OPTION_NAMES and not name.startswith(TYPE_PREFIX):
            detail = f"The form has a field {name[:100]!r}, which is not an option of a load."
            raise Problem("invalid", detail, errors=[{"pointer": f"/{name[:100]}", "detail": detail}])
    return LoadOptions.from_query(named | ({"id": ""} if given.get(_NO_ID) else {}))


def _show_preview(loaded: Table | EncodedTable, given: Mapping[str, str]) -> Response:
    description = loaded.description
    found = first_records(loaded, _PREVIEWED, page_room(description), reserve_json)
    names = [column.name for column in description.columns[:_COLUMNS]]
    return _page(
        200,
        given,
        read=description,
        columns=description.columns[:_COLUMNS],
        rows=[[as_cell(record[name]) for name in names] for record in found],
        notes=[(note, list(choices_of(note.detail, given))) for note in description.notes],
    )


def _show_error(error: DatasetError | Problem, given: Mapping[str, str]) -> Response:
    problem = error if isinstance(error, Problem) else problem_from_dataset_error(error)
    details = list(dict.fromkeys([problem.detail, *(each["detail"] for each in problem.errors)]))
    choices = list(dict.fromkeys(choice for detail in details for choice in choices_of(detail, given)))
    response = _page(problem.status, given, problem=problem, details=details, choices=choices)
    response.headers.update(problem.headers)
    return response


def _page(status: int, given: Mapping[str, str], **context: Any) -> Response:
    return render_page("data_upload.html", status, given=given, load_options=OPTIONS, types=TYPES, **context)
