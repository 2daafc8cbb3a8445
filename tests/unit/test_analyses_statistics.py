"""The statistics of the analyses are SciPy's, to 1e-9."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from analyses import get_analysis
from analyses.framework.t_distribution import quantile, two_sided_p
from analyses.outliers import fences, robust_bounds
from analyses.trend import least_squares, theil_sen

CLOSE = {"rel": 1e-9, "abs": 1e-9}
# Steps that double precision can square; some repeat, so that there are ties.
numbers = st.integers(-1000, 1000).map(lambda number: number / 8)
pairs = st.lists(st.tuples(numbers, numbers), min_size=3, max_size=60).filter(
    lambda both: len({x for x, _ in both}) > 1 and len({y for _, y in both}) > 1
)


def run(analysis: str, rows: pl.DataFrame, **params: Any) -> dict[str, Any]:
    result: dict[str, Any] = get_analysis(analysis).run(rows, params, lambda fraction, message=None: None).result
    return result


@settings(deadline=None)
@given(st.floats(-1e6, 1e6), st.integers(1, 3_000_000))
def test_students_t_is_scipys(t: float, freedom: int) -> None:
    near = 1e-8 if abs(t) < 1e-6 else 1e-9  # SciPy rounds to 1 there
    assert two_sided_p(t, freedom) == pytest.approx(2 * stats.t.sf(abs(t), freedom), rel=near, abs=1e-300)


@settings(deadline=None, max_examples=40)
@given(st.floats(0.5, 0.9999), st.integers(1, 3_000_000))
def test_its_quantiles_are_scipys(confidence: float, freedom: int) -> None:
    assert quantile(confidence, freedom) == pytest.approx(stats.t.ppf((1 + confidence) / 2, freedom), rel=1e-9)


@settings(deadline=None)
@given(pairs, st.sampled_from(["pearson", "spearman"]))
def test_correlations_are_scipys(both: list[tuple[float, float]], method: str) -> None:
    # Given two columns, with a row that lacks one and one that has an infinity
    x, y = (np.array(each) for each in zip(*both, strict=True))
    rows = pl.DataFrame({"x": [*x, None, 1.0], "y": [*y, 1.0, float("inf")]})

    # When they are correlated, by us and by SciPy
    result = run("correlation", rows, method=method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.NearConstantInputWarning)
        theirs = (stats.pearsonr if method == "pearson" else stats.spearmanr)(x, y)

    # Then coefficient and p value agree, on both sides of the diagonal
    assert result["n"][0][1] == result["n"][1][0] == len(x)
    assert result["r"][0][1] == result["r"][1][0] == pytest.approx(theirs.statistic, **CLOSE)
    assert result["p"][0][1] == pytest.approx(theirs.pvalue, abs=1e-7 if abs(theirs.statistic) > 1 - 1e-12 else 1e-9)
    assert result["r"][0][0] == 1.0


@settings(deadline=None)
@given(pairs, st.floats(0.5, 0.999))
def test_least_squares_is_scipys(both: list[tuple[float, float]], confidence: float) -> None:
    x, y = (np.array(each) for each in zip(*both, strict=True))
    ours, theirs = least_squares(x, y, confidence), stats.linregress(x, y)
    t = stats.t.ppf((1 + confidence) / 2, len(x) - 2)
    # SciPy takes the errors from r: where the line is perfect, those have half of the digits.
    near = 1e-5 if abs(theirs.rvalue) > 1 - 1e-9 else 1e-9
    assert ours["slope"] == pytest.approx(theirs.slope, **CLOSE)
    assert ours["intercept"] == pytest.approx(theirs.intercept, **CLOSE)
    assert ours["r"] == pytest.approx(theirs.rvalue, **CLOSE)
    assert ours["slope_error"] == pytest.approx(theirs.stderr, rel=near, abs=near)
    assert ours["intercept_error"] == pytest.approx(theirs.intercept_stderr, rel=near, abs=near * 1000)
    assert ours["slope_high"] == pytest.approx(theirs.slope + t * theirs.stderr, rel=near, abs=near * max(1, t))
    assert ours["p"] == pytest.approx(theirs.pvalue, abs=near)


@settings(deadline=None)
@given(pairs, st.floats(0.5, 0.999))
def test_theil_sen_is_scipys(both: list[tuple[float, float]], confidence: float) -> None:
    x, y = (np.array(each) for each in zip(*both, strict=True))
    ours = theil_sen(x, y, confidence)
    assume("slope_low" in ours)  # with ties only, SciPy takes the root of a negative variance
    theirs = stats.theilslopes(y, x, confidence)
    assert ours["slope"] == pytest.approx(theirs.slope, **CLOSE)
    assert ours["intercept"] == pytest.approx(theirs.intercept, **CLOSE)
    assert ours["slope_low"] == pytest.approx(theirs.low_slope, **CLOSE)
    assert ours["slope_high"] == pytest.approx(theirs.high_slope, **CLOSE)


@settings(deadline=None)
@given(st.lists(numbers, min_size=1, max_size=60))
def test_the_bounds_of_outliers_are_scipys(values: list[float]) -> None:
    array = np.array(values)
    first, third = np.percentile(array, (25, 75))
    spread, deviation = stats.iqr(array), stats.median_abs_deviation(array, scale="normal")
    assert fences(array, 1.5) == pytest.approx((first - 1.5 * spread, third + 1.5 * spread), **CLOSE)
    expected = (np.median(array) - 3.5 * deviation, np.median(array) + 3.5 * deviation) if deviation else None
    assert robust_bounds(array, 3.5) == (pytest.approx(expected, **CLOSE) if expected else None)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.sampled_from("abc"), numbers), min_size=1, max_size=60))
def test_aggregates_of_groups_are_numpys(lines: list[tuple[str, float]]) -> None:
    rows = pl.DataFrame(lines, schema=["kind", "size"], orient="row")
    kinds = ["count", "sum", "mean", "min", "max", "median", "std"]
    for group in run("groups", rows, column="size", aggregates=kinds)["groups"]:
        values = np.array([size for kind, size in lines if [kind] == group["group"]])
        std = values.std(ddof=1) if len(values) > 1 else None
        expected = [len(values), values.sum(), values.mean(), values.min(), values.max(), np.median(values), std]
        assert [group[kind] for kind in kinds] == [
            each if each is None else pytest.approx(each, **CLOSE) for each in expected
        ]


def test_theil_sen_pairs_an_even_choice_of_many_points() -> None:
    # Given more points than can all be paired, on a line with a few wild ones
    x = np.arange(10_000.0)
    y = 2 * x + 1
    y[::500] = 1e6
    fitted = theil_sen(x, y, 0.95)
    assert (fitted["paired"], fitted["slope"]) == (3000, pytest.approx(2.0))


def test_a_large_offset_costs_a_trend_no_digits() -> None:
    x = np.arange(50.0) + 1e9
    fitted = least_squares(x, 3 * (x - 1e9) + np.sin(x), 0.95)
    plain = stats.linregress(x - 1e9, 3 * (x - 1e9) + np.sin(x))
    assert fitted["slope"] == pytest.approx(plain.slope, rel=1e-12)
    assert fitted["slope_error"] == pytest.approx(plain.stderr, rel=1e-9)
