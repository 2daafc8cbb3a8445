"""A search of columns whose values repeat finds the rows that a look at every value finds."""

from __future__ import annotations

import random

import polars as pl
import pytest

from dataset.distinct_values import add_values, find_distinct_values
from dataset.ingest import ingest
from dataset.table import Table

ROWS = 9000
SEARCHES = ("atl", "ATL", "7", "-3", "2001-01-0", "true", "Σ", "none", "a\0b", "1.5", "unique 77")


def _table() -> Table:
    dice = random.Random(3)
    lines = [
        ",".join(
            (
                f"2001-01-{dice.randint(1, 28):02d}T00:00:00Z",
                str(dice.randint(-40, 80)),
                dice.choice(["ATL", "Lax", "", "ΌΣΟΣ", "oslo"]),
                dice.choice(["1.5", "-2.25", ""]),
                dice.choice(["true", "false"]),
                f"unique {n}",
            )
        )
        for n in range(ROWS)
    ]
    return ingest("\n".join(["date,delay,origin,rate,late,note", *lines]).encode(), "text/csv")


@pytest.fixture(scope="module")
def table() -> Table:
    """A table whose search index is built."""
    table = _table()
    table.build_indexes()
    return table


@pytest.mark.parametrize("search", SEARCHES)
def test_the_rows_found_are_those_of_an_index_of_every_row(table, monkeypatch, search):
    monkeypatch.setattr("dataset.rows.find_distinct_values", lambda frame: {})
    every = Table(table.description, table.frame)

    assert set(table.rows.distinct) == {"date", "delay", "origin", "rate", "late"}
    assert every.rows.distinct == {}
    assert [*_found(table, search)] == [*_found(every, search)]


def _found(table: Table, search: str) -> list[int]:
    return [int(row) for part in table.match_rows(None, search) for row in part]


def test_values_that_a_change_brings_are_added(table):
    frame = table.frame
    changed = frame.with_columns(
        pl.when(pl.int_range(pl.len()) == 5).then(pl.lit("Zürich")).otherwise(pl.col("origin")).alias("origin")
    )

    added = add_values(table.rows.distinct, changed, [(0, 10)])

    assert added is not None
    assert added["origin"].containing("zürich").to_list() == ["Zürich"]
    assert sorted(added["delay"].values) == sorted(table.rows.distinct["delay"].values)


def test_a_column_of_another_type_or_with_a_negative_zero_needs_all_values_again():
    frame = pl.DataFrame({"x": [0.0, 1.0] * 5000, "y": [1, 2] * 5000})
    known = find_distinct_values(frame)

    assert set(known) == {"x", "y"}
    assert add_values(known, frame.with_columns(pl.col("y").cast(pl.Float64)), []) is None
    assert add_values(known, frame.with_columns(-pl.col("x")), [(0, 4)]) is None
    assert set(find_distinct_values(frame.with_columns(-pl.col("x")))) == {"y"}


def test_columns_of_many_values_and_small_tables_keep_a_text_of_each_row():
    assert find_distinct_values(pl.DataFrame({"x": range(10_000)})) == {}
    assert find_distinct_values(pl.DataFrame({"x": [1] * 100})) == {}


def test_a_column_whose_values_repeat_in_a_sample_only_is_not_among_them():
    numbers = pl.Series(range(ROWS))
    frame = pl.DataFrame({"sampled": numbers.set(numbers % 64 == 0, 0), "few": numbers % 64})
    found = find_distinct_values(frame)
    assert list(found) == ["few"]
    assert sorted(found["few"].values) == list(range(64))
