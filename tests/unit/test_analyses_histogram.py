"""The histogram is NumPy's, drawn and tabulated."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from analyses import InvalidParams, Outcome, get_analysis, render


def histogram(values: Any, **params: Any) -> Outcome:
    return get_analysis("histogram").run(pl.DataFrame({"size": values}), params, lambda fraction, message=None: None)


@settings(deadline=None)
@given(st.lists(st.integers(-1000, 1000) | st.floats(-1e6, 1e6), min_size=1), st.integers(1, 50))
def test_edges_and_counts_are_exactly_numpys(values: list[float], bins: int) -> None:
    # Given values whose range NumPy can divide
    array = np.array(values, dtype=float)
    try:
        counts, edges = np.histogram(array, bins=bins)
    except ValueError:
        reject()

    # When they are counted
    result = histogram(array, bins=bins).result

    # Then edges and counts are NumPy's to the last bit
    assert result["edges"] == edges.tolist()
    assert result["counts"] == counts.tolist()


def test_missing_values_are_left_out_and_counted() -> None:
    result = histogram([1.0, None, float("nan"), float("-inf"), 2.0], bins=2).result
    assert (result["count"], result["missing"], result["counts"]) == (2, 3, [1, 1])


def test_it_gives_a_picture_of_each_kind_and_a_table() -> None:
    rendered = render(histogram([1, 1, 2], bins=2))
    assert [each.name for each in rendered.artifacts] == ["plot.png", "plot.svg", "table.csv"]
    assert rendered.artifacts[2].content == b"from,to,count\n1.0,1.5,2\n1.5,2.0,1\n"


def test_the_same_values_give_the_same_bytes() -> None:
    assert render(histogram([1, 2, 5])) == render(histogram([1, 2, 5]))


def test_the_plot_is_labelled() -> None:
    (axes,) = histogram([1, 2, 5]).figures["plot"].axes
    assert (axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()) == ("Histogram of size", "size", "count")


@pytest.mark.parametrize("values", [[], [None, None], [float("nan")]])
def test_without_values_the_plot_says_so(values: list[float | None]) -> None:
    outcome = histogram(pl.Series(values, dtype=pl.Float64))
    (axes,) = outcome.figures["plot"].axes
    assert (outcome.result["edges"], outcome.result["counts"]) == ([], [])
    assert [text.get_text() for text in axes.texts] == ["no values"]
    assert render(outcome).artifacts[2].content == b"from,to,count\n"


@pytest.mark.parametrize("values", [[7, 7, 7], [7.5], [10**18] * 3, [1e17, 1e17 + 16]])
def test_a_constant_column_is_drawn(values: list[float]) -> None:
    outcome = histogram(values)
    assert sum(outcome.result["counts"]) == len(values)
    assert render(outcome).artifacts[0].content.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"id": "integer", "name": "text", "size": "number"}, "size"),
        ({"site_id": "integer", "day": "date", "depth": "integer"}, "depth"),
        ({"name": "text", "id": "integer"}, "id"),
    ],
)
def test_the_default_is_the_first_number_that_is_no_identifier(columns: dict[str, str], expected: str) -> None:
    assert get_analysis("histogram").check({}, columns) == {"column": expected, "bins": 20}
    assert get_analysis("histogram").check({"column": None}, columns)["column"] == expected


@pytest.mark.parametrize("params", [{}, {"column": None}])
def test_a_dataset_without_numbers_is_refused_before_the_job_is_queued(params: dict[str, Any]) -> None:
    with pytest.raises(InvalidParams) as raised:
        get_analysis("histogram").check(params, {"name": "text", "day": "date"})
    assert raised.value.errors == [("/column", "the dataset has no column of numbers; it has: name, day")]


@pytest.mark.parametrize("bins", [0, 1001, 2.5, "20", True, None])
def test_bins_are_a_whole_number_from_1_to_1000(bins: Any) -> None:
    with pytest.raises(InvalidParams) as raised:
        get_analysis("histogram").check({"column": "a", "bins": bins}, {"a": "number"})
    assert [pointer for pointer, _ in raised.value.errors] == ["/bins"]
