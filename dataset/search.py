"""Case-insensitive substring search over all values of a row, formatted as in `GET /data`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from threading import BoundedSemaphore, Lock
from typing import Final

import polars as pl

from dataset.distinct_values import DistinctValues
from dataset.errors import Busy
from dataset.folding import fold, fold_text
from dataset.parallel import parallel_map
from dataset.serialization import to_texts
from dataset.types.type_inference import TIME

__all__ = ["Matcher", "SearchIndex"]

_SEPARATOR: Final = "\0"

_RENDER_SLOTS: Final = BoundedSemaphore(2)
"""Held by a search without an index, which formats the values slice by slice in several times a slice's memory."""
_WAIT_SECONDS: Final = 20

# The characters of a type's folded text: a search for other characters skips columns of this type.
_ALPHABETS: Final[dict[pl.DataType | type[pl.DataType], frozenset[str]]] = {
    pl.Int64: frozenset("-0123456789"),
    pl.Float64: frozenset("-+.e0123456789"),
    pl.Boolean: frozenset("truefals"),
    pl.Date: frozenset("-0123456789"),
    TIME: frozenset("-:.tz0123456789"),
}
_LENGTHS: Final[dict[pl.DataType | type[pl.DataType], int]] = {pl.Int64: 8, pl.Float64: 20, pl.Boolean: 5, pl.Date: 10}
_TIME_LENGTH: Final = 24
_VIEW_BYTES: Final = 16

Matcher = Callable[[int], pl.Series | None]
"""From the number of a slice to the mask of its matching rows; None if no row matches."""


class SearchIndex:
    """A search index: for each row, the concatenated text of its values, with separators. Built once, on first use.

    Columns whose values repeat are not in it: those of their distinct values that match are looked up in the rows. An
    index larger than `max_bytes` is not stored; each search then formats the values again. Rows are searched slice by
    slice. Text columns and all others are indexed separately, since most searches are for words and need only the
    former. Thread-safe.
    """

    def __init__(
        self,
        frame: pl.DataFrame,
        slices: Sequence[tuple[int, int]],
        max_bytes: int | None,
        lines: dict[tuple[bool, int], pl.Series] | None = None,
        distinct: dict[str, DistinctValues] | None = None,
    ) -> None:
        """Create an index that continues `lines`: the texts that are known, by kind of column and slice.

        `distinct` are the values of the columns that are not in it.
        """
        self._frame = frame
        self._slices = slices
        self._columns: dict[bool, list[str]] = {True: [], False: []}
        self._distinct = distinct or {}
        for column in frame:
            if column.name not in self._distinct:
                self._columns[column.dtype == pl.String].append(column.name)
        self._is_cached = max_bytes is None or self._estimate_size() <= max_bytes
        self._lines = {} if lines is None else lines
        numbers = range(len(slices))
        self._building = {(textual, number): Lock() for textual in self._columns for number in numbers}

    def build(self) -> None:
        """Build the index ahead of the first search, text columns first."""
        if self._is_cached:
            for _ in parallel_map(
                lambda key: self._get_lines(*key), [key for key in self._building if self._columns[key[0]]]
            ):
                pass

    @contextmanager
    def matcher(self, search: str) -> Iterator[Matcher]:
        """Provide the matcher for a text. Raises Busy if too many searches run without an index."""
        try:
            needle = fold_text(search)
        except UnicodeEncodeError:  # a lone surrogate matches nothing
            yield lambda _: None
            return
        has_separator = _SEPARATOR in needle
        groups = [textual for textual in (True, False) if self._may_contain(needle, textual)]
        with nullcontext() if self._is_cached and not has_separator else _render_slot():
            if has_separator:
                yield lambda number: self._match_across_columns(needle, number)
            else:
                repeated = self._match_repeated(needle)
                yield lambda number: self._matches(needle, number, groups, repeated)

    def _match_repeated(self, needle: str) -> pl.Series | None:
        """Return which rows match in a column whose values repeat; None if no row does."""
        found: pl.Series | None = None
        for name, distinct in self._distinct.items():
            if len(values := distinct.containing(needle)):
                hits = self._frame[name].is_in(values.implode()).fill_null(value=False)
                found = hits if found is None else found | hits
        return found

    def _matches(
        self, needle: str, number: int, groups: Sequence[bool], repeated: pl.Series | None
    ) -> pl.Series | None:
        found = None if repeated is None else repeated.slice(*self._slices[number])
        for textual in groups:
            line = self._get_lines(textual, number) if self._is_cached else self._render(textual, number)
            hits = line.str.contains(needle, literal=True)
            found = hits if found is None else found | hits
        return found

    def _match_across_columns(self, needle: str, number: int) -> pl.Series | None:
        texts = self._frame.slice(*self._slices[number]).select(pl.col(pl.String))
        hits = texts.select(fold(column).str.contains(needle, literal=True) for column in texts)
        return hits.select(pl.any_horizontal(pl.all()).fill_null(value=False)).to_series() if hits.width else None

    def _may_contain(self, needle: str, textual: bool) -> bool:
        schema = self._frame.schema
        return any(textual or set(needle) <= _ALPHABETS[schema[name]] for name in self._columns[textual])

    def _get_lines(self, textual: bool, number: int) -> pl.Series:
        key = (textual, number)
        if key not in self._lines:
            with self._building[key]:
                if key not in self._lines:
                    self._lines[key] = self._render(textual, number)
        return self._lines[key]

    def _render(self, textual: bool, number: int) -> pl.Series:
        rows = self._frame.slice(*self._slices[number])
        texts = rows.select(to_texts(rows[name]) for name in self._columns[textual])
        line = texts.select(pl.concat_str(pl.all(), separator=_SEPARATOR, ignore_nulls=True)).to_series()
        return fold(line) if textual else line.str.to_lowercase()

    def _estimate_size(self) -> int:
        """Estimate the size of the whole index in bytes."""
        size: float = 0
        size += sum(each.texts.estimated_size() + each.values.estimated_size() for each in self._distinct.values())
        for name, kind in self._frame.schema.items():
            if name in self._distinct:
                continue
            if kind == pl.String:
                size += int(self._frame[name].str.len_bytes().sum()) + self._frame.height
            else:
                size += (_LENGTHS.get(kind, _TIME_LENGTH) + 1) * self._frame.height
        return int(size) + _VIEW_BYTES * self._frame.height * sum(map(bool, self._columns.values()))


@contextmanager
def _render_slot() -> Iterator[None]:
    if not _RENDER_SLOTS.acquire(timeout=_WAIT_SECONDS):
        raise Busy("Too many searches at the moment: try again.")
    try:
        yield
    finally:
        _RENDER_SLOTS.release()
