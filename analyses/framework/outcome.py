"""What an analysis returns and how it reports progress."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

__all__ = ["Outcome", "Progress", "to_text"]


class Progress(Protocol):
    """``progress(fraction, message)``: reports the completed fraction, 0 to 1, and the current step in words."""

    def __call__(self, fraction: float, message: str | None = None) -> None: ...


@dataclass(slots=True)
class Outcome:
    """The result of an analysis with its figures and tables.

    A figure named ``plot`` becomes ``plot.png`` and ``plot.svg``, a table named ``table`` becomes ``table.csv``.
    """

    result: dict[Any, Any]
    figures: dict[str, Figure] = field(default_factory=dict)
    tables: dict[str, pl.DataFrame] = field(default_factory=dict)


def to_text(moment: date | time) -> str:
    """Format a date, a time of day or a point in time (RFC 3339, UTC, milliseconds) as the API prints it."""
    if not isinstance(moment, datetime):
        return moment.isoformat()
    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
