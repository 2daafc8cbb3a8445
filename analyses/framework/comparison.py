"""The parameter ``compare``: subsets of the rows that an analysis shows side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from analyses.framework.columns import NUMBERS, TEMPORAL, at_moment, parse_moment, type_of
from analyses.framework.dataset_columns import quote_name
from analyses.framework.parameters import Column, Params, bad_column

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Compare", "OptionalCompare", "Subset"]

_MAX_SUBSETS = 6
_EXPECTED = {
    **dict.fromkeys(NUMBERS, "numbers"),
    **dict.fromkeys(TEMPORAL, "dates or times, such as 2018-01-31 or 2018-01-31T06:00Z"),
    "boolean": "true and false",
    "text": "texts",
}


class Subset(NamedTuple):
    """A subset of the rows: the value that they have in common, and their mask."""

    value: str | float | bool | None
    rows: pl.Series


class Compare(BaseModel):
    """Subsets of the rows: those with each of ``values`` in a column."""

    model_config = Params.model_config

    column: Column
    values: Annotated[list[str | bool | int | float | None], Field(min_length=2, max_length=_MAX_SUBSETS)] = Field(
        description="The values; null is a missing value, and a date of a column of times is its whole day."
    )

    @field_validator("values")
    @classmethod
    def _fit_the_column(cls, values: list[Any], info: ValidationInfo) -> list[Any]:
        if len(set(values)) < len(values):
            raise bad_column("a value is named twice")
        if info.context is not None and (name := info.data.get("column")):
            kind = info.context["columns"][name]
            if not all(value is None or _fits(value, kind) for value in values):
                raise bad_column(f"column {quote_name(name)} holds {kind}: expected {_EXPECTED[kind]}")
        return values

    def split(self, rows: pl.DataFrame) -> list[Subset]:
        """Return the subset of each value, in their order."""
        return [Subset(value, rows.select(self._equals(rows, value)).to_series()) for value in self.values]

    def _equals(self, rows: pl.DataFrame, value: Any) -> pl.Expr:
        import polars as pl

        column = pl.col(self.column)
        if value is None:
            return column.is_null()
        if type_of(rows.schema[self.column]) in TEMPORAL:
            moment = parse_moment(value)
            column, value = at_moment(column, moment), moment
        return column.eq(value).fill_null(value=False)


def _fits(value: Any, kind: str) -> bool:
    if kind in NUMBERS:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind not in TEMPORAL:
        return isinstance(value, bool if kind == "boolean" else str)
    try:
        return isinstance(value, str) and bool(parse_moment(value))
    except ValueError:
        return False


OptionalCompare = Annotated[
    Compare | None,
    # Left out of the parameters of results if it is null: most jobs do not compare.
    Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="Subsets to compare, the rows with each of 2 to 6 values of a column, such as "
        '{"column": "country", "values": ["USA", "Japan"]}; null is all rows.',
    ),
]
