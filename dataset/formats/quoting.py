"""Records of a text table: lines joined within quotes, with any quoting repaired to that of RFC 4180."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from dataset.errors import Malformed, quoted
from dataset.formats.repairs import Repairs

__all__ = ["Dialect", "Records", "is_clean"]

_MAX_RECORD: Final = 8 * 2**20  # characters; a longer one is a quote that nothing closes
_REMEDY: Final = "Double the quotes within values, or add ?quote= (empty) if they are part of the values."

_BOM: Final = "\ufeff"

# The standard library's limit of 128 KiB is less than the outline of a country.
csv.field_size_limit(2**31 - 1)


class Dialect(NamedTuple):
    """The delimiter; the quote, empty if there is none; whether a backslash escapes the next character."""

    delimiter: str = ","
    quote: str = '"'
    escaped: bool = False

    def parse(self, records: Iterable[str]) -> Iterator[list[str]]:
        """Yield the fields of each record; a blank line has none. A run of spaces counts as one delimiter."""
        return csv.reader(
            records,
            delimiter=self.delimiter,
            quotechar=self.quote or None,
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            escapechar="\\" if self.escaped else None,
            skipinitialspace=self.delimiter == " ",
            strict=True,
        )


def is_clean(line: str, dialect: Dialect) -> bool:
    """Return whether a line is a whole record of RFC 4180."""
    return not dialect.quote or _patterns(dialect)[0].fullmatch(line) is not None


class Records:
    """The records among the lines of a file, each as one text that `Dialect.parse` reads; repairs are counted.

    `first` and `line` are the numbers of the first and last line of the current record. Lines that begin with
    one of the `marks` are left out, if `is_comment` holds for them; `counts_quotes` makes quotes a repair.
    Iteration raises Malformed.
    """

    def __init__(
        self,
        lines: Iterable[str],
        dialect: Dialect,
        repairs: Repairs,
        *,
        line: int = 0,
        marks: tuple[str, ...] = (),
        is_comment: Callable[[str], bool] | None = None,
        counts_quotes: bool = False,
    ) -> None:
        self.first = self.line = line
        self._lines = iter(lines)
        self._dialect = dialect
        self._repairs = repairs
        self._marks = marks
        self._is_comment = is_comment
        self._counts_quotes = counts_quotes
        self._clean, self._open, self._field, self._backslash = _patterns(dialect)

    def __iter__(self) -> Iterator[str]:
        quote = self._dialect.quote
        for line in self._lines:
            self.line += 1
            self.first = self.line
            if line[:1] == _BOM:
                self._repairs.add("bom", line)
                line = line.lstrip(_BOM)
            if line.startswith(self._marks) and (self._is_comment is None or self._is_comment(line)):
                self._repairs.add("comments", line)
                continue
            text = self._prepare(line) if self._dialect.escaped or "\0" in line else line
            if quote and quote in text:
                if self._counts_quotes:
                    self._repairs.add("single", text)
                if not self._clean.fullmatch(text):
                    text = self._repair(text)
            yield text.rstrip(" \r\n") if self._dialect.delimiter == " " else text

    def _prepare(self, line: str) -> str:
        """Return a line without NUL, with each backslash that escapes nothing doubled, so that it stays."""
        text = line
        if "\0" in text:
            self._repairs.add("nul", text)
            text = text.replace("\0", "")
        if self._dialect.escaped and "\\" in text:
            if any(match[1] for match in self._backslash.finditer(text)):
                self._repairs.add("escapes", text)
            text = self._backslash.sub(lambda match: match[0] if match[1] else "\\\\", text)
        return text

    def _repair(self, text: str) -> str:
        """Return a record that spans lines whole, and one that is not RFC 4180 with all its fields quoted."""
        if self._open.fullmatch(text):
            return self._join_lines(text)
        fields = self._split(text)
        if fields is None:
            raise Malformed(
                f"Line {self.first}: it is not clear where the quoted value in {quoted(text.strip())} ends. {_REMEDY}"
            )
        quote, backslash = self._dialect.quote, ("\\", "\\\\" if self._dialect.escaped else "\\")
        fields = [quote + field.replace(*backslash).replace(quote, quote * 2) + quote for field in fields]
        return self._dialect.delimiter.join(fields) + "\n"

    def _join_lines(self, text: str) -> str:
        parts, size, is_open = [text], len(text), True
        while is_open:
            line = next(self._lines, None)
            if line is None or size > _MAX_RECORD:
                raise Malformed(f"Line {self.first}: no quote closes the one in {quoted(text.strip())}. {_REMEDY}")
            self.line += 1
            parts.append(self._prepare(line))
            size += len(line)
            is_open ^= self._is_odd(parts[-1])
        record = "".join(parts)
        if not self._clean.fullmatch(record):
            raise Malformed(
                f"Line {self.first}: it is not clear where the quoted value in {quoted(text.strip())} ends. {_REMEDY}"
            )
        return record

    def _is_odd(self, text: str) -> bool:
        return self._without_escapes(text).count(self._dialect.quote) % 2 == 1

    def _without_escapes(self, text: str) -> str:
        return re.sub(r"\\.", "", text) if self._dialect.escaped else text

    def _split(self, text: str) -> list[str] | None:
        """Return the fields of a line with stray quotes, None if a quoted field does not end in it."""
        body, position, fields = text.rstrip("\r\n"), 0, []
        found: set[str] = set()
        while True:
            match = self._field.match(body, position)
            if match is None:
                return None
            fields.append(self._value(match, found))
            position = match.end() + 1
            if match.end() == len(body):
                break
        for kind in found:
            self._repairs.add(kind, text)
        return fields

    def _value(self, match: re.Match[str], found: set[str]) -> str:
        quote = self._dialect.quote
        value = match["quoted"] or match["stray"]
        if value is None:
            value = match[0]
            if quote in self._without_escapes(value):
                found.add("stray")
        else:
            found.update(("stray",) if match["stray"] else ("spaces",) if len(value) < len(match[0]) else ())
            value = value[1:-1].replace(quote * 2, quote)
        return re.sub(r"\\(.)", r"\1", value) if self._dialect.escaped else value


@lru_cache
def _patterns(dialect: Dialect) -> tuple[re.Pattern[str], ...]:
    """Return the patterns of a record of RFC 4180, of the first line of one with more, of a field, of a backslash.

    That of a field tries in turn: a quoted field, perhaps between spaces; an unquoted one with quotes inside; a quoted
    one with quotes inside; one that begins with a quote and has as many of them as close.
    """
    d, q = re.escape(dialect.delimiter), re.escape(dialect.quote or '"')
    plain, pair, outside = f"[^{q}]*+", f"{q}{q}", f"[^{q}{d}\\r\\n]*+"
    if dialect.escaped:
        plain, pair, outside = rf"[^{q}\\]*+", rf"(?:{q}{q}|\\.)", rf"(?:[^{q}{d}\\\r\n]|\\.)*+"
    quoted_field = f"{q}{plain}(?:{pair}{plain})*+{q}"
    field = f"(?:{quoted_field}|{outside})"
    clean = re.compile(f"{field}(?:{d}{field})*+[\\r\\n]*", re.DOTALL)
    end = f"(?={d}|\\Z)"
    unquoted = rf"(?:[^{d}\\\r\n]|\\.)*+" if dialect.escaped else f"[^{d}\\r\\n]*+"
    any_field = re.compile(
        f" *(?P<quoted>{quoted_field}) *{end}|(?!{q}){unquoted}{end}"
        f"|(?P<stray>{q}[^{d}\\r\\n]*{q}){end}|(?:{q}[^{q}{d}\\r\\n]*){{2}}(?:(?:{q}[^{q}{d}\\r\\n]*){{2}})*+{end}"
    )
    opening = re.compile(f"(?:{field}{d})*+{q}{plain}(?:{pair}{plain})*+", re.DOTALL)
    return clean, opening, any_field, re.compile(rf"\\([{d}{q}\\]?)")
