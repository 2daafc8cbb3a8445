"""Template: the mean of each group, as a plot and a table."""

from __future__ import annotations

import polars as pl
import pytest

from analyses import InvalidParams, get_analysis, render


def test_template_tells_the_mean_of_each_group() -> None:
    # Given two groups, and a row without a number
    rows = pl.DataFrame({"kind": ["a", "b", "b", "a"], "size": [1.0, 2.0, 4.0, None]})

    # When they are averaged
    reports = []
    outcome = get_analysis("template").run(
        rows, {"by": "kind"}, lambda fraction, message=None: reports.append((fraction, message))
    )

    # Then the larger mean comes first, in the table and in pictures of it
    rendered = render(outcome)
    assert rendered.result == {"groups": 2, "rows": 3}
    assert [each.name for each in rendered.artifacts] == ["plot.png", "plot.svg", "table.csv"]
    assert rendered.artifacts[2].content == b"group,mean\nb,3.0\na,1.0\n"
    assert reports == [(0.5, "averaging"), (0.9, "drawing")]


def test_template_draws_nothing_from_nothing() -> None:
    rows = pl.DataFrame(schema={"kind": pl.String, "size": pl.Float64})
    outcome = get_analysis("template").run(rows, {"by": "kind"}, lambda fraction, message=None: None)
    assert render(outcome).result == {"groups": 0, "rows": 0}


def test_template_refuses_a_column_that_the_dataset_does_not_have() -> None:
    with pytest.raises(InvalidParams) as raised:
        get_analysis("template").check({"by": "knid"}, {"kind": "text", "size": "number"})
    assert [pointer for pointer, _ in raised.value.errors] == ["/by"]
