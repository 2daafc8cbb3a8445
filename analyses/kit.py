"""What an analysis is written with: parameters, columns, the outcome, plots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Annotated, Any, Protocol, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo
from pydantic_core import ErrorDetails, PydanticCustomError, PydanticSerializationError, from_json, to_json

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "Column",
    "InvalidParams",
    "NumberColumn",
    "Outcome",
    "Params",
    "Progress",
    "bad_column",
    "new_plot",
    "plain",
    "to_text",
]

_NUMBERS = ("integer", "number")


class InvalidParams(ValueError):
    """The parameters are refused; ``errors`` lists ``(JSON pointer below the parameters, what to do)``."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"params{pointer}: {detail}" for pointer, detail in errors))
        self.errors = errors


class Params(BaseModel):
    """Base of an analysis' parameters: read as strict JSON, unknown ones are refused, values are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @classmethod
    def parse(cls, params: Any, columns: Mapping[str, str] | None = None) -> Self:
        """Read what a client posted; ``columns`` maps the dataset's columns to their types.

        Without ``columns`` the names of columns are not checked.

        :raises InvalidParams: with every reason, not only the first.
        """
        try:
            # Through JSON, because only there strictness lets text be a date, a list a tuple.
            text = to_json(params)
        except PydanticSerializationError as error:
            raise InvalidParams([("", f"cannot be read as JSON: {error}")]) from None
        return cls.parse_text(text, columns)

    @classmethod
    def parse_text(cls, text: str | bytes, columns: Mapping[str, str] | None = None) -> Self:
        """Likewise, from JSON text."""
        try:
            return cls.model_validate_json(text, context=None if columns is None else {"columns": columns})
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False, include_input=False)
            params = from_json(text)
            raise InvalidParams([(_pointer(each, params), cls._detail(each)) for each in details]) from None

    def as_json(self) -> dict[str, Any]:
        """All of them, defaults included, fit for JSON."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def _detail(cls, error: ErrorDetails) -> str:
        if error["type"] == "extra_forbidden" and len(error["loc"]) == 1:
            known = ", ".join(field.alias or name for name, field in cls.model_fields.items())
            return f"unknown parameter; there are: {known}" if known else "unknown parameter; this analysis takes none"
        return error["msg"].removeprefix("Value error, ")


def _pointer(error: ErrorDetails, params: Any) -> str:
    """The JSON pointer (RFC 6901) of what is wrong, without the names that pydantic gives to a union's members."""
    pointer, here = "", params
    for position, part in enumerate(error["loc"]):
        found = part in here if isinstance(here, dict) else isinstance(here, list) and isinstance(part, int)
        missing = error["type"] == "missing" and position == len(error["loc"]) - 1
        if found or missing or position == 0:
            pointer += "/" + str(part).replace("~", "~0").replace("/", "~1")
            here = here[part] if found else None
    return pointer


def bad_column(detail: str) -> PydanticCustomError:
    """The error that a validator raises to say ``detail`` about a column."""
    return PydanticCustomError("column", "{detail}", {"detail": detail})


def _is_column(name: str, info: ValidationInfo) -> str:
    if info.context is not None and name not in info.context["columns"]:
        raise bad_column(f"the dataset has no column {name!r}; it has: {', '.join(info.context['columns'])}")
    return name


def _is_number_column(name: str, info: ValidationInfo) -> str:
    _is_column(name, info)
    if info.context is not None and (kind := info.context["columns"][name]) not in _NUMBERS:
        numbers = ", ".join(each for each, type_ in info.context["columns"].items() if type_ in _NUMBERS)
        raise bad_column(f"column {name!r} holds {kind}, not numbers; columns of numbers: {numbers or 'none'}")
    return name


Column = Annotated[
    str,
    AfterValidator(_is_column),
    Field(description="A column of the dataset.", json_schema_extra={"format": "column"}),
]
NumberColumn = Annotated[
    str,
    AfterValidator(_is_number_column),
    Field(description="A column of numbers of the dataset.", json_schema_extra={"format": "number-column"}),
]


class Progress(Protocol):
    """``progress(fraction, message)``: how far the analysis is, 0 to 1, and in words what it is at."""

    def __call__(self, fraction: float, message: str | None = None) -> None: ...


@dataclass(slots=True)
class Outcome:
    """What an analysis returns when it has more to give than a result.

    A figure named ``plot`` becomes ``plot.png`` and ``plot.svg``, a table named ``table`` becomes ``table.csv``.
    """

    result: dict[Any, Any]
    figures: dict[str, Figure] = field(default_factory=dict)
    tables: dict[str, pl.DataFrame] = field(default_factory=dict)


def new_plot(title: str, x: str, y: str, *, width: float = 8.0, height: float = 4.5) -> tuple[Figure, Axes]:
    """A figure of ``width`` by ``height`` inches and its axes, with their title and labels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    # A dollar sign in a column's name is no formula.
    axes.set_title(plain(title), parse_math=False)
    axes.set_xlabel(plain(x), parse_math=False)
    axes.set_ylabel(plain(y), parse_math=False)
    return figure, axes


def plain(text: str, length: int = 60) -> str:
    """``text`` as it can be printed in a plot: one line of ``length`` characters at most."""
    text = "".join(each if each.isprintable() else " " for each in text)
    return text if len(text) <= length else text[: length - 1] + "…"


def to_text(moment: date | time) -> str:
    """A date, a time of day or a point in time (RFC 3339, UTC, milliseconds) as the API prints it."""
    if not isinstance(moment, datetime):
        return moment.isoformat()
    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
