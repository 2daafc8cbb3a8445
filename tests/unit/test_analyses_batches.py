"""Rows that are read in batches give the results of rows in memory."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest

from analyses import get_analysis
from analyses.framework.ordered_counts import ordered_counts

HEIGHT = 4000


class Batches:
    """The rows of a frame, some hundred at a time."""

    def __init__(self, rows: pl.DataFrame, size: int = 300, budget: int = 2**16) -> None:
        self._rows = rows
        self._size = size
        self.schema = rows.schema
        self.height = rows.height
        self.budget = budget
        self.read: set[str] = set()
        self.reads = 0

    def batches(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        self.read |= set(columns)
        self.reads += 1
        for begin in range(0, max(1, self.height), self._size):
            yield self._rows.slice(begin, self._size).select([*dict.fromkeys(columns)])

    def frame(self, columns: Sequence[str]) -> pl.DataFrame:
        self.read |= set(columns)
        return self._rows.select([*dict.fromkeys(columns)])


def rows(height: int = HEIGHT) -> pl.DataFrame:
    rng = np.random.default_rng(7)
    side = rng.choice(["north", "south", None], height).tolist()
    noise = rng.normal(1e6, 3, height)
    noise[::11] = np.nan
    return pl.DataFrame(
        {
            "id": range(height),
            "side": pl.Series(side, dtype=pl.String),
            "name": [f"name {rng.integers(2000)}" for _ in range(height)],
            "x": noise,
            "count": rng.integers(0, 9, height),
            "flag": rng.random(height) > 0.3,
            "empty": pl.Series([None] * height, dtype=pl.Float64),
            "day": pl.Series(rng.integers(17000, 19000, height)).cast(pl.Int32).cast(pl.Date),
            "time": pl.Series(np.sort(rng.integers(10**15, 2 * 10**15, height))).cast(pl.Datetime("us", "UTC")),
        }
    )


COMPARE = {"compare": {"column": "side", "values": ["north", None]}}
JOBS: list[tuple[str, dict[str, Any]]] = [
    ("summary", {}),
    ("summary", {"top": 0}),
    ("summary", {"top": 1000, "columns": ["name", "count"]}),
    ("histogram", {"column": "x"}),
    ("histogram", {"column": "count", "bins": 5, **COMPARE}),
    ("histogram", {"column": "empty"}),
    ("groups", {"by": ["side"]}),
    ("groups", {"by": ["name"], "column": "x", "aggregates": ["mean", "std", "sum", "min", "max", "count"], "top": 50}),
    ("groups", {"by": ["side", "flag"], "column": "x", "aggregates": ["median", "mean"]}),
    ("groups", {"by": ["flag"], "column": "count", **COMPARE}),
    ("groups", {"by": ["flag"], "column": "empty"}),
    ("timeseries", {"index": "time"}),
    ("timeseries", {"index": "day", "every": "1mo", "column": "x"}),
    ("timeseries", {"index": "day", "every": "6h", "column": "x", "aggregate": "count"}),
    ("timeseries", {"index": "x", "column": "count", "aggregate": "std"}),
    ("timeseries", {"index": "id", "every": 250, "column": "x", "aggregate": "median"}),
    ("timeseries", {"index": "empty"}),
    ("correlation", {"columns": ["id", "x", "count"]}),
    ("outliers", {"column": "x", "index": "time"}),
    ("trend", {"x": "time", "y": "x"}),
]


def ignore(fraction: float, message: str | None = None) -> None:
    pass


def close(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: close(each) for key, each in value.items()}
    if isinstance(value, list):
        return [close(each) for each in value]
    return pytest.approx(value, rel=1e-9) if isinstance(value, float) else value


@pytest.mark.parametrize(("name", "params"), JOBS, ids=str)
def test_batches_give_the_same_results_and_tables(name: str, params: dict[str, Any]) -> None:
    analysis = get_analysis(name)
    expected = analysis.run(rows(), analysis.read_params(params, types(), "id"), ignore)

    found = analysis.run(Batches(rows()), analysis.read_params(params, types(), "id"), ignore)

    assert found.result == close(expected.result)
    for table, given in expected.tables.items():
        assert found.tables[table].to_dicts() == close(given.to_dicts())
    assert found.figures.keys() == expected.figures.keys()


@pytest.mark.parametrize(
    "values",
    [
        [1e200, 2e200, 3e200],
        [-(2**63), 2**63 - 2],
        [-(2**63), -(2**62), 2**62, 2**63 - 2],
    ],
    ids=["squares beyond all doubles", "two far apart", "a wide span"],
)
def test_extreme_numbers_are_summarised_in_batches_as_in_memory(values: list[Any]) -> None:
    # Given numbers that whose squares are infinite, or whose differences do not fit into 64 bits
    given = pl.DataFrame({"x": values})
    analysis = get_analysis("summary")

    # When they are read in batches
    found = analysis.run(Batches(given, size=1), {}, ignore)

    # Then the summary is that of the numbers in memory
    assert found.result == close(analysis.run(given, {}, ignore).result)


def types() -> dict[str, str]:
    return {
        "id": "integer",
        "side": "text",
        "name": "text",
        "x": "number",
        "count": "integer",
        "flag": "boolean",
        "empty": "number",
        "day": "date",
        "time": "time",
    }


@pytest.mark.parametrize("name", ["summary", "histogram", "groups", "timeseries"])
def test_nothing_is_nothing_in_batches_too(name: str) -> None:
    params = {"groups": {"by": ["side"]}, "timeseries": {"index": "time"}, "histogram": {"column": "x"}}.get(name, {})
    analysis = get_analysis(name)

    found = analysis.run(Batches(rows(0)), analysis.read_params(params, types(), "id"), ignore)

    assert found.result == analysis.run(rows(0), analysis.read_params(params, types(), "id"), ignore).result


def test_only_the_columns_that_a_job_needs_are_read() -> None:
    given = Batches(rows())
    analysis = get_analysis("groups")

    analysis.run(given, analysis.read_params({"by": ["side"], "column": "x", **COMPARE}, types(), "id"), ignore)

    assert given.read == {"side", "x"}


def test_an_analysis_that_takes_a_frame_gets_all_columns(tmp_path: Any) -> None:
    analysis = get_analysis("sleep")
    assert analysis.run(None, {"seconds": 0}, ignore).result == {"slept": 0}
    given = Batches(rows(10))
    taken: list[pl.DataFrame] = []

    def run(rows: pl.DataFrame) -> dict[str, Any]:
        taken.append(rows)
        return {}

    frame_analysis = type(analysis)("own", "", True, {}, analysis._model, run, frozenset({"rows"}), False)
    frame_analysis.run(given, {}, ignore)

    assert taken[0].equals(rows(10))


@pytest.mark.parametrize("order", ["random", "ascending", "same"])
@pytest.mark.parametrize("kind", [int, str])
def test_values_are_counted_in_order_in_pieces_that_fit(order: str, kind: type) -> None:
    rng = random.Random(3)
    values = [rng.randrange(3000) if order != "same" else 5 for _ in range(10_000)]
    if order == "ascending":
        values.sort()
    whole = pl.Series("value", [f"{value:05}" if kind is str else value for value in values])
    passes = 0

    def read() -> Iterator[pl.Series]:
        nonlocal passes
        passes += 1
        return (whole.slice(begin, 500) for begin in range(0, len(whole), 500))

    pieces = [*ordered_counts(read, whole.gather_every(25), len(whole), 400)]

    assert all(piece.height <= 400 for piece in pieces)
    assert pl.concat(pieces).equals(whole.value_counts().sort("value"))
    assert passes <= 40


def test_pieces_end_even_where_the_sample_tells_nothing() -> None:
    whole = pl.Series("value", [*([0] * 1000), *range(2000)])

    pieces = [*ordered_counts(lambda: [whole], whole.head(1000), len(whole), 100)]

    assert sum(piece["count"].sum() for piece in pieces) == 3000
    assert pl.concat(pieces)["value"].to_list() == [*range(2000)]
