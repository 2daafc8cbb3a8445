"""Reading of a text table row by row, with repair of rows that are not as the header; each repair is counted."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

import polars as pl

from dataset.errors import Malformed, TooManyValues, quoted
from dataset.formats.cell_kinds import kind_of
from dataset.formats.dialects import comment_marks, filled_width
from dataset.formats.quoting import Records, is_clean
from dataset.formats.repairs import Repairs
from dataset.formats.source import Body
from dataset.formats.table_head import Head
from dataset.load_options import LoadOptions

__all__ = ["RaggedRows"]

_BATCH_ROWS: Final = 2_000  # converted to Python objects at a time; larger batches are slower
_BATCH_FIELDS: Final = 400_000
_PART_BYTES: Final = 16 * 2**20
_FEW_ROWS: Final = 50  # that may be no rows, but lines before the table
_MIN_VALUES: Final = 10_000_000  # a small body of short rows can give a large table


class RaggedRows:
    """The rows between two positions of a body. `repairs` counts those of the last complete reading."""

    def __init__(self, body: Body, begin: int, end: int, head: Head, options: LoadOptions, max_values: int) -> None:
        self.repairs = Repairs()
        self._body, self._begin, self._end = body, begin, end
        self._head = head
        self._named = filled_width(head.names) if head.names else head.width
        self._options = options
        self._max_values = min(max_values, _MIN_VALUES + 2 * len(body))

    def parts(self, positions: Sequence[int]) -> Iterator[list[pl.Series]]:
        """Yield the columns at these positions, part by part. Raises Malformed, TooManyValues and csv.Error."""
        self.repairs = Repairs()
        rows = self._rows()
        frames: list[pl.DataFrame] = []
        size = 0.0
        while batch := list(islice(rows, max(1, min(_BATCH_ROWS, _BATCH_FIELDS // self._head.width)))):
            columns = list(zip(*batch, strict=True))
            frames.append(pl.DataFrame([pl.Series(str(n), columns[n], dtype=pl.String) for n in positions]))
            size += frames[-1].estimated_size()
            if size > _PART_BYTES:
                yield pl.concat(frames, rechunk=True).get_columns()
                frames, size = [], 0.0
        if frames:
            yield pl.concat(frames, rechunk=True).get_columns()

    def _rows(self) -> Iterator[list[str]]:
        """Yield the rows, all as wide as the header."""
        head, width = self._head, self._head.width
        marks = comment_marks(self._options)
        counts_quotes = head.dialect.quote == "'" and self._options.quote is None
        lines = io.TextIOWrapper(_open(self._body, self._begin, self._end), encoding="utf-8", newline="")
        records = Records(
            lines,
            head.dialect,
            self.repairs,
            line=head.line,
            marks=marks,
            is_comment=self._is_comment,
            counts_quotes=counts_quotes,
        )
        is_after_blank, count = False, 0
        names = head.names if any(head.typed) else None
        for given in head.dialect.parse(records):
            row = given
            if len(row) != width or is_after_blank or not (row[0] and any(map(str.strip, row))):
                if not row or (width > 1 and not any(map(str.strip, row))):
                    if len(row) > 1:
                        self.repairs.add("empty", head.dialect.delimiter.join(row))
                    is_after_blank = count > 0
                    continue
                row = self._fit(row, records.first, count, is_after_blank=is_after_blank)
                is_after_blank = False
            elif row == names:
                self.repairs.add("headers", head.dialect.delimiter.join(row))
                continue
            count += 1
            yield row

    def _fit(self, row: list[str], line: int, count: int, *, is_after_blank: bool) -> list[str]:
        """Return a row with missing values added, or empty fields removed, at its end. Raises Malformed if it is more.

        `count` rows precede it.
        """
        width, shown = self._head.width, self._head.dialect.delimiter.join(row)
        typed = [cell for cell, is_typed in zip(row, self._head.typed, strict=False) if is_typed]
        texts = [cell for cell in typed if kind_of(cell) == "text"]
        if is_after_blank and texts and len(texts) == len(typed):
            raise Malformed(
                f"Line {line} begins another table after a blank line: {quoted(shown)}. Send one table, "
                f"or add ?skip={line - 1} to read only this one."
            )
        if len(row) > width:
            if any(map(str.strip, row[width:])):
                begins_table = count < _FEW_ROWS and not self._head.typed[0] and kind_of(row[0]) in ("number", "moment")
                raise Malformed(
                    f"Line {line} has {len(row)} fields, the header has {width}: {quoted(shown)}. Put values with "
                    "delimiters in quotes, or name the ?delimiter= or ?quote= of the file"
                    + (f", or add ?skip={line - 1} if the table begins there." if begins_table else ".")
                )
            self.repairs.add("trailing", shown)
        elif len(row) < width:
            if texts:
                raise Malformed(
                    f"Line {line} has {len(row)} of {width} fields, and {quoted(texts[0])} where the other rows have "
                    "no text: put values with line breaks in quotes, or name what begins a comment with ?comment=."
                )
            if (count + 1) * width > self._max_values:
                raise TooManyValues(f"{count:,} short rows of {width:,} columns are too many: send fewer of either.")
            if len(row) < self._named:
                self.repairs.add("short", shown)
        return row[:width] + [""] * (width - len(row))

    def _is_comment(self, line: str) -> bool:
        """Return whether a line with the mark of a comment is not a row: of another width, or no value of its type."""
        if self._options.comment is not None:
            return True
        row = next(self._head.dialect.parse([line]), []) if is_clean(line, self._head.dialect) else []
        return len(row) != self._head.width or (self._head.typed[0] and kind_of(row[0]) == "text")


class _BodyReader(io.RawIOBase):
    """A raw stream over a part of a mapped file, without copying it."""

    def __init__(self, body: memoryview) -> None:
        self._rest = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._rest[: len(buffer)]
        buffer[: len(part)] = part
        self._rest = self._rest[len(part) :]
        return len(part)


def _open(body: Body, begin: int, end: int) -> io.BufferedReader:
    return io.BufferedReader(_BodyReader(memoryview(body)[begin:end]))
