"""One record is rendered as a page of records is."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.changes import to_frame
from dataset.rows import Rows
from dataset.serialization import record_of, records
from dataset.sizes import fixed_record_bytes, json_bytes, max_record_bytes
from dataset.types.type_inference import TIME

DAYS = (date.min.toordinal() - 719_163, date.max.toordinal() - 719_163)
MICROSECONDS = (-62_135_596_800 * 10**6, 253_402_300_800 * 10**6 - 1)
SCHEMA = pl.Schema({"i": pl.Int64, "f": pl.Float64, "b": pl.Boolean, "s": pl.String, "d": pl.Date, "t": TIME})
rows = st.tuples(
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.booleans(),
    st.none() | st.text(),
    st.none() | st.integers(*DAYS),
    st.none() | st.integers(*MICROSECONDS) | st.integers(*DAYS).map(lambda day: day * 86_400_000_000),
)


@settings(deadline=None)
@given(rows)
def test_a_row_has_the_json_values_of_its_record(row: tuple[Any, ...]) -> None:
    frame = to_frame(SCHEMA, [row])
    assert Rows(frame).row(0) == row
    assert [record_of(SCHEMA, row)] == records(frame)
    assert max_record_bytes(fixed_record_bytes(frame), row) >= json_bytes(frame)


def test_a_date_beyond_those_of_python_is_refused() -> None:
    for kind, value in ((pl.Date, DAYS[1] + 1), (TIME, MICROSECONDS[1] + 1)):
        with pytest.raises(OverflowError):
            record_of(pl.Schema({"x": kind}), (value,))
    assert record_of(pl.Schema({"t": TIME}), (1_500,)) == {"t": f"{datetime(1970, 1, 1).isoformat()}.001500Z"}
