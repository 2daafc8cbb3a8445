"""The query: which parameters a route takes, and their values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar
from urllib.parse import parse_qsl

from flask import Flask, current_app, g, request
from werkzeug.exceptions import NotFound

from web.problems import Problem

__all__ = [
    "choice",
    "field_filters",
    "install",
    "int_param",
    "invalid",
    "moment",
    "parameter",
    "parameters",
    "parse_moment",
]

_View = TypeVar("_View", bound=Callable[..., object])

# RFC 3339, with a bare date for midnight, no offset for UTC, and the blank that an unescaped `+` becomes in a query.
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(?:([Zz])|([ +-])(\d\d:\d\d))?)?", re.ASCII
)


def parameters(*names: str, fields: bool = False) -> Callable[[_View], _View]:
    """Name the query parameters that a route takes; any other, and one given twice, is refused.

    With ``fields``, all others are filters by the dataset's fields, which the route is to check.
    """

    def named(view: _View) -> _View:
        view.parameters = names  # type: ignore[attr-defined]
        view.takes_fields = fields  # type: ignore[attr-defined]
        return view

    return named


def install(app: Flask) -> None:
    """Have the query of every request checked before its route is run."""
    app.before_request(_check)


def parameter(name: str) -> str | None:
    """The value of a query parameter, or None where it was not given."""
    value: str | None = g.query.get(name)
    return value


def field_filters() -> list[tuple[str, str]]:
    """The filters by fields, as they were given: names and values."""
    filters: list[tuple[str, str]] = g.fields
    return filters


def invalid(name: str, detail: str) -> Problem:
    """The problem of a query parameter with a bad value."""
    return Problem("invalid", f"The query parameter `{name}` is invalid.", errors=[_error(name, detail)])


def choice(name: str, choices: Iterable[str]) -> str | None:
    """The value of a parameter that must be one of ``choices``."""
    value = parameter(name)
    choices = list(choices)
    if value is not None and value not in choices:
        raise invalid(name, f"Expected one of: {', '.join(choices)}.")
    return value


def int_param(name: str, default: int, *, most: int) -> int:
    """The value of a parameter that counts something: at least 1, and more than ``most`` is ``most``."""
    text = parameter(name)
    if text is None:
        return default
    match = re.fullmatch(r"\+?0*(\d*)(?:\.0+)?", text.strip(), re.ASCII)
    if match is None or not match[1]:
        raise invalid(name, f"Expected a whole number from 1 to {most}.")
    return most if len(match[1]) > len(str(most)) else min(int(match[1]), most)


def moment(name: str) -> float | None:
    """The value of a parameter that is a time, in seconds since the epoch."""
    text = parameter(name)
    if text is None:
        return None
    try:
        return parse_moment(text)
    except ValueError:
        raise invalid(name, "Expected a time such as 2026-11-24T02:00:00Z (RFC 3339).") from None


def parse_moment(text: str) -> float:
    """Seconds since the epoch of a time as in RFC 3339; no offset means UTC.

    :raises ValueError: the text is no such time.
    """
    match = _MOMENT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a time as in RFC 3339: {text!r}")
    day, clock, _utc, sign, offset = match.groups()
    zone = f"{'+' if sign == ' ' else sign}{offset}" if offset else "+00:00"
    return datetime.fromisoformat(f"{day}T{clock or '00:00'}{zone}").timestamp()


def _check() -> None:
    if request.environ["PATH_INFO"].startswith("//"):
        raise NotFound  # the router takes any number of leading slashes for one
    view = current_app.view_functions.get(request.endpoint or "")
    if view is None or request.method == "OPTIONS":
        return
    known: tuple[str, ...] = getattr(view, "parameters", ())
    takes_fields = getattr(view, "takes_fields", False)
    g.query, g.fields = {}, []
    errors = []
    for name, value in _pairs():
        if value is not None and name not in known and takes_fields:
            g.fields.append((name, value))
        elif name not in known and not takes_fields:
            takes = f"This route takes: {', '.join(known)}." if known else "This route takes no parameters."
            errors.append(_error(name, f"Unknown parameter. {takes}"))
        elif name in g.query:
            errors.append(_error(name, "Given more than once."))
        elif value is None:
            errors.append(_error(name, "The value is not UTF-8."))
        else:
            g.query[name] = value
    if errors:
        raise Problem("invalid", "The query is invalid; see `errors`.", errors=errors[:100])


def _pairs() -> Iterable[tuple[str, str | None]]:
    for name, value in parse_qsl(request.query_string.decode("latin-1"), keep_blank_values=True, encoding="latin-1"):
        try:
            text = value.encode("latin-1").decode()
        except UnicodeDecodeError:
            text = None
        yield name.encode("latin-1").decode(errors="replace"), text


def _error(name: str, detail: str) -> dict[str, str]:
    return {"parameter": name, "detail": detail}
