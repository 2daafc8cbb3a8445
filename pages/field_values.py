"""The values of form fields: those that a form sends, as JSON values, and JSON values as a form shows them.

A field that is left empty is absent from the value, so that its default applies.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pages.fields import Field, to_text

__all__ = ["ABSENT", "MISSING", "Form", "join_texts", "read_field", "split_texts", "to_value", "write_field"]

Form = dict[str, list[str]]
"""The values of the controls by name."""

ABSENT: Final = object()
"""The value of a field that is left empty."""

MISSING: Final = "#missing"
"""The ending of the name of the control that adds the missing value to a list of values."""

_NUMBER: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_MAX_DIGITS: Final = 300


def read_field(each: Field, form: Form, columns: Mapping[str, str]) -> Any:
    """Return the value of a field, ABSENT if it is left empty; text that is not of its type stays text."""
    texts = form.get(each.pointer, [])
    match each.kind:
        case "group":
            return _read_group(each, form, columns)
        case "columns":
            return [text for text in texts if text] or ABSENT
        case "choices":
            chosen = [text for text in texts if text]
            return [_option(each, text) for text in chosen] or ABSENT
        case "lines":
            return _read_lines(each, form, each.types)
    text = texts[-1] if texts else ""
    if each.kind in ("number", "scalar"):
        text = text.strip()
    if text == "":
        return ABSENT
    match each.kind:
        case "choice":
            return _option(each, text)
        case "boolean":
            return {"true": True, "false": False}.get(text, text)
        case "number" | "scalar":
            return to_value(text, each.types)
        case "json":
            return _parse_json(text)
    return text


def _read_group(group: Field, form: Form, columns: Mapping[str, str]) -> Any:
    """Return the object of a group. Values beside the choice of a column are of this column's type."""
    found: dict[str, Any] = {}
    for each in group.fields:
        value = read_field(each, form, columns)
        if each.kind == "lines" and (types := _types_of_column(group, form, columns)):
            value = _read_lines(each, form, types)
        if value is not ABSENT:
            found[each.name] = value
    return found or ABSENT


def _types_of_column(group: Field, form: Form, columns: Mapping[str, str]) -> frozenset[str]:
    for each in group.fields:
        if each.kind == "column" and (names := form.get(each.pointer)) and names[-1] in columns:
            return frozenset({columns[names[-1]]})
    return frozenset()


def _read_lines(each: Field, form: Form, types: frozenset[str]) -> Any:
    lines = "\n".join(form.get(each.pointer, [])).replace("\r\n", "\n").split("\n")
    found = [to_value(_unquote(line), types) for line in lines if line]
    if form.get(each.pointer + MISSING):
        found.append(None)
    return found or ABSENT


def to_value(text: str, types: Iterable[str]) -> Any:
    """Return a text as a number or a boolean if it reads as one of these types, else the text."""
    kinds = set(types)
    if text in ("true", "false") and "boolean" in kinds and "string" not in kinds:
        return text == "true"
    if kinds & {"integer", "number"} and _NUMBER.fullmatch(text) and len(text) <= _MAX_DIGITS:
        number = json.loads(text)
        return number if abs(number) < float("inf") else text
    return text


def _option(each: Field, text: str) -> Any:
    return {to_text(option): option for option in each.options}.get(text, text)


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=lambda name: text)
    except (ValueError, RecursionError):
        return text


def write_field(each: Field, value: Any) -> Form:
    """Return the values of a field's controls for a value, so that `read_field` returns it again."""
    if value is None or value is ABSENT:
        return {}
    if each.kind == "group" and isinstance(value, dict):
        written: Form = {}
        for member in each.fields:
            written |= write_field(member, value.get(member.name))
        return written
    values = value if isinstance(value, list) else [value]
    match each.kind:
        case "columns" | "choices":
            return {each.pointer: [to_text(each) for each in values]}
        case "lines":
            lines = "\n".join(_quote(to_text(value)) for value in values if value is not None)
            return {each.pointer: [lines]} | ({each.pointer + MISSING: ["yes"]} if None in values else {})
        case "json":
            return {each.pointer: [json.dumps(value, ensure_ascii=False)]}
    return {each.pointer: [to_text(value)]}


def _quote(line: str) -> str:
    """Return a value as one line: as JSON if it has line ends or begins like JSON text."""
    return json.dumps(line, ensure_ascii=False) if not line or line[0] == '"' or re.search(r"[\r\n]", line) else line


def _unquote(line: str) -> str:
    if line.startswith('"'):
        found = _parse_json(line)
        return found if isinstance(found, str) else line
    return line


def split_texts(text: str) -> list[str]:
    """Split texts at their commas; one that has a comma is in double quotes, as in CSV."""
    rows = list(csv.reader([text.replace("\r", " ").replace("\n", " ")], skipinitialspace=True))
    return [found for part in (rows[0] if rows else []) if (found := part.strip())]


def join_texts(texts: Iterable[str]) -> str:
    """Return texts as `split_texts` reads them."""
    return ", ".join(_csv_cell(text) for text in texts)


def _csv_cell(text: str) -> str:
    if re.search(r'[",\r\n]|^\s|\s$', text):
        return '"' + text.replace('"', '""') + '"'
    return text
