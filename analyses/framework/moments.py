"""Count, extremes, mean and standard deviation of values that arrive in batches."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from analyses.framework.columns import NUMBERS

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

__all__ = ["Moments"]

_MAX_OFFSET = 1e290
"""A larger number is not subtracted: the difference of two such numbers may be infinite."""


class Moments:
    """The moments of the values so far, none of which may be missing.

    The squared distances from the mean are merged as in Chan, Golub and LeVeque, "Algorithms for Computing the Sample
    Variance", The American Statistician 37(3), 1983. The first value is subtracted from all values: the mean of a batch
    is rounded to the digits that a double has left after a large offset, and merging would square that error.
    """

    def __init__(self) -> None:
        self.count = 0
        self._low: Any = None
        self._high: Any = None
        self._offset: int | float = 0
        self._mean = 0.0  # of the values less the offset
        self._squares = 0.0

    def add(self, values: pl.Series) -> None:
        """Add a batch of values of any type; those of text are only counted."""
        import numpy as np
        import polars as pl

        if not len(values):
            return
        before, self.count = self.count, self.count + len(values)
        if values.dtype.is_numeric() or values.dtype.is_temporal():
            low, high = values.min(), values.max()
            self._low = low if self._low is None else min(self._low, low)
            self._high = high if self._high is None else max(self._high, high)
        if values.dtype.is_numeric() or values.dtype == pl.Boolean:
            if not before:
                self._offset = _offset(values)
            with np.errstate(over="ignore", invalid="ignore"):
                array = self._less_offset(values)
                mean = float(np.mean(array))
                away, share = mean - self._mean, len(values) / self.count
                # Squared last: the first batch merges with nothing, and nothing times infinity is NaN.
                self._squares += float(np.sum((array - mean) ** 2)) + away * (before * share * away)
                self._mean += away * share

    def _less_offset(self, values: pl.Series) -> np.ndarray[Any, np.dtype[np.float64]]:
        import polars as pl

        if values.dtype.is_integer():
            # Exact, since the difference of any two integers of 64 bits fits.
            values = values.cast(pl.Int128) - pl.Series([self._offset], dtype=pl.Int128)
            return values.cast(pl.Float64).to_numpy()
        return values.cast(pl.Float64).to_numpy() - float(self._offset)

    def statistics(self, kind: str) -> dict[str, Any]:
        """Return those of the statistics that a column of this type has."""
        mean = self._offset + self._mean if self.count else None
        if kind in NUMBERS:
            std = math.sqrt(self._squares / (self.count - 1)) if self.count > 1 else None
            return {"min": self._low, "max": self._high, "mean": mean, "std": std}
        if kind == "boolean":
            true = round((mean or 0) * self.count)
            return {"true": true, "false": self.count - true, "mean": true / self.count if self.count else None}
        return {"min": self._low, "max": self._high} if kind in ("date", "time") else {}


def _offset(values: pl.Series) -> int | float:
    first = values[0]
    if values.dtype.is_integer():
        return int(first)
    return float(first) if abs(first) < _MAX_OFFSET else 0.0  # NaN too
