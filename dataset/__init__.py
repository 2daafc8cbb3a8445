"""The dataset: read from a body, kept in Redis under its version, searched and sliced in memory.

Where no column identifies the records, the row number from 1 does; the description calls it `row` (with underscores
appended until no column has that name), and it is no column of the records.
"""

from .bounds import are_backwards
from .description import Column, Description
from .errors import BoundsError, DatasetError, InvalidDataset, Malformed, UnsupportedMediaType, VersionGone
from .ingest import ingest
from .store import Store
from .table import Page, Table

__all__ = [
    "BoundsError",
    "Column",
    "DatasetError",
    "Description",
    "InvalidDataset",
    "Malformed",
    "Page",
    "Store",
    "Table",
    "UnsupportedMediaType",
    "VersionGone",
    "are_backwards",
    "ingest",
]
