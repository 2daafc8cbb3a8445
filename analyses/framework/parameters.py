"""The parameters of an analysis: parsed as strict JSON, validated against the dataset, completed with defaults."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.config import JsonDict
from pydantic_core import ErrorDetails, PydanticCustomError, PydanticSerializationError, from_json, to_json

from analyses.framework.columns import NUMBERS, TEMPORAL
from analyses.framework.dataset_columns import DatasetColumns, quote_name, shorten_names

__all__ = [
    "AxisColumn",
    "CategoryColumns",
    "Column",
    "Columns",
    "FirstNumberColumn",
    "InvalidParams",
    "LatitudeColumn",
    "LongitudeColumn",
    "NumberColumn",
    "NumberColumns",
    "Params",
    "Range",
    "bad_column",
    "escape_pointer",
]


class Range(NamedTuple):
    """The least and the greatest value of a column; dates and times in seconds since 1970."""

    low: float
    high: float


class InvalidParams(ValueError):
    """The parameters are invalid; ``errors`` lists ``(JSON pointer below the parameters, remedy)``."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"params{pointer}: {detail}" for pointer, detail in errors))
        self.errors = errors


class Params(BaseModel):
    """Base class of an analysis' parameters: strict JSON, unknown parameters are rejected, numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @classmethod
    def parse(cls, params: Any, columns: Mapping[str, str] | None = None, index: str | None = None) -> Self:
        """Parse posted parameters; ``columns`` maps the dataset's columns to their types, ``index`` names its index.

        Without ``columns``, names of columns are neither validated nor completed. If they are :class:`DatasetColumns`,
        lookups are cached for all calls, and ``index`` is taken from them.

        :raises InvalidParams: with all reasons, at most 100.
        """
        try:
            # By way of JSON, because only for JSON pydantic's strict mode accepts text as a date and a list as a tuple.
            text = to_json(params)
        except PydanticSerializationError as error:
            raise InvalidParams([("", f"cannot be read as JSON: {error}")]) from None
        return cls.parse_text(text, columns, index)

    @classmethod
    def parse_text(cls, text: str | bytes, columns: Mapping[str, str] | None = None, index: str | None = None) -> Self:
        """Parse parameters as :meth:`parse` does, from JSON text."""
        if columns is not None and not isinstance(columns, DatasetColumns):
            columns = DatasetColumns(columns, index)
        context = None if columns is None else {"columns": columns, "index": columns.index}
        text = _with_integers(text)
        try:
            return cls.model_validate_json(text, context=context)
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False, include_input=False)[:_MAX_ERRORS]
            params = from_json(text)
            raise InvalidParams([(_pointer(each, params), cls._detail(each)) for each in details]) from None

    def check_ranges(self, range_of: Callable[[str], Range | None]) -> None:
        """Reject, before a job is queued, parameters that do not fit the ranges of the columns; accepts any by default.

        ``range_of`` returns the range of a column of numbers, dates or times in the job's rows, None if it has none.

        :raises InvalidParams: with the reasons.
        """

    def as_json(self) -> dict[str, Any]:
        """Return all parameters, with defaults, as JSON values."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def _detail(cls, error: ErrorDetails) -> str:
        if error["type"] == "extra_forbidden" and len(error["loc"]) == 1:
            known = ", ".join(field.alias or name for name, field in cls.model_fields.items())
            return f"unknown parameter; there are: {known}" if known else "unknown parameter; this analysis takes none"
        return error["msg"].removeprefix("Value error, ")


def _with_integers(text: str | bytes) -> str | bytes:
    """Return the same JSON with 48.0 as 48: JSON Schema counts both as integers, pydantic only the second."""
    if not _FRACTION.search(text if isinstance(text, str) else text.decode(errors="replace")):
        return text
    try:
        return to_json(_as_integers(from_json(text)))
    except ValueError:
        return text  # the validation reports the error


def _as_integers(value: Any) -> Any:
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= _MAX_EXACT else value
    if isinstance(value, dict):
        return {name: _as_integers(each) for name, each in value.items()}
    return [_as_integers(each) for each in value] if isinstance(value, list) else value


def _pointer(error: ErrorDetails, params: Any) -> str:
    """Return the JSON pointer (RFC 6901) of an error, without the names that pydantic gives to members of a union."""
    pointer, here = "", params
    for position, part in enumerate(error["loc"]):
        found = part in here if isinstance(here, dict) else isinstance(here, list) and isinstance(part, int)
        missing = error["type"] == "missing" and position == len(error["loc"]) - 1
        if found or missing or position == 0:
            pointer += "/" + escape_pointer(str(part)[:_MAX_PART])
            here = here[part] if found else None
    return pointer


def escape_pointer(name: str) -> str:
    """Escape a name for a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def bad_column(detail: str) -> PydanticCustomError:
    """Return the error that a validator raises for a column, with ``detail`` as its message."""
    return PydanticCustomError("column", "{detail}", {"detail": detail})


def _is_column(name: str, info: ValidationInfo) -> str:
    if info.context is not None and name not in (columns := info.context["columns"]):
        raise bad_column(f"the dataset has no column {quote_name(name)}; it has: {shorten_names(columns)}")
    return name


def _of(types: tuple[str, ...], words: str) -> Callable[[str, ValidationInfo], str]:
    """Return a validator for columns of these types; ``words`` names the types in messages."""

    def check(name: str, info: ValidationInfo) -> str:
        _is_column(name, info)
        if info.context is not None and (kind := info.context["columns"][name]) not in types:
            fitting = shorten_names(info.context["columns"].of_types(types))
            raise bad_column(f"column {quote_name(name)} holds {kind}, not {words}; columns of {words}: {fitting}")
        return name

    return check


class _Known(NamedTuple):
    """The input for choosing defaults: the dataset's columns, and the values of the preceding parameters."""

    columns: DatasetColumns
    taken: Mapping[str, Any]


def _default_from_dataset(choose: Callable[[_Known], Any]) -> WrapValidator:
    """Return a validator that replaces null by the result of ``choose``, if the dataset is known."""

    def fill_in(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        if value is None:
            if info.context is None:
                return None
            value = choose(_Known(info.context["columns"], info.data))
        return handler(value)

    return WrapValidator(fill_in)


def _optional_column(description: str, format_: str) -> Any:
    """Return the field of an optional column."""
    extra: JsonDict = {"type": ["string", "null"], "format": format_}
    return Field(default=None, validate_default=True, description=description, json_schema_extra=extra)


def _first_number(known: _Known) -> str:
    numbers = known.columns.likely(NUMBERS)
    if not numbers:
        raise bad_column(f"the dataset has no column of numbers; it has: {shorten_names(known.columns)}")
    return next((name for name in numbers if name not in known.taken.values()), numbers[0])


def _axis(known: _Known) -> str:
    index = known.columns.index
    if index is not None and known.columns.get(index) in NUMBERS + TEMPORAL:
        return index
    fitting = known.columns.likely(TEMPORAL) or known.columns.likely(NUMBERS)
    if not fitting:
        raise bad_column(
            f"the dataset has no column of numbers, dates or times; it has: {shorten_names(known.columns)}"
        )
    return fitting[0]


def _categories(known: _Known) -> list[str]:
    for types in (("text",), ("boolean",), ("integer", "date", "number", "time")):
        if found := known.columns.likely(types):
            return found[:1]
    raise bad_column("the dataset has no columns")


def _all_numbers(known: _Known) -> list[str]:
    numbers = known.columns.likely(NUMBERS)
    if len(numbers) < 2:
        raise bad_column(f"two columns of numbers are needed; there are: {shorten_names(numbers)}")
    return numbers[:_MOST_NUMBERS]


_LONGITUDES: Final = ("longitude", "lon", "lng", "long")
_LATITUDES: Final = ("latitude", "lat")


def _column_named(words: tuple[str, ...], others: tuple[str, ...]) -> Callable[[_Known], str]:
    """Return a function that finds the column of numbers named by one of ``words``, or paired with ``others``."""

    def choose(known: _Known) -> str:
        found = known.columns.called(words, NUMBERS) or known.columns.paired(words, others, NUMBERS)
        if not found:
            numbers = shorten_names(known.columns.of_types(NUMBERS))
            raise bad_column(f"no column of numbers is called {' or '.join(words)}: name one; there are: {numbers}")
        return found[0]

    return choose


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _are_distinct(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise bad_column("a column is named twice")
    return names


def _without_repeats(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))


_MOST_NUMBERS = 50
_MOST_COLUMNS = 1000
_MAX_ERRORS = 100
_MAX_PART = 80
_MAX_EXACT = 2**53
_FRACTION = re.compile(r"\d[.eE]")

Column = Annotated[
    str,
    AfterValidator(_is_column),
    Field(description="A column of the dataset.", json_schema_extra={"format": "column"}),
]
Columns = Annotated[
    list[Column],
    Field(min_length=1, max_length=_MOST_COLUMNS),
    AfterValidator(_without_repeats),
]
NumberColumn = Annotated[
    str,
    AfterValidator(_of(NUMBERS, "numbers")),
    Field(description="A column of numbers of the dataset.", json_schema_extra={"format": "number-column"}),
]

# Optional columns; those that a preceding parameter uses are skipped.
FirstNumberColumn = Annotated[
    str,
    AfterValidator(_of(NUMBERS, "numbers")),
    _default_from_dataset(_first_number),
    _optional_column(
        "The column of numbers; null is the first one that does not look like an identifier.", "number-column"
    ),
]
AxisColumn = Annotated[
    str,
    AfterValidator(_of(NUMBERS + TEMPORAL, "numbers, dates or times")),
    _default_from_dataset(_axis),
    _optional_column(
        "A column of numbers, dates or times; null is the dataset's index, or where that is none of these the first "
        "column of dates or times, else of numbers.",
        "axis-column",
    ),
]
LongitudeColumn = Annotated[
    str,
    AfterValidator(_of(NUMBERS, "numbers")),
    _default_from_dataset(_column_named(_LONGITUDES, _LATITUDES)),
    _optional_column(
        "The column of longitudes in degrees east; null is the one named longitude, lon, lng or long, or ending so.",
        "number-column",
    ),
]
LatitudeColumn = Annotated[
    str,
    AfterValidator(_of(NUMBERS, "numbers")),
    _default_from_dataset(_column_named(_LATITUDES, _LONGITUDES)),
    _optional_column(
        "The column of latitudes in degrees north; null is the one named latitude or lat, or ending so.",
        "number-column",
    ),
]
CategoryColumns = Annotated[
    list[Column],
    Field(min_length=1, max_length=2),
    AfterValidator(_are_distinct),
    BeforeValidator(_as_list),
    _default_from_dataset(_categories),
    Field(
        default=None,
        validate_default=True,
        description="One or two columns to group by; null is the first column of text, except identifiers.",
        json_schema_extra={"type": ["array", "string", "null"]},
    ),
]
NumberColumns = Annotated[
    list[NumberColumn],
    Field(min_length=2, max_length=_MOST_NUMBERS),
    AfterValidator(_are_distinct),
    _default_from_dataset(_all_numbers),
    Field(
        default=None,
        validate_default=True,
        description=f"2 to {_MOST_NUMBERS} columns of numbers; null is all that do not look like identifiers "
        f"(the first {_MOST_NUMBERS} of them).",
        json_schema_extra={"type": ["array", "null"]},
    ),
]
