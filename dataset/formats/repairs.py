"""What is repaired in a text table, counted by kind, and the notes on it."""

from __future__ import annotations

from typing import Final

from dataset.notes import Note

__all__ = ["Repairs"]

_MAX_EXAMPLE: Final = 120
_DETAILS: Final = {
    "separator": "The line that names the separator was left out.",
    "titles": "Lines before the header were left out.",
    "comments": "Comment lines were left out.",
    "commented": "The names of the columns were read from the last comment line before the rows.",
    "units": "The row below the header was left out: it has text, such as units, where the others have none.",
    "footers": "Lines after the last row were left out.",
    "last": "The last row, which has a single value, may be a footer, but was read as a record.",
    "empty": "Rows without a single value were left out.",
    "headers": "Rows that repeat the header were left out.",
    "bom": "Byte order marks at the beginning of lines were left out.",
    "nul": "NUL characters were left out.",
    "trailing": "Empty fields after the last column were left out.",
    "short": "Rows with fewer fields than the header have missing values at their end.",
    "stray": "Quotes inside of values, which are not doubled, were kept.",
    "spaces": "Spaces around values in quotes were left out.",
    "padding": "Spaces before values, which follow each separator, were left out.",
    "single": "Values in single quotes were read as quoted.",
    "escapes": "Backslashes before quotes and separators were read as escapes.",
}


class Repairs:
    """The number of rows of each kind of repair, and the first of them as an example."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, str]] = {}

    def add(self, kind: str, example: str, rows: int = 1) -> None:
        """Count `rows` more rows of a kind."""
        count, first = self._found.get(kind, (0, example))
        self._found[kind] = (count + rows, first.replace("\0", "\\0"))

    def update(self, other: Repairs) -> None:
        """Add what another has counted."""
        for kind, (rows, example) in other._found.items():
            self.add(kind, example, rows)

    def notes(self) -> tuple[Note, ...]:
        """Return one note for each kind."""
        return tuple(
            Note(detail, example=self._found[kind][1].rstrip("\r\n")[:_MAX_EXAMPLE], rows=self._found[kind][0])
            for kind, detail in _DETAILS.items()
            if kind in self._found
        )
