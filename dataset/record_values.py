"""Records as clients send them: their members are converted to the types that the dataset's columns have.

Objects within a record are read as the columns `a.b`; lists and objects become JSON text in a column of text.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import polars as pl

from dataset.errors import Path, quoted
from dataset.formats.columns import to_json_text
from dataset.load_options import LoadOptions
from dataset.types.column_types import infer_types
from dataset.types.missing import blank_texts, missing_texts
from dataset.types.type_inference import COLUMN_TYPES, TIME, parse_number, parse_temporal

__all__ = ["RecordReader", "parse_text"]

_BOOLEANS: Final = {"true": True, "false": False, "yes": True, "no": False}
_NO_OPTIONS: Final = LoadOptions()
_BLANK: Final = blank_texts(_NO_OPTIONS)
_MISSING: Final = missing_texts(_NO_OPTIONS)
_NARROWER: Final[dict[pl.DataType | type[pl.DataType], type[pl.DataType]]] = {pl.Float64: pl.Int64}
_INT64: Final = range(-(2**63), 2**63)
_TIMES: Final = range(-62_135_596_800_000_000, 253_402_300_800_000_000)
"""Microseconds from the year 1 to 9999."""
_MAX_ERRORS: Final = 100
_EXPECTED: Final = {
    "integer": "an integer of 64 bits",
    "number": "a number",
    "boolean": "true or false",
    "text": "text",
    "date": "a date such as 2018-02-03",
    "time": "a time such as 2018-02-03T04:05:06Z",
}


def parse_text(text: str, dtype: pl.DataType | type[pl.DataType]) -> Any:
    """Return the physical value of this type that the text reads as, or None."""
    if dtype == pl.String:
        return text if _is_unicode(text) else None
    if text != text.strip():
        return None
    if dtype == pl.Boolean:
        return _BOOLEANS.get(text.lower())
    if dtype in (pl.Int64, pl.Float64):
        number = parse_number(text)
        return _from_number(number, dtype) if isinstance(number, int) or dtype == pl.Float64 else None
    kind, value = parse_temporal(text) or ("", 0)
    if kind:
        return value if kind == COLUMN_TYPES[dtype] and (dtype != TIME or value in _TIMES) else None
    return None


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


class RecordReader:
    """Reads the records of one request; `errors` collects what is wrong with them, at most a hundred faults."""

    def __init__(self, schema: Mapping[str, pl.DataType]) -> None:
        self.errors: list[tuple[Path, str]] = []
        self._schema = schema
        self._objects = {name[:dot] for name in schema for dot, letter in enumerate(name) if letter == "."}

    @property
    def is_full(self) -> bool:
        """Whether there are so many errors that the others need not be found."""
        return len(self.errors) >= _MAX_ERRORS

    def read(self, record: Any, path: Path) -> dict[str, Any]:
        """Return the physical values of the members that the record has; `path` leads to it."""
        if not isinstance(record, dict):
            self.errors.append((path, "Expected an object: a record."))
            return {}
        values = {}
        for column, value, where in self._members(record, path, ""):
            dtype = self._schema[column]
            values[column] = physical = _to_physical(value, dtype)
            if physical is None and not _is_missing(value, dtype):
                kind = COLUMN_TYPES[dtype]
                self.errors.append((where, f"{quoted(value)} is not of the column's type: send {_EXPECTED[kind]}."))
        return values

    def _members(self, record: dict[str, Any], path: Path, prefix: str) -> Iterator[tuple[str, Any, Path]]:
        for member, value in record.items():
            column, where = prefix + member, (*path, member)
            if column in self._schema:
                yield column, value, where
            elif column in self._objects and isinstance(value, dict):
                yield from self._members(value, where, f"{column}.")
            elif column in self._objects and value is None:
                yield from ((name, None, where) for name in self._schema if name.startswith(f"{column}."))
            elif not self.is_full:
                known = ", ".join(map(quoted, [*self._schema][:20]))
                self.errors.append((where, f"Unknown member; the columns are {known}."))


def _is_missing(value: Any, dtype: pl.DataType) -> bool:
    if isinstance(value, str):
        return value.strip(" \t") in (_BLANK if dtype == pl.String else _MISSING)
    return value is None


def _to_physical(value: Any, dtype: pl.DataType) -> Any:
    """Return the value as one of this type, or None."""
    if _is_missing(value, dtype):
        return None
    match value:
        case str():
            return value if dtype == pl.String else _read_text(value.strip(" \t"), dtype)
        case bool():
            return value if dtype == pl.Boolean else None
        case int() | float():
            return _from_number(value, dtype)
    return to_json_text(value) if dtype == pl.String else None


def _read_text(text: str, dtype: pl.DataType) -> Any:
    """Return the physical value that the text has in a column of this type, as in a file that is loaded."""
    value = parse_text(text, dtype)
    if value is None and dtype != pl.Boolean:
        frame = pl.DataFrame({"value": [text]})
        infer_types(frame, _NO_OPTIONS)
        found = frame["value"]
        value = found.cast(dtype).to_physical().item() if found.dtype in (dtype, _NARROWER.get(dtype)) else None
    return value


def _from_number(number: float | None, dtype: pl.DataType | type[pl.DataType]) -> Any:
    if number is None:
        return None
    if dtype == pl.Int64:
        is_whole = isinstance(number, int) or number.is_integer()
        return int(number) if is_whole and int(number) in _INT64 else None
    if dtype != pl.Float64:
        return None
    try:
        return float(number) if math.isfinite(number) else None
    except OverflowError:
        return None
