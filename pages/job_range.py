"""The range of a new job: the column that it ranges over, its ends in the data, and controls for the bounds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from data_views.dataset import current_dataset
from data_views.profiles import column_profiles
from dataset import Description
from pages.application import store
from pages.charts import Chart, draw
from pages.field_values import Form, to_value
from pages.fields import to_text

__all__ = ["RangeInput", "bound_of", "index_options", "range_input"]

_CONTROLS: Final = {"integer": "number", "number": "number", "date": "date", "time": "datetime-local"}
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_LOCAL: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?", re.ASCII)
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?)(Z|[+-]\d\d:\d\d)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class RangeInput:
    """The controls of the bounds: their type, the ends of the data, and the values that they have."""

    index: str
    kind: str
    control: str
    first: Any
    last: Any
    minimum: str
    maximum: str
    start: str
    end: str
    chart: Chart | None

    def bound(self, value: Any, *, up: bool) -> str:
        """Return an end of a bar of the chart as the control of a bound holds it."""
        return _limit(value, self.control, up=up) or to_text(value)


def index_options(description: Description) -> list[str]:
    """Return the names of the columns that a job may range over, and of the row number if it is the identifier."""
    columns = [name for name, kind in description.types().items() if kind != "boolean"]
    names = (description.id, description.index)
    return [*dict.fromkeys(name for name in names if name not in description.types()), *columns]


def range_input(description: Description, form: Form) -> RangeInput:
    """Return the controls for the bounds of a form, with the ends of the column that it ranges over."""
    index = _text(form, "/index") or description.index
    kind = description.types().get(index, "integer")
    first, last, chart = _ends(description, index)
    control = _CONTROLS.get(kind, "text")
    start, end = (_shown(_text(form, name), control) for name in ("/start", "/end"))
    if start is None or end is None:  # as text, which can hold them
        control, start, end = "text", _text(form, "/start"), _text(form, "/end")
    low, high = (_limit(first, control, up=False), _limit(last, control, up=True))
    return RangeInput(index, kind, control, first, last, low, high, start, end, chart)


def bound_of(text: str, kind: str) -> Any:
    """Return a bound of a form as a job has it: null where it is empty, a number for an index of numbers."""
    text = text.strip() if kind != "text" else text
    if text == "":
        return None
    if kind == "time" and _LOCAL.fullmatch(text):
        return f"{text}Z"
    return to_value(text, (kind,))


def _ends(description: Description, index: str) -> tuple[Any, Any, Chart | None]:
    """Return the first and the last value of a column, and its histogram."""
    found = current_dataset(store())
    if found is None or index not in found[0].types():
        return (description.first, description.last, None) if index == description.index else (1, None, None)
    profile = column_profiles(found[1], [index])[index]
    if profile.least is None and index == description.index:
        return description.first, description.last, None
    return profile.least, profile.greatest, draw(index, profile)


def _text(form: Mapping[str, list[str]], name: str) -> str:
    return (form.get(name) or [""])[-1]


def _shown(text: str, control: str) -> str | None:
    """Return a bound as its control holds it; None if the control cannot hold it."""
    if text == "" or control == "text":
        return text
    if control == "number":
        return text if isinstance(to_value(text.strip(), ("number",)), int | float) else None
    if control == "date":
        return text if _DATE.fullmatch(text) else None
    return _as_local(text)


def _as_local(text: str) -> str | None:
    if not _TIME.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")


def _limit(end: Any, control: str, *, up: bool) -> str:
    """Return an end of the data as the limit of a control, in whole milliseconds."""
    if end is None or control == "text":
        return ""
    if control != "datetime-local":
        return to_text(end)
    moment = datetime.fromisoformat(end).replace(tzinfo=None)
    if up and moment.microsecond % 1000:
        moment += timedelta(milliseconds=1)
    return moment.isoformat(timespec="milliseconds")
