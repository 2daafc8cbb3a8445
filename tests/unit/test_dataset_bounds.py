"""A single value is parsed like a column of that value."""

from __future__ import annotations

import re

import polars as pl
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from dataset.types.type_inference import column_type, infer_numeric, infer_temporal, parse_number, parse_temporal

NUMERALS = st.one_of(
    st.integers().map(str),
    st.floats().map(str),
    st.from_regex(r"[+-]?[0-9]{0,20}\.?[0-9]{0,5}([eE][+-]?[0-9]{1,3})?", fullmatch=True),
)
INSTANTS = st.one_of(
    st.dates().map(str),
    st.datetimes().map(str),
    st.from_regex(
        r"(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9](:[0-6][0-9](\.[0-9]{1,9})?)?"
        r"(Z|[+-][01][0-9](:?[0-5][0-9])?)?",
        fullmatch=True,
    ),
)


@given(NUMERALS)
def test_numerals(text):
    assume(not re.fullmatch("-?[0-9]+[eE][0-9]+", text))  # a bound, but not a column, may be written so
    column = infer_numeric(pl.Series([text]))
    expected = None if column is None or column.dtype == pl.Boolean else column.item()

    assert parse_number(text) == expected


@given(INSTANTS)
@example("2018-01-01T12:30:60")
@example("2016-12-31T22:59:60-01:00")
def test_instants(text):
    column = infer_temporal(pl.Series([text]))
    expected = None if column is None else (column_type(column), column.to_physical().item())

    assert parse_temporal(text) == expected


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("2016-12-31T23:59:60Z", 1_483_228_800),
        ("2017-01-01T05:29:60.5+05:30", 1_483_228_800.5),
        ("2016-12-31T23:59:60-01:00", None),
        ("2018-01-01T12:30:60", None),
    ],
)
def test_a_leap_second_is_the_last_of_a_day_in_utc(text, second):
    column = infer_temporal(pl.Series(["2018-01-01T00:00:00", text]))

    assert parse_temporal(text) == (None if second is None else ("time", second * 1e6))
    assert (column is None) == (second is None)


@pytest.mark.parametrize(
    "text", ["", "2018-02-30", "2018-01-01T24:00", "x", "0x10", "1_000", "٣", "2018-01-01T10:00+25"]
)
def test_other_text_is_neither(text):
    assert (parse_number(text), parse_temporal(text)) == (None, None)
