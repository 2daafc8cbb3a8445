"""The moments of values that arrive in batches are those of all values at once."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest

from analyses.kit import Moments

EPOCH = 1_700_000_000_000_000
OFFSETS = {
    "times in microseconds": [EPOCH + step for step in range(60_000)],
    "the last integers of a double": [2**53 + step for step in range(10)],
    "the largest integers": [2**63 - 1 - step * step for step in range(100)],
    "the whole range": [-(2**63), 2**63 - 1, 0, -1, 2**63 - 2, 5],
    "one far away": [0, *(EPOCH + step for step in range(1000))],
}


def moments(values: pl.Series, size: int, kind: str = "number") -> dict[str, Any]:
    found = Moments()
    for begin in range(0, len(values), size):
        found.add(values.slice(begin, size))
    return found.statistics(kind)


def exact(values: list[int]) -> tuple[float, float]:
    """Return the mean and the standard deviation, each rounded once."""
    mean = Fraction(sum(values), len(values))
    return float(mean), math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


@pytest.mark.parametrize("values", OFFSETS.values(), ids=OFFSETS.keys())
@pytest.mark.parametrize("batches", [1, 3, 60])
def test_integers_with_a_large_offset_lose_no_digits(values: list[int], batches: int) -> None:
    # Given integers, and their moments in exact arithmetic
    mean, std = exact(values)

    # When they arrive in batches
    found = moments(pl.Series(values, dtype=pl.Int64), math.ceil(len(values) / batches), "integer")

    # Then no digit is lost
    assert found["mean"] == pytest.approx(mean, rel=1e-15)
    assert found["std"] == pytest.approx(std, rel=1e-12)
    assert (found["min"], found["max"]) == (min(values), max(values))


@pytest.mark.parametrize("dtype", [pl.UInt8, pl.UInt64, pl.Int8])
def test_differences_leave_the_type_of_a_column(dtype: Any) -> None:
    # Given the extremes of a narrow type, or of one without negative numbers
    low, high = (int(pl.select(each).item()) for each in (dtype.min(), dtype.max()))

    # When they arrive one by one, the largest first
    found = moments(pl.Series([high, low, high], dtype=dtype), 1, "integer")

    # Then their differences have not overflowed
    assert (found["mean"], found["std"]) == pytest.approx(exact([high, low, high]), rel=1e-15)


def test_numbers_with_a_large_offset_agree_with_numpy() -> None:
    # Given numbers whose offset leaves an eighth to their fraction
    array = 1e15 + np.arange(5000) / 8

    # When they arrive in batches
    found = moments(pl.Series(array), 70)

    # Then the deviation is that of the same numbers without the offset, which NumPy computes with all digits
    assert found["std"] == pytest.approx(np.std(array - 1e15, ddof=1), rel=1e-12)
    assert found["mean"] == pytest.approx(np.mean(array - 1e15) + 1e15, rel=1e-15)


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        ([1e200, 2e200, 3e200], 2e200),
        ([0.0, 1e200, 2e200], 1e200),
        ([1e155, 0.0], 5e154),
        ([8e307, -8e307], 0.0),
    ],
)
def test_a_deviation_beyond_all_doubles_is_infinite(values: list[float], mean: float) -> None:
    # Given finite numbers whose squares are not, when they arrive in batches, then only the deviation is infinite
    for size in (1, 2, 3):
        found = moments(pl.Series(values), size)
        assert found["mean"] == pytest.approx(mean)
        assert found["std"] == math.inf


def test_numbers_too_large_to_subtract_keep_their_mean() -> None:
    # Given numbers of which the first is larger than any that is subtracted
    values = [1e300, -1e300, 3e300]

    # When they arrive in batches, then the mean is that of NumPy
    assert moments(pl.Series(values), 2)["mean"] == pytest.approx(np.mean(values))


def test_booleans_and_decimals_are_numbers_too() -> None:
    # Given columns of other types, when they arrive in batches
    flags = moments(pl.Series([True, False, True, True]), 3, "boolean")
    prices = moments(pl.Series([Decimal("1.5"), Decimal("2.5")]), 1)

    # Then they are counted and averaged
    assert flags == {"true": 3, "false": 1, "mean": 0.75}
    assert (prices["mean"], prices["std"]) == (2.0, pytest.approx(math.sqrt(0.5)))


@pytest.mark.parametrize("kind", ["number", "boolean"])
def test_nothing_has_no_mean(kind: str) -> None:
    assert Moments().statistics(kind)["mean"] is None
