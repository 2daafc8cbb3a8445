"""Template: the mean of each group, as a plot and a table."""

from __future__ import annotations

import polars as pl
import pytest

from analyses.kit import InvalidParams, try_analysis


def test_template_averages_each_group() -> None:
    # Given two groups, and a row without a number
    rows = pl.DataFrame({"kind": ["a", "b", "b", "a"], "size": [1.0, 2.0, 4.0, None]})

    # When they are averaged
    trial = try_analysis("template", rows, by="kind")

    # Then the larger mean is first, in the table and in its plots
    assert trial.params == {"by": "kind", "column": "size", "top": 10}
    assert trial.result == {"groups": 2, "rows": 3}
    assert [each.name for each in trial.artifacts] == ["plot.png", "plot.svg", "table.csv"]
    assert trial.artifacts[2].content == b"group,mean\nb,3.0\na,1.0\n"


def test_template_accepts_an_empty_dataset() -> None:
    rows = pl.DataFrame(schema={"kind": pl.String, "size": pl.Float64})
    assert try_analysis("template", rows, by="kind").result == {"groups": 0, "rows": 0}


def test_template_refuses_a_column_that_the_dataset_does_not_have() -> None:
    rows = pl.DataFrame({"kind": ["a"], "size": [1.0]})
    with pytest.raises(InvalidParams) as raised:
        try_analysis("template", rows, by="knid")
    assert [pointer for pointer, _ in raised.value.errors] == ["/by"]
