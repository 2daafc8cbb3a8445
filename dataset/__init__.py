"""The dataset: parsed from a request body, stored in Redis by version, searched and sliced in memory.

Without an identifier column, records are identified by their row number, starting at 1. The description names it `row`
(with underscores appended until no column has that name); it is not a column of the records.
"""

from dataset.arrow_chunks import EncodedTable
from dataset.bounds import start_after_end
from dataset.changes import Append, Change, Remove, Replace, Row, to_frame
from dataset.description import Column, Description
from dataset.errors import (
    BoundsError,
    Busy,
    DatasetError,
    FilterError,
    InvalidDataset,
    InvalidRecords,
    Malformed,
    NotCurrent,
    NotOwner,
    Path,
    TooLarge,
    UnsupportedMediaType,
    VersionNotFound,
)
from dataset.exports import EXPORTS, no_records
from dataset.filters import MAX_FILTERS
from dataset.formats import MEDIA_TYPES, PACKED_TYPES, is_specific_type
from dataset.ingest import ingest
from dataset.listing import Listing, Page
from dataset.load_options import OPTION_NAMES, TYPE_PREFIX, LoadOptions
from dataset.notes import Note
from dataset.object_store import ObjectChunks
from dataset.profile import Bar, ColumnProfile, profile_column
from dataset.ranges import Ranges
from dataset.record_values import RecordReader
from dataset.scanned_table import ScannedRows, ScannedTable
from dataset.selection import Selection, Selector
from dataset.shared_files import SharedFiles
from dataset.sizes import MAX_RECORD_BYTES, check_size, json_bytes
from dataset.store import Store
from dataset.subprocess_ingest import LoadLimits, ingest_in_subprocess
from dataset.table import Table, first_records
from dataset.types.type_inference import ColumnType

__all__ = [
    "EXPORTS",
    "MAX_FILTERS",
    "MAX_RECORD_BYTES",
    "MEDIA_TYPES",
    "OPTION_NAMES",
    "PACKED_TYPES",
    "TYPE_PREFIX",
    "Append",
    "Bar",
    "BoundsError",
    "Busy",
    "Change",
    "Column",
    "ColumnProfile",
    "ColumnType",
    "DatasetError",
    "Description",
    "EncodedTable",
    "FilterError",
    "InvalidDataset",
    "InvalidRecords",
    "Listing",
    "LoadLimits",
    "LoadOptions",
    "Malformed",
    "NotCurrent",
    "NotOwner",
    "Note",
    "ObjectChunks",
    "Page",
    "Path",
    "Ranges",
    "RecordReader",
    "Remove",
    "Replace",
    "Row",
    "ScannedRows",
    "ScannedTable",
    "Selection",
    "Selector",
    "SharedFiles",
    "Store",
    "Table",
    "TooLarge",
    "UnsupportedMediaType",
    "VersionNotFound",
    "check_size",
    "first_records",
    "ingest",
    "ingest_in_subprocess",
    "is_specific_type",
    "json_bytes",
    "no_records",
    "profile_column",
    "start_after_end",
    "to_frame",
]
