"""Query parameters: the names that a route accepts, and their values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar
from urllib.parse import parse_qsl

from flask import Flask, current_app, g, request
from werkzeug.exceptions import NotFound

from web.problems import Problem
from web.routing import current_globals, current_request

__all__ = [
    "enum_param",
    "field_filters",
    "given_parameters",
    "install",
    "int_param",
    "invalid",
    "parameter",
    "parameters",
    "parse_timestamp",
    "timestamp_param",
]

_View = TypeVar("_View", bound=Callable[..., object])

# RFC 3339; also a bare date (midnight), no offset (UTC), and a blank, as which an unescaped `+` arrives.
_TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(?:([Zz])|([ +-])(\d\d:\d\d))?)?", re.ASCII
)


def parameters(*names: str, prefix: str | None = None, fields: bool = False) -> Callable[[_View], _View]:
    """Declare the query parameters of a route; any other parameter, and a repeated one, is rejected.

    With ``prefix``, names that begin with it are accepted too; with ``fields``,
    all others are filters by fields of the dataset, which the route validates.
    """

    def declare(view: _View) -> _View:
        view.parameters = names  # type: ignore[attr-defined]
        view.prefix = prefix  # type: ignore[attr-defined]
        view.takes_fields = fields  # type: ignore[attr-defined]
        return view

    return declare


def install(app: Flask) -> None:
    """Validate the query of each request before its route runs."""
    app.before_request(_check)


def parameter(name: str) -> str | None:
    """Return the value of a query parameter, or None if it is absent."""
    value: str | None = g.query.get(name)
    return value


def given_parameters() -> dict[str, str]:
    """Return the values of all query parameters that the route declares and the client sent."""
    values: dict[str, str] = g.query
    return values


def field_filters() -> list[tuple[str, str]]:
    """Return the filters by fields: names and values."""
    filters: list[tuple[str, str]] = g.fields
    return filters


def invalid(name: str, detail: str) -> Problem:
    """Return the problem of a query parameter with an invalid value."""
    return Problem("invalid", f"The query parameter `{name}` is invalid.", errors=[_error(name, detail)])


def enum_param(name: str, values: Iterable[str]) -> str | None:
    """Return the value of a parameter that must be one of ``values``.

    :raises Problem: invalid.
    """
    value = parameter(name)
    allowed = list(values)
    if value is not None and value not in allowed:
        raise invalid(name, f"Expected one of: {', '.join(allowed)}.")
    return value


def int_param(name: str, default: int, *, least: int = 1, most: int) -> int:
    """Return the value of a parameter that is a count: at least ``least``; values above ``most`` become ``most``.

    :raises Problem: invalid.
    """
    text = parameter(name)
    if text is None:
        return default
    match = re.fullmatch(r"\+?0*(\d+)(?:\.0+)?", text.strip(), re.ASCII)
    if match is None or int(match[1][:1]) < least:
        raise invalid(name, f"Expected a whole number from {least} to {most}.")
    return most if len(match[1]) > len(str(most)) else min(int(match[1]), most)


def timestamp_param(name: str) -> float | None:
    """Return the value of a parameter that is a time, in seconds since the epoch.

    :raises Problem: invalid.
    """
    text = parameter(name)
    if text is None:
        return None
    try:
        return parse_timestamp(text)
    except ValueError:
        raise invalid(name, "Expected a time such as 2026-11-24T02:00:00Z (RFC 3339).") from None


def parse_timestamp(text: str) -> float:
    """Parse a time (RFC 3339; without an offset, UTC) into seconds since the epoch.

    :raises ValueError: the text is not such a time.
    """
    match = _TIMESTAMP.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a time as in RFC 3339: {text!r}")
    day, clock, _utc, sign, offset = match.groups()
    zone = f"{'+' if sign == ' ' else sign}{offset}" if offset else "+00:00"
    return datetime.fromisoformat(f"{day}T{clock or '00:00'}{zone}").timestamp()


def _check() -> None:
    request, values = current_request(), current_globals()
    if request.environ["PATH_INFO"].startswith("//"):
        raise NotFound  # the router would treat several leading slashes as one
    view = current_app.view_functions.get(request.endpoint or "")
    if view is None or request.method == "OPTIONS":
        return
    known: tuple[str, ...] = getattr(view, "parameters", ())
    takes_fields = getattr(view, "takes_fields", False)
    prefix: str | None = getattr(view, "prefix", None)
    values.query, values.fields = {}, []
    if not request.query_string:
        return
    errors = []
    for name, value in _pairs():
        if value is not None and name not in known and takes_fields:
            g.fields.append((name, value))
        elif name not in known and not takes_fields and not (prefix and name.startswith(prefix)):
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
