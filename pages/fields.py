"""The fields of a form for values that a JSON Schema describes.

A control's name is the JSON pointer of its value, as in the errors of the API: `/params/compare/column`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from analyses.kit import NUMBERS, TEMPORAL
from web.problems import pointer_to

__all__ = ["Field", "Kind", "make_fields", "to_text"]

Kind = Literal[
    "column", "columns", "choice", "choices", "boolean", "number", "text", "scalar", "lines", "group", "json"
]
"""What a control is for; `scalar` is text or a number, `lines` a list of values, `json` any other value."""

_COLUMN_TYPES: Final[dict[str, tuple[str, ...]]] = {
    "column": ("integer", "number", "boolean", "text", "date", "time"),
    "number-column": NUMBERS,
    "axis-column": (*NUMBERS, *TEMPORAL),
}
_NULL: Final = re.compile(r"\bnull( is| counts| chooses)", re.IGNORECASE)
_SCALARS: Final = {"string", "integer", "number", "boolean"}
_MAX_DEPTH: Final = 3


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form: `pointer` is the name of its control, `options` are the values to choose from.

    `types` are the JSON types of its value, or of the values of a list.
    """

    pointer: str
    name: str
    kind: Kind = "json"
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
        if isinstance(self.default, bool):
            return "yes" if self.default else "no"
        default = int(self.default) if isinstance(self.default, float) and self.default % 1 == 0 else self.default
        return "automatic" if default is None else to_text(default)

    @property
    def help(self) -> str:
        """The description for those who fill in a form, where a field is left empty for null."""
        return self.description if "null" in self.types else _NULL.sub(r"empty\1", self.description)


class _Maker:
    """Makes fields for one schema and one dataset."""

    def __init__(self, defs: Mapping[str, Any], columns: Mapping[str, str]) -> None:
        self._defs = defs
        self._columns = columns

    def members(self, schema: Mapping[str, Any], pointer: str, depth: int) -> tuple[Field, ...]:
        """Return the fields of an object's members."""
        made = []
        for name, member in schema.get("properties", {}).items():
            variants = self._variants(member)
            about = [member, *variants]
            empty = Field(
                pointer + pointer_to(name),
                name,
                description=next((each["description"] for each in about if "description" in each), ""),
                default=member.get("default"),
                required=name in schema.get("required", ()),
                types=frozenset(each.get("type", "") for each in variants),
            )
            made.append(self._of_list(empty, variants) or self._of_one(empty, variants, depth))
        return tuple(made)

    def _of_list(self, empty: Field, variants: Sequence[Mapping[str, Any]]) -> Field | None:
        """Return the field of a list, None if the value is none or has items that no control is for."""
        items = next((each.get("items", {}) for each in variants if each.get("type") == "array"), None)
        if items is None:
            return None
        values = self._variants(items)
        types = frozenset(each.get("type", "") for each in values)
        if len(values) == 1 and values[0].get("format") in _COLUMN_TYPES:
            return replace(empty, kind="columns", options=self._fitting(values[0]))
        if len(values) == 1 and "enum" in values[0]:
            return replace(empty, kind="choices", options=values[0]["enum"])
        if not types or not types <= _SCALARS:
            return None
        return replace(empty, kind="lines", types=types | {"null"} if _may_be_null(items) else types)

    def _of_one(self, empty: Field, variants: Sequence[Mapping[str, Any]], depth: int) -> Field:
        if len(variants) != 1:
            are_scalars = bool(variants) and all(each.get("type") in _SCALARS for each in variants)
            return replace(empty, kind="scalar" if are_scalars else "json")
        [only] = variants
        if only.get("format") in _COLUMN_TYPES:
            return replace(empty, kind="column", options=self._fitting(only))
        if "enum" in only or "const" in only:
            return replace(empty, kind="choice", options=only.get("enum") or [only.get("const")])
        match only.get("type"):
            case "boolean":
                return replace(empty, kind="boolean")
            case "integer" | "number":
                low = only.get("minimum", only.get("exclusiveMinimum"))
                high = only.get("maximum", only.get("exclusiveMaximum"))
                return replace(empty, kind="number", minimum=low, maximum=high)
            case "string":
                return replace(empty, kind="text", max_length=only.get("maxLength"))
        if "properties" in only and depth < _MAX_DEPTH:
            return replace(empty, kind="group", fields=self.members(only, empty.pointer, depth + 1))
        return empty

    def _variants(self, schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Return the alternatives of a schema except null."""
        if "$ref" in schema:
            schema = {**self._defs[schema["$ref"].rpartition("/")[2]], **schema}
        if "anyOf" in schema:
            return [found for each in schema["anyOf"] for found in self._variants(each)]
        types = schema.get("type")
        if isinstance(types, list):
            return [{**schema, "type": each} for each in types if each != "null"]
        return [] if types == "null" else [schema]

    def _fitting(self, schema: Mapping[str, Any]) -> list[str]:
        types = _COLUMN_TYPES[schema["format"]]
        return [name for name, type_ in self._columns.items() if type_ in types]


def make_fields(schema: Mapping[str, Any], columns: Mapping[str, str], pointer: str = "") -> tuple[Field, ...]:
    """Return the fields of an object's members; `columns` are the dataset's, name to type."""
    return _Maker(schema.get("$defs", {}), columns).members(schema, pointer, 0)


def to_text(value: Any) -> str:
    """Return a value as a control holds it: text as it is, other values as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _may_be_null(schema: Mapping[str, Any]) -> bool:
    types = schema.get("type")
    return {"type": "null"} in schema.get("anyOf", ()) or (isinstance(types, list) and "null" in types)
