"""What can be wrong with a dataset, its bounds or its version; `detail` tells the reader what to do."""

from __future__ import annotations

from typing import Final

__all__ = [
    "BoundsError",
    "Busy",
    "DatasetError",
    "FilterError",
    "InvalidDataset",
    "Malformed",
    "TooLarge",
    "TooManyValues",
    "UnsupportedMediaType",
    "VersionNotFound",
    "quoted",
]

_MAX_QUOTED: Final = 80


def quoted(value: object) -> str:
    """Answer a sender's value as a detail shows it: in quotes if it is a text, cut where it is long."""
    shown = repr(value[: _MAX_QUOTED + 1] if isinstance(value, str) else value)
    return shown if len(shown) <= _MAX_QUOTED else f"{shown[:_MAX_QUOTED]}..."


class DatasetError(Exception):
    """Base of all that this package refuses."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Malformed(DatasetError):
    """The body cannot be parsed as what it says it is."""


class UnsupportedMediaType(DatasetError):
    """No reader for this media type or character set."""


class TooLarge(DatasetError):
    """The body unpacks to more than may be loaded."""


class InvalidDataset(DatasetError):
    """The body can be parsed, but is no dataset.

    `parameter` is "id" or "index" when that query option is at fault, else None.
    """

    def __init__(self, detail: str, parameter: str | None = None) -> None:
        super().__init__(detail)
        self.parameter = parameter


class TooManyValues(InvalidDataset):
    """The dataset has more columns, or more values, than its reader was allowed to build."""


class Busy(DatasetError):
    """There is no room at the moment for one more dataset to be read, decoded or searched; try again later."""


class BoundsError(DatasetError):
    """A bound is not of the index's type, or the two are in the wrong order.

    `pointer` is the JSON pointer of the one at fault: "/start" or "/end".
    """

    def __init__(self, detail: str, pointer: str) -> None:
        super().__init__(detail)
        self.pointer = pointer


class FilterError(DatasetError):
    """A filter names no column, or a value that its column cannot hold; `field` is the name as it was given."""

    def __init__(self, detail: str, field: str) -> None:
        super().__init__(detail)
        self.field = field


class VersionNotFound(DatasetError):
    """This version of the dataset is no longer kept."""
