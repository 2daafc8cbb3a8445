"""Count, extremes, mean and standard deviation of values that arrive in batches."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from analyses.framework.columns import NUMBERS

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Moments"]


class Moments:
    """The moments of the values so far, none of which may be missing.

    The squared distances from the mean are merged as in Chan, Golub and LeVeque, "Algorithms for Computing the Sample
    Variance", The American Statistician 37(3), 1983, so that a large offset costs no digits.
    """

    def __init__(self) -> None:
        self.count = 0
        self._low: Any = None
        self._high: Any = None
        self._mean = 0.0
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
            array = values.to_numpy().astype(np.float64)
            with np.errstate(over="ignore", invalid="ignore"):
                mean = float(np.mean(array))
                away = mean - self._mean
                self._squares += float(np.sum((array - mean) ** 2)) + away**2 * before * len(values) / self.count
                self._mean += away * len(values) / self.count

    def statistics(self, kind: str) -> dict[str, Any]:
        """Return those of the statistics that a column of this type has."""
        some = self.count > 0
        if kind in NUMBERS:
            std = math.sqrt(self._squares / (self.count - 1)) if self.count > 1 else None
            return {"min": self._low, "max": self._high, "mean": self._mean if some else None, "std": std}
        if kind == "boolean":
            true = round(self._mean * self.count)
            return {"true": true, "false": self.count - true, "mean": true / self.count if some else None}
        return {"min": self._low, "max": self._high} if kind in ("date", "time") else {}
