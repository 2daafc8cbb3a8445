"""Errors of datasets, bounds and versions; `detail` is written for the client and suggests a remedy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = [
    "BoundsError",
    "Busy",
    "DatasetError",
    "FilterError",
    "InvalidDataset",
    "InvalidRecords",
    "Malformed",
    "NotCurrent",
    "NotOwner",
    "Path",
    "TooLarge",
    "TooManyValues",
    "UnsupportedMediaType",
    "VersionNotFound",
    "quoted",
]

_MAX_QUOTED: Final = 80

Path = tuple[str | int, ...]
"""Members and elements that lead to a value."""


def quoted(value: object) -> str:
    """Return the repr of a client's value for use in an error detail, truncated if it is long."""
    shown = repr(value[: _MAX_QUOTED + 1] if isinstance(value, str) else value)
    return shown if len(shown) <= _MAX_QUOTED else f"{shown[:_MAX_QUOTED]}..."


class DatasetError(Exception):
    """Base class of the errors of this package."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Malformed(DatasetError):
    """The body cannot be parsed as its media type."""


class UnsupportedMediaType(DatasetError):
    """The media type or character set is not supported."""


class TooLarge(DatasetError):
    """The body, or the table made from it, exceeds a size limit."""


class InvalidDataset(DatasetError):
    """The body can be parsed but does not form a dataset.

    `parameter` is "id" or "index" if that query parameter is at fault, else None.
    """

    def __init__(self, detail: str, parameter: str | None = None) -> None:
        super().__init__(detail)
        self.parameter = parameter


class InvalidRecords(DatasetError):
    """Records do not fit the dataset; `errors` has the path of each fault within the body, and its detail."""

    def __init__(self, errors: Sequence[tuple[Path, str]]) -> None:
        super().__init__(errors[0][1])
        self.errors = errors


class TooManyValues(InvalidDataset):
    """The dataset exceeds the limit on columns or values."""


class Busy(DatasetError):
    """The capacity for ingesting, decoding or searching datasets is in use; try again later."""


class BoundsError(DatasetError):
    """A bound does not have the index's type, start is after end, or the index has no range.

    `pointer` is the JSON pointer of the member at fault: "/start", "/end" or "/index".
    """

    def __init__(self, detail: str, pointer: str) -> None:
        super().__init__(detail)
        self.pointer = pointer


class FilterError(DatasetError):
    """A filter names an unknown column, an operator that its type lacks, or a value of another type.

    `field` is the name as the client wrote it; `path` leads to the value at fault in a `where`: the column, and the
    operator if there is one.
    """

    def __init__(self, detail: str, field: str, path: tuple[str, ...] = ()) -> None:
        super().__init__(detail)
        self.field = field
        self.path = path


class NotOwner(DatasetError):
    """The dataset was loaded by somebody else."""

    def __init__(self) -> None:
        super().__init__("The dataset was loaded with another key: use that key, or one of the role admin.")


class NotCurrent(DatasetError):
    """The version that the client names is not the current one, or no dataset is loaded."""

    def __init__(self) -> None:
        super().__init__("If-Match names another version than there is now: read it again.")


class VersionNotFound(DatasetError):
    """The version of the dataset does not exist or has been removed."""
