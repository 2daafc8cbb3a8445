"""The form of a new job: its fields for an analysis and a dataset, and the job that a filled form submits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from analyses import Analysis, get_analyses
from dataset import MAX_FILTERS, Description
from pages.field_values import ABSENT, Form, join_texts, read_field, split_texts, write_field
from pages.fields import Field, make_fields, to_text
from pages.job_filters import COLUMN, FilterRow, read_rows, rows_of, where_of
from pages.job_range import RangeInput, bound_of, index_options, range_input
from submission.schema import JobRequest

__all__ = ["JobForm", "form_of"]

_MEMBERS: Final = {
    "priority": "Jobs of a higher priority run first.",
    "timeout": "Seconds that an attempt may run.",
    "max_attempts": "How often it is tried before it fails.",
    "delay": "Seconds to wait before it is queued.",
}
_TAGS: Final = "/tags"
_SEARCH: Final = "/search"
_SCHEMA: Final = JobRequest.model_json_schema()
_COPIED: Final = ("start", "end", "index", "search")


class JobForm:
    """A form for a dataset (None if there is none), with the values of its controls."""

    def __init__(self, description: Description | None, form: Form) -> None:
        self.description = description
        self.form = form
        self.columns: Mapping[str, str] = description.types() if description else {}

    @property
    def analysis_name(self) -> str:
        """The name of the chosen analysis; there may be none of this name."""
        return self.text("/analysis") or "summary"

    @property
    def analysis(self) -> Analysis | None:
        """The chosen analysis, None if there is none of its name."""
        return get_analyses().get(self.analysis_name)

    @cached_property
    def params(self) -> tuple[Field, ...]:
        """The fields of the parameters."""
        return make_fields(self.analysis.params_schema(), self.columns, "/params") if self.analysis else ()

    @cached_property
    def members(self) -> tuple[Field, ...]:
        """The fields of the job besides its parameters and its rows."""
        properties = {name: {**_SCHEMA["properties"][name], "description": text} for name, text in _MEMBERS.items()}
        return make_fields({"properties": properties}, {})

    @cached_property
    def filters(self) -> list[FilterRow]:
        """The rows of the filters, and empty ones: one more than there were if the form asks for another."""
        filled = read_rows(self.form)
        wanted = len(self.form.get(COLUMN, ())) + ("filter" in self.form.get("choose", ()))
        return [*filled, *[FilterRow()] * max(1, min(wanted, MAX_FILTERS) - len(filled))]

    @cached_property
    def range(self) -> RangeInput | None:
        """The controls of the range."""
        return range_input(self.description, self.form) if self.description else None

    @property
    def index_options(self) -> Sequence[str]:
        """The columns that the job may range over."""
        return index_options(self.description) if self.description else ()

    @property
    def has_members(self) -> bool:
        """Whether any of the members besides the parameters and the rows is filled in."""
        return any(self.text(name) for name in (_TAGS, *(each.pointer for each in self.members)))

    def is_top(self, field: Field) -> bool:
        """Return whether a field is a parameter itself, and not part of one that may be left out."""
        return field in self.params

    def text(self, name: str) -> str:
        """Return the text of a control."""
        return (self.form.get(name) or [""])[-1]

    def texts(self, name: str) -> list[str]:
        """Return the values that are chosen in a control, or its lines."""
        return self.form.get(name, [])

    def job(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the job as `POST /jobs` takes it, and errors by pointer where it cannot hold what the form has."""
        kind = self.columns.get(self.text("/index") or (self.description.index if self.description else ""), "integer")
        job: dict[str, Any] = {name: bound_of(self.text(f"/{name}"), kind) for name in ("start", "end")}
        job["analysis"] = self.analysis_name
        where, errors = where_of(read_rows(self.form), self.columns)
        found = {
            "params": self._read(self.params),
            "where": where,
            "index": self.text("/index"),
            "search": self.text(_SEARCH),
            "tags": split_texts(self.text(_TAGS)),
            **self._read(self.members),
        }
        return job | {name: value for name, value in found.items() if value not in ({}, [], "")}, errors

    def _read(self, fields: Sequence[Field]) -> dict[str, Any]:
        values = {each.name: read_field(each, self.form, self.columns) for each in fields}
        return {name: value for name, value in values.items() if value is not ABSENT}

    def anchor_of(self, pointer: str) -> str | None:
        """Return the id of the control that an error is about; None if the form has none."""
        known = ["/analysis", "/start", "/end", "/index", _SEARCH, _TAGS, "/where"]
        known += [each.pointer for field in (*self.params, *self.members) for each in (field, *field.fields)]
        return max((each for each in known if f"{pointer}/".startswith(f"{each}/")), key=len, default=None)

    def error_of(self, pointer: str, errors: Mapping[str, str]) -> str | None:
        """Return the error of a field, or of a part of its value."""
        return next((text for each, text in errors.items() if f"{each}/".startswith(f"{pointer}/")), None)


def form_of(job: Mapping[str, Any], description: Description | None) -> Form:
    """Return the values of the controls for a job, so that the form submits one like it."""
    form: Form = {"/analysis": [str(job.get("analysis") or "summary")]}
    form |= {f"/{name}": [to_text(job[name])] for name in _COPIED if job.get(name) not in (None, "")}
    empty = JobForm(description, form)
    params = job.get("params") or {}
    for each in empty.params:
        form |= write_field(each, params.get(each.name))
    for each in empty.members:
        if (value := job.get(each.name)) != each.default:
            form |= write_field(each, value)
    if job.get("tags"):
        form[_TAGS] = [join_texts(job["tags"])]
    rows = rows_of(job.get("where"))
    for name in ("column", "operator", "value") if rows else ():
        form[f"where.{name}"] = [getattr(row, name) for row in rows]
    return form
