"""Values of options: parameters typed by a JSON Schema, filters, pairs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import typer

__all__ = ["read_filters", "read_object", "read_pair", "read_params", "read_where"]

_OPERATORS = ("ne", "lt", "lte", "gt", "gte", "in", "contains")
_PREFIX = "field."
_BOOLEANS = {"true": True, "yes": True, "false": False, "no": False}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def read_pair(text: str, form: str = "NAME=VALUE") -> tuple[str, str]:
    """Return both parts of ``NAME=VALUE``.

    :raises typer.BadParameter: there is no equals sign.
    """
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"{text!r}: expected {form}.")
    return name, value


def read_filters(texts: Iterable[str] | None) -> list[tuple[str, str]]:
    """Return filters as they stand in the address of ``GET /data``."""
    return [read_pair(text, "COLUMN=VALUE or COLUMN.OP=VALUE") for text in texts or ()]


def read_where(texts: Iterable[str] | None) -> dict[str, Any]:
    """Return filters as a job's ``where``; a text that begins with a brace is such an object itself."""
    where: dict[str, Any] = {}
    for text in texts or ():
        if text.lstrip().startswith("{"):
            where |= read_object(text)
            continue
        [(name, value)] = read_filters([text])
        stem, _, operator = name.rpartition(".")
        if operator not in _OPERATORS or not stem.removeprefix(_PREFIX):
            stem, operator = name, ""
        of_column = where.setdefault(stem.removeprefix(_PREFIX), {})
        if operator in ("", "in"):
            of_column["in"] = of_column.get("in", []) + (value.split(",") if operator else [value or None])
        else:
            of_column[operator] = value or None
    return where


def read_object(text: str) -> dict[str, Any]:
    """Return a JSON object, or that of a file: ``@FILE``, ``@-`` for standard input.

    :raises typer.BadParameter: it is not one.
    :raises OSError: the file cannot be read.
    """
    if text.startswith("@"):
        text = sys.stdin.read() if text == "@-" else Path(text[1:]).read_text(encoding="utf-8")
    try:
        value = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text[:60]!r} is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise typer.BadParameter(f"{text[:60]!r} is not a JSON object.")
    return value


def read_params(pairs: Iterable[tuple[str, str]], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return names and values as parameters of the types in the analysis' JSON Schema; a list may be given bit by bit.

    Values that do not read as their type stay text: the API names the error.
    """
    written: dict[str, list[str]] = {}
    for name, value in pairs:
        written.setdefault(name, []).append(value)
    properties, defs = schema.get("properties", {}), schema.get("$defs", {})
    return {name: _typed(values, properties.get(name, {}), defs) for name, values in written.items()}


def _typed(texts: list[str], schema: Mapping[str, Any], defs: Mapping[str, Any]) -> Any:
    schemas = list(_alternatives(schema, defs))
    kinds = {kind for each in schemas for kind in _kinds(each)}
    text = texts[-1]
    is_list = "array" in kinds and (len(texts) > 1 or "," in text or "string" not in kinds)
    match text:
        case _ if not kinds or (text[:1] in ("[", "{") and kinds & {"array", "object"}):
            return _json(text)
        case "null" | "" if "null" in kinds and len(texts) == 1:
            return None
        case _ if "integer" in kinds and re.fullmatch(r"[+-]?\d+", text):
            return int(text)
        case _ if "number" in kinds and _NUMBER.fullmatch(text):
            return float(text)
        case _ if "boolean" in kinds and text.lower() in _BOOLEANS:
            return _BOOLEANS[text.lower()]
        case _ if is_list:
            items = next(each for each in schemas if "array" in _kinds(each)).get("items", {})
            return [_typed([part.strip()], items, defs) for each in texts for part in each.split(",")]
    return text


def _alternatives(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """Iterate over the schemas that a value may have, without references."""
    if "$ref" in schema:
        yield from _alternatives(defs.get(schema["$ref"].rpartition("/")[2], {}), defs)
    for name in ("anyOf", "oneOf", "allOf"):
        for each in schema.get(name, ()):
            yield from _alternatives(each, defs)
    yield schema


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    kind = schema.get("type", [])
    if not kind and ("enum" in schema or "const" in schema):
        values = schema.get("enum", [schema.get("const")])
        return ["string"] if all(isinstance(value, str) for value in values) else []
    return [kind] if isinstance(kind, str) else list(kind)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
