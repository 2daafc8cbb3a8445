"""Notes: remarks for the client on how a dataset was read, where its text leaves room for doubt."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import quote

__all__ = ["Note", "query_option"]

_READABLE = "!$'()*,-./:;?@~"


class Note(NamedTuple):
    """A remark on a column, or on the whole file; `example` is a value as it stands there, `rows` a count of rows."""

    detail: str
    column: str | None = None
    example: str | None = None
    rows: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the JSON object of the HTTP contract."""
        return {"column": self.column, "detail": self.detail, "example": self.example, "rows": self.rows}

    @classmethod
    def from_json(cls, note: Any) -> Note:
        """Create a note from the result of `as_json`; older releases stored a text."""
        return cls(note) if isinstance(note, str) else cls(**note)


def query_option(name: str, value: str) -> str:
    """Return an option as it stands in a URL."""
    return f"?{quote(name, _READABLE)}={quote(value, _READABLE)}"
