"""Conversion of parsed values, or of columns of text, to columns of the dataset's types."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import chain, compress
from operator import itemgetter
from typing import Any, Final, NamedTuple

import polars as pl

from dataset.errors import InvalidDataset, TooManyValues
from dataset.formats.flatten import Budget, Leaf, flatten
from dataset.formats.names import normalize_names, notes_on_names
from dataset.formats.source import Limits, Read, Source
from dataset.types.type_inference import MAX_EXACT, null_non_finite

__all__ = ["Grid", "InfiniteNumber", "from_grid", "grid_of_objects", "to_json_text"]

# Missing members are stored too, so a small body of sparse objects can give a large table.
_MIN_VALUES_LIMIT: Final = 10_000_000
_MEMBER_BYTES: Final = 4  # at least, in the body; columns of members that nearly all objects lack are not made
_SCALARS: Final = {str, int, float, bool, type(None)}
_NUMBERS: Final = {int, float, type(None)}


class InfiniteNumber(Exception):
    """A column of numbers has an infinity: written as such, or from a number beyond a double."""


class Grid(NamedTuple):
    """A table of parsed values; its columns are produced one by one, to bound the memory that they take."""

    names: Sequence[str]
    columns: Iterable[list[Any]]
    height: int


def grid_of_objects(rows: Sequence[dict[str, Any]]) -> Grid:
    """Return a column for each member name, in order of first occurrence; absent members are missing values."""
    shapes = dict.fromkeys(map(tuple, rows))
    members = dict.fromkeys(chain.from_iterable(shapes))
    columns: Iterable[list[Any]]
    if len(shapes) == 1:
        columns = (list(map(itemgetter(member), rows)) for member in members)
    else:
        columns = ([row.get(member) for row in rows] for member in members)
    return Grid(list(members), columns, len(rows))


def from_grid(grid: Grid, body_bytes: int, source: Source) -> Read:
    """Return the typed columns, with objects flattened. Raises InvalidDataset, TooManyValues, and InfiniteNumber."""
    limits = source.limits
    width = len(grid.names)
    if width > limits.columns:
        normalize_names(grid.names, limits)  # raises the error
    _check_size(grid.height, width, min(limits.values, _MIN_VALUES_LIMIT + 2 * body_bytes))
    # The same whether the body is read in this process or, with larger limits, in another.
    budget = Budget(width, grid.height, min(Limits().values, _MIN_VALUES_LIMIT + body_bytes // _MEMBER_BYTES))
    leaves: list[str] = []
    series: list[pl.Series] = []
    final: list[bool] = []
    for name, values in zip(grid.names, grid.columns, strict=True):
        for leaf in flatten(name, values, budget):
            _check_size(grid.height, budget.width, limits.values)
            leaves.append(leaf.name)
            series.append(_as_text(leaf) if source.options.types.get(leaf.name) == "text" else _to_series(leaf))
            is_inexact = series[-1].dtype == pl.String and leaf.kinds <= _NUMBERS
            final.append(not (is_inexact or {str} <= leaf.kinds <= _SCALARS))
    names = normalize_names(leaves, limits)
    frame = pl.DataFrame([column.alias(name) for name, column in zip(names, series, strict=True)])
    notes = (*budget.notes, *notes_on_names(leaves, names))
    return Read(frame, notes, frozenset(compress(names, final)))


def to_json_text(value: Any) -> str | None:
    """Return text unchanged and any other value as its JSON; None stays None."""
    if value is None or isinstance(value, str):
        return value
    text = json.dumps(value, ensure_ascii=False)
    if "Infinity" in text or "NaN" in text:  # not representable in JSON
        text = json.dumps(json.loads(text, parse_constant=lambda _: None), ensure_ascii=False)
    return text


def _check_size(height: int, width: int, most: int) -> None:
    if height and not width:
        raise InvalidDataset("The objects have no members: send objects with at least one.")
    if height * width > most:
        raise TooManyValues(
            f"{height:,} objects with {width:,} different members between them are too many: send fewer of either."
        )


def _to_series(leaf: Leaf) -> pl.Series:
    _, values, kinds = leaf
    kinds = kinds - {type(None)}
    try:
        if kinds == {str}:
            return pl.Series(values, dtype=pl.String)
        if kinds == {bool}:
            return pl.Series(values, dtype=pl.Boolean)
        if kinds == {int}:
            return pl.Series(values, dtype=pl.Int64)
        if float in kinds and kinds <= {int, float}:
            if int in kinds:
                values = [None if value is None else float(value) for value in values]
            floats = pl.Series(values, dtype=pl.Float64)
            if floats.is_infinite().any():
                raise InfiniteNumber
            if int not in kinds or _are_exact(leaf.values, floats):
                return null_non_finite(floats)
    except (OverflowError, TypeError):  # integers beyond 64 bits, or beyond a double
        pass
    return _as_text(leaf)


def _as_text(leaf: Leaf) -> pl.Series:
    return pl.Series(map(to_json_text, leaf.values), dtype=pl.String)


def _are_exact(values: Sequence[Any], floats: pl.Series) -> bool:
    """Return whether no integer loses digits as a number."""
    large = (values[row] for row in (floats.abs() >= MAX_EXACT).arg_true())
    return all(float(value) == value for value in large if isinstance(value, int))
