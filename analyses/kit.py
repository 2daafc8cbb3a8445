"""What an analysis is written with: parameters, columns, the outcome, plots."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, Protocol

from analyses.framework.parameters import (
    AxisColumn,
    CategoryColumns,
    Column,
    Columns,
    FirstNumberColumn,
    InvalidParams,
    LatitudeColumn,
    LongitudeColumn,
    NumberColumn,
    NumberColumns,
    Params,
    Range,
    bad_column,
)
from analyses.framework.plotting import label, new_plot, plain

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

__all__ = [
    "AxisColumn",
    "CategoryColumns",
    "Column",
    "Columns",
    "FirstNumberColumn",
    "InvalidParams",
    "LatitudeColumn",
    "LongitudeColumn",
    "NumberColumn",
    "NumberColumns",
    "Outcome",
    "Params",
    "Progress",
    "Range",
    "bad_column",
    "label",
    "new_plot",
    "plain",
    "to_text",
]


class Progress(Protocol):
    """``progress(fraction, message)``: how far the analysis is, 0 to 1, and in words what it is at."""

    def __call__(self, fraction: float, message: str | None = None) -> None: ...


@dataclass(slots=True)
class Outcome:
    """What an analysis returns when it has more to give than a result.

    A figure named ``plot`` becomes ``plot.png`` and ``plot.svg``, a table named ``table`` becomes ``table.csv``.
    """

    result: dict[Any, Any]
    figures: dict[str, Figure] = field(default_factory=dict)
    tables: dict[str, pl.DataFrame] = field(default_factory=dict)


def to_text(moment: date | time) -> str:
    """A date, a time of day or a point in time (RFC 3339, UTC, milliseconds) as the API prints it."""
    if not isinstance(moment, datetime):
        return moment.isoformat()
    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
