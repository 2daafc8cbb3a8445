"""The options of a load: how to read what a file leaves open. A clean file needs none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, get_args

from dataset.errors import InvalidDataset, quoted
from dataset.types.type_inference import ColumnType

__all__ = ["OPTION_NAMES", "TYPE_PREFIX", "LoadOptions"]

TYPE_PREFIX: Final = "type."
"""The beginning of an option that names a column's type: `type.COLUMN`."""

_MAX_SKIPPED: Final = 1_000_000
_DECIMALS: Final = (".", ",")
_THOUSANDS: Final = ("", ",", ".", "'", "\u2019", " ", "\u00a0", "\u2009", "\u202f")


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """The options of one load, None where the client gave none.

    An empty `id` is the row number. `header` is yes, no, or only (there are no rows). `dates` is the order of day,
    month and year. `list` is the JSON pointer of the records, `types` the type of each column that is named.
    """

    id: str | None = None
    index: str | None = None
    empty: bool = False
    skip: int | None = None
    header: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    comment: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    missing: tuple[str, ...] | None = None
    dates: str | None = None
    list: str | None = None
    member: str | None = None
    sheet: str | None = None
    types: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_query(cls, parameters: Mapping[str, str]) -> LoadOptions:
        """Parse query parameters. Raises InvalidDataset with the parameter at fault."""
        members: dict[str, Any] = {}
        types: dict[str, str] = {}
        for name, text in parameters.items():
            if name.startswith(TYPE_PREFIX):
                types[name.removeprefix(TYPE_PREFIX)] = _one_of(*get_args(ColumnType))(name, text)
            else:
                members[name] = _PARSERS.get(name, _as_is)(name, text)
        if members.get("thousands") and members["thousands"] == members.get("decimal"):
            raise InvalidDataset("Expected another character than ?decimal=.", "thousands")
        return cls(**members, types=types)

    def as_json(self) -> dict[str, Any]:
        """Return the options that were given."""
        return {name: value for name, value in asdict(self).items() if value is not None and value not in (False, {})}

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> LoadOptions:
        """Create the options from the result of `as_json`."""
        missing = members.get("missing")
        return cls(**{**members, "missing": None if missing is None else tuple(missing)})


def _as_is(name: str, text: str) -> str:
    return text


def _one_of(*values: str) -> Callable[[str, str], str]:
    def parse(name: str, text: str) -> str:
        if text.lower() not in values:
            raise InvalidDataset(f"Expected one of: {', '.join(values)}; not {quoted(text)}.", name)
        return text.lower()

    return parse


def _yes_or_no(name: str, text: str) -> bool:
    return _one_of("yes", "no")(name, text) == "yes"


def _count(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_MAX_SKIPPED)) and int(text) <= _MAX_SKIPPED):
        raise InvalidDataset(f"Expected a number of lines from 0 to {_MAX_SKIPPED:,}, not {quoted(text)}.", name)
    return int(text)


def _character(name: str, text: str) -> str:
    text = {"tab": "\t", "\\t": "\t", "space": " "}.get(text.lower(), text)
    if len(text) != 1 or text in "\r\n\0":
        raise InvalidDataset(f"Expected a single character, or `tab`; not {quoted(text)}.", name)
    return text


def _optional_character(name: str, text: str) -> str:
    """Return a character, or the empty text for "there is none"."""
    return text and _character(name, text)


def _decimal(name: str, text: str) -> str:
    if text not in _DECIMALS:
        raise InvalidDataset(f"Expected a point or a comma, not {quoted(text)}.", name)
    return text


def _thousands(name: str, text: str) -> str:
    text = text and _character(name, text)
    if text not in _THOUSANDS:
        raise InvalidDataset(
            f"Expected a comma, a point, an apostrophe, a space (`space`) or nothing, not {quoted(text)}.", name
        )
    return text


def _texts(name: str, text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


_PARSERS: Final[dict[str, Callable[[str, str], Any]]] = {
    "empty": _yes_or_no,
    "skip": _count,
    "header": _one_of("yes", "no", "only"),
    "delimiter": _character,
    "quote": _optional_character,
    "comment": _optional_character,
    "decimal": _decimal,
    "thousands": _thousands,
    "missing": _texts,
    "dates": _one_of("dmy", "mdy", "ymd"),
}

OPTION_NAMES: Final = tuple(name for name in LoadOptions.__slots__ if name != "types")
"""The query parameters of a load, apart from `type.COLUMN`."""
