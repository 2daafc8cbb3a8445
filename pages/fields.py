"""Form fields of JSON Schemas: which there are, the values that a form sends for them, and their values in a form.

A control's name is the JSON pointer of its value, as in the errors of the API: `/params/compare/column`. A field that is
left empty is absent from the value, so that its default applies.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from analyses.kit import NUMBERS, TEMPORAL
from web.problems import pointer_to

__all__ = ["ABSENT", "Field", "Form", "join_texts", "make_fields", "read_field", "split_texts", "to_text", "to_value", "write_field"]

Form = dict[str, list[str]]
"""The values of the controls by name."""

Kind = Literal["column", "columns", "choice", "choices", "boolean", "number", "text", "scalar", "lines", "group", "json"]

ABSENT: Final = object()
"""The value of a field that is left empty."""

MISSING: Final = "#missing"
"""The ending of the control that adds the missing value to a list of values; no pointer has a `#`-only part."""

_COLUMN_TYPES: Final[dict[str, tuple[str, ...]]] = {
    "column": ("integer", "number", "boolean", "text", "date", "time"),
    "number-column": NUMBERS,
    "axis-column": (*NUMBERS, *TEMPORAL),
}
_NUMBER: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_SCALARS: Final = {"string", "integer", "number", "boolean"}
_MAX_DEPTH: Final = 3
_MAX_DIGITS: Final = 300


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form: `pointer` is the name of its control, `options` are the values to choose from."""

    pointer: str
    name: str
    kind: Kind
    description: str = ""
    default: Any = None
    required: bool = False
    options: Sequence[Any] = ()
    types: frozenset[str] = frozenset()
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None
    fields: tuple[Field, ...] = field(default=())

    @property
    def step(self) -> str:
        """The step of a number's control."""
        return "1" if self.types == {"integer"} else "any"

    @property
    def shown_default(self) -> str:
        """The default as text, or what an empty field means."""
        return "automatic" if self.default is None else to_text(self.default)


def make_fields(schema: Mapping[str, Any], columns: Mapping[str, str], pointer: str = "") -> tuple[Field, ...]:
    """Return the fields of an object's members; `columns` are the dataset's, name to type."""
    return _members(schema, schema.get("$defs", {}), columns, pointer, 0)


def _members(
    schema: Mapping[str, Any], defs: Mapping[str, Any], columns: Mapping[str, str], pointer: str, depth: int
) -> tuple[Field, ...]:
    required = schema.get("required", ())
    return tuple(
        _make_field(name, member, name in required, defs, columns, pointer + pointer_to(name), depth)
        for name, member in schema.get("properties", {}).items()
    )


def _make_field(
    name: str,
    schema: Mapping[str, Any],
    required: bool,
    defs: Mapping[str, Any],
    columns: Mapping[str, str],
    pointer: str,
    depth: int,
) -> Field:
    variants = _variants(schema, defs)
    description, default = schema.get("description", ""), schema.get("default")

    def make(kind: Kind, about: Mapping[str, Any], **members: Any) -> Field:
        members["types"] = frozenset(each.get("type", "") for each in variants)
        return Field(pointer, name, kind, description or about.get("description", ""), default, required, **members)

    for each in variants:
        if each.get("type") == "array" and (kind_and_options := _list_kind(each.get("items", {}), defs, columns)):
            kind, options, types = kind_and_options
            made = make(kind, each, options=options)
            return made if kind != "lines" else Field(**_slots(made) | {"types": types})
    [first, *others] = variants or [{}]
    if not others:
        if first.get("format") in _COLUMN_TYPES:
            return make("column", first, options=_fitting(first, columns))
        if "enum" in first or "const" in first:
            return make("choice", first, options=first.get("enum") or [first["const"]])
        if first.get("type") == "boolean":
            return make("boolean", first)
        if first.get("type") in ("integer", "number"):
            low, high = first.get("minimum", first.get("exclusiveMinimum")), first.get("maximum")
            return make("number", first, minimum=low, maximum=first.get("exclusiveMaximum", high))
        if first.get("type") == "string":
            return make("text", first, max_length=first.get("maxLength"))
        if "properties" in first and depth < _MAX_DEPTH:
            return make("group", first, fields=_members(first, defs, columns, pointer, depth + 1))
    elif all(each.get("type") in _SCALARS for each in variants):
        return make("scalar", first)
    return make("json", first)


def _slots(made: Field) -> dict[str, Any]:
    return {name: getattr(made, name) for name in made.__slots__}


def _variants(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the alternatives of a schema except null."""
    if "$ref" in schema:
        schema = {**defs[schema["$ref"].rpartition("/")[2]], **schema}
    if "anyOf" in schema:
        return [found for each in schema["anyOf"] for found in _variants(each, defs)]
    types = schema.get("type")
    if isinstance(types, list):
        return [{**schema, "type": each} for each in types if each != "null"]
    return [] if types == "null" else [schema]


def _list_kind(
    items: Mapping[str, Any], defs: Mapping[str, Any], columns: Mapping[str, str]
) -> tuple[Kind, Sequence[Any], frozenset[str]] | None:
    variants = _variants(items, defs)
    types = frozenset(each.get("type", "") for each in variants)
    if len(variants) == 1 and variants[0].get("format") in _COLUMN_TYPES:
        return "columns", _fitting(variants[0], columns), types
    if len(variants) == 1 and "enum" in variants[0]:
        return "choices", variants[0]["enum"], types
    if not types or not types <= _SCALARS:
        return None
    is_optional = {"type": "null"} in items.get("anyOf", ())
    return "lines", (), types | {"null"} if is_optional else types


def _fitting(schema: Mapping[str, Any], columns: Mapping[str, str]) -> list[str]:
    types = _COLUMN_TYPES[schema["format"]]
    return [name for name, type_ in columns.items() if type_ in types]


# From a form to a value


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


# From a value to a form


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


def to_text(value: Any) -> str:
    """Return a value as a control holds it: text as it is, other values as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


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
