"""The rows of a job, in memory or read from storage a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    import polars as pl

__all__ = ["MemoryRows", "Rows", "rereading"]

T = TypeVar("T")


class Rows(Protocol):
    """The rows that a job selects, for an analysis that does not need all their columns at once.

    ``schema`` has the names and types of all columns, ``height`` is the number of rows. ``budget`` is the number of
    bytes that the analysis may hold at once, for example in partial results; None if the rows are in memory anyway.
    """

    @property
    def schema(self) -> pl.Schema: ...

    @property
    def height(self) -> int: ...

    @property
    def budget(self) -> int | None: ...

    def batches(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Yield these columns, each once, of the rows in their order; rows in memory are one batch.

        Each call reads the rows again.
        """

    def frame(self, columns: Sequence[str]) -> pl.DataFrame:
        """Return these columns of all rows."""


class MemoryRows:
    """The rows of a frame."""

    budget = None

    def __init__(self, rows: pl.DataFrame) -> None:
        self._rows = rows
        self.schema = rows.schema
        self.height = rows.height

    def batches(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Yield these columns of the rows."""
        yield self.frame(columns)

    def frame(self, columns: Sequence[str]) -> pl.DataFrame:
        """Return these columns of the rows."""
        return self._rows[[*dict.fromkeys(columns)]]


def rereading(rows: Rows, read: Callable[[], Iterable[T]]) -> Callable[[], Iterable[T]]:
    """Return ``read``, which derives something from batches of the rows; of rows in memory, it is called only now."""
    if rows.budget is not None:
        return read
    kept = list(read())
    return lambda: kept
