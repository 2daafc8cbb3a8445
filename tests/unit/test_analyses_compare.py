"""Tests that histogram and groups compare subsets of the rows in shared bins and groups."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest

from analyses import InvalidParams, get_analysis
from analyses.kit import try_analysis

ROWS = pl.DataFrame(
    {
        "country": ["USA", "Japan", "USA", None, "Chile", "Japan", "USA"],
        "kind": ["a", "a", "b", "a", "b", None, "a"],
        "size": [1.0, 2.0, 3.0, 100.0, 50.0, None, 5.0],
        "year": [1, 2, 1, 2, 3, 1, 1],
        "seen": [True, False, True, None, True, False, None],
        "day": [date(2020, 1, day) for day in range(1, 8)],
        "time": [datetime(2020, 1, 1 + hour // 2, hour, tzinfo=UTC) for hour in range(7)],
    }
)


def compare(column: str, *values: Any) -> dict[str, Any]:
    return {"column": column, "values": [*values]}


def test_a_histogram_counts_each_subset_in_bins_of_all():
    # When two countries are compared
    trial = try_analysis("histogram", ROWS, column="size", bins=4, compare=compare("country", "USA", "Japan"))

    # Then the bins span the values of both, and only of these
    result = trial.result
    assert result["edges"] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert result["subsets"] == [
        {"value": "USA", "count": 3, "missing": 0, "counts": [1, 0, 1, 1]},
        {"value": "Japan", "count": 1, "missing": 1, "counts": [0, 1, 0, 0]},
    ]
    assert (result["count"], result["missing"], result["others"]) == (4, 1, 2)
    assert result["counts"] == [1, 1, 1, 1]
    assert trial.artifacts[2].content.splitlines()[:2] == [b"subset,from,to,count", b"USA,1.0,2.0,1"]
    # And the parameters can be posted again
    assert trial.params["compare"] == compare("country", "USA", "Japan")


def test_the_bins_and_counts_are_numpys():
    random = np.random.default_rng(1)
    rows = pl.DataFrame({"x": random.normal(size=1000), "k": random.choice(["a", "b", "c"], 1000)})
    result = try_analysis("histogram", rows, compare=compare("k", "a", "c")).result

    parts = [rows.filter(pl.col("k") == value)["x"].to_numpy() for value in ("a", "c")]
    edges = np.histogram_bin_edges(np.concatenate(parts), bins=20)
    assert result["edges"] == edges.tolist()
    for subset, part in zip(result["subsets"], parts, strict=True):
        assert subset["counts"] == np.histogram(part, bins=edges)[0].tolist()


def test_groups_aggregate_each_subset_in_the_order_of_all():
    trial = try_analysis(
        "groups", ROWS, by="kind", column="size", aggregates=["sum", "count", "mean"],
        compare=compare("country", "USA", "Japan"),
    )  # fmt: skip

    assert [group["group"] for group in trial.result["groups"]] == [["a"], ["b"], [None]]
    assert trial.result["groups"][0] == {"group": ["a"], "sum": 8.0, "count": 3, "mean": 8 / 3}
    assert trial.result["subsets"] == [
        {
            "value": "USA",
            "count": 3,
            "groups": [
                {"group": ["a"], "sum": 6.0, "count": 2, "mean": 3.0},
                {"group": ["b"], "sum": 3.0, "count": 1, "mean": 3.0},
                {"group": [None], "sum": 0.0, "count": 0, "mean": None},
            ],
        },
        {
            "value": "Japan",
            "count": 2,
            "groups": [
                {"group": ["a"], "sum": 2.0, "count": 1, "mean": 2.0},
                {"group": ["b"], "sum": 0.0, "count": 0, "mean": None},
                {"group": [None], "sum": 0.0, "count": 1, "mean": None},
            ],
        },
    ]
    assert trial.artifacts[2].content.splitlines()[:2] == [b"subset,kind,sum,count,mean", b"USA,a,6.0,2,3.0"]


def test_only_the_listed_groups_are_compared():
    result = try_analysis("groups", ROWS, by="kind", top=1, compare=compare("year", 1, 2)).result
    assert (result["distinct"], result["others"]) == (3, {"groups": 2, "count": 2})
    assert [subset["groups"] for subset in result["subsets"]] == [
        [{"group": ["a"], "count": 2}],
        [{"group": ["a"], "count": 2}],
    ]


@pytest.mark.parametrize(
    ("asked", "counts"),
    [
        (compare("country", "Chile", None), [1, 1]),
        (compare("country", "Chile", "chile"), [1, 0]),
        (compare("year", 1, 2.0, 2.5), [4, 2, 0]),
        (compare("seen", True, False, None), [3, 2, 2]),
        (compare("day", "2020-01-07", "20200101"), [1, 1]),
        (compare("time", "2020-01-01", "2020-01-02T02:00Z"), [2, 1]),
        (compare("time", "2020-01-02T03:00+01:00", "2020-01-02T03:00"), [1, 1]),
    ],
)
@pytest.mark.parametrize("analysis", ["groups", "histogram"])
def test_the_values_of_each_type_are_compared(analysis, asked, counts):
    subsets = try_analysis(analysis, ROWS, compare=asked).result["subsets"]
    missing = [subset.get("missing", 0) for subset in subsets]
    assert [subset["count"] + left for subset, left in zip(subsets, missing, strict=True)] == counts
    assert [subset["value"] for subset in subsets] == asked["values"]


def test_the_plot_has_a_legend_with_each_value():
    for analysis in ("groups", "histogram"):
        rows = ROWS.with_columns(pl.col("country").fill_null("$x$"))
        params = {"compare": compare("country", "USA", "$x$")}
        figure = get_analysis(analysis).run(rows, params, lambda fraction, message=None: None).figures["plot"]
        (legend,) = figure.legends
        assert [text.get_text() for text in legend.get_texts()] == ["USA", "$x$"]
        assert figure.axes[0].get_title(loc="left").endswith("compared by country")


@pytest.mark.parametrize("analysis", ["groups", "histogram"])
@pytest.mark.parametrize(
    ("asked", "pointer", "detail"),
    [
        (compare("cuontry", "USA", "Japan"), "/compare/column", "no column 'cuontry'"),
        (compare("country", "USA"), "/compare/values", "at least 2"),
        (compare("country", *"abcdefg"), "/compare/values", "at most 6"),
        (compare("country", "USA", "USA"), "/compare/values", "named twice"),
        (compare("country", "USA", 5), "/compare/values", "holds text: expected texts"),
        (compare("year", 1, "2"), "/compare/values", "holds integer: expected numbers"),
        (compare("year", 1, True), "/compare/values", "named twice"),
        (compare("year", 2, True), "/compare/values", "expected numbers"),
        (compare("seen", True, "false"), "/compare/values", "expected true and false"),
        (compare("day", "2020-01-01", "soon"), "/compare/values", "expected dates or times"),
        (compare("time", "2020-01-01", 5), "/compare/values", "expected dates or times"),
        ({"column": "country"}, "/compare/values", "required"),
        ({**compare("country", "USA", "Japan"), "color": "red"}, "/compare/color", "not permitted"),
        ("country", "/compare", "object"),
    ],
)
def test_a_comparison_that_does_not_fit_is_refused_with_its_pointer(analysis, asked, pointer, detail):
    with pytest.raises(InvalidParams) as raised:
        try_analysis(analysis, ROWS, compare=asked)
    assert [found for found, _ in raised.value.errors] == [pointer]
    assert detail in raised.value.errors[0][1]


def test_nothing_changes_without_a_comparison():
    assert try_analysis("histogram", ROWS, column="size", compare=None).params == {"column": "size", "bins": 20}
    assert "subsets" not in try_analysis("groups", ROWS).result
