"""JSON (RFC 8259): the table that a document holds, in any of the shapes of `json_tables`.

Null and absent members are missing values; so are NaN and the infinities, which are accepted though not JSON. Text is
typed as in every format. Objects in records are flattened; columns of mixed types and lists become JSON text.
"""

from __future__ import annotations

from typing import Final

from dataset.errors import Malformed
from dataset.formats import json_values
from dataset.formats.columns import Grid
from dataset.formats.encodings import as_utf8
from dataset.formats.json_lists import find_grid
from dataset.formats.json_repeats import repeat_notes
from dataset.formats.source import Read, Source
from dataset.notes import Note

__all__ = ["MEDIA_TYPES", "OPTIONS", "read", "sniff"]

MEDIA_TYPES: Final = ("application/json", "application/geo+json")
OPTIONS: Final = ("list", "header", "encoding")


def sniff(head: bytes) -> bool:
    """Return whether the first character opens a JSON object or list."""
    return head.lstrip()[:1] in (b"{", b"[")


def read(source: Source) -> Read:
    """Read the table. Raises Malformed or InvalidDataset."""
    body, notes = as_utf8(source.body, source.charset, source.options.encoding)
    text = bytes(body)

    def grid(parse: json_values.Parse) -> tuple[Grid, list[Note]]:
        try:
            document = parse(text)
        except ValueError as error:
            raise Malformed(f"The body is no JSON: {json_values.describe_error(error)}.") from error
        found, on_choice = find_grid(document, source.options)
        return found, [*repeat_notes([document], text, lambda: [text]), *on_choice]

    read = json_values.to_read(grid, len(text), source)
    return read._replace(notes=notes + read.notes)
