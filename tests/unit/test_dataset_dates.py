"""Date formats other than ISO 8601 are inferred where they are unambiguous."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset import ingest
from dataset.date_formats import infer_slash_dates


def column(name: str, *values: str) -> tuple[str, list[object]]:
    """Load values as a column of this name of a CSV; return its type and the values in GET /data."""
    body = f"n;{name}\n" + "".join(f"{number};{value}\n" for number, value in enumerate(values))
    table = ingest(body.encode(), "text/csv")
    return table.description.types()[name], [record[name] for record in table.page(limit=100).records]


@pytest.mark.parametrize(
    ("values", "printed"),
    [
        (["01/31/2018", "02/01/2018"], ["2018-01-31", "2018-02-01"]),
        (["31/01/2018", "", "1/2/2018"], ["2018-01-31", None, "2018-02-01"]),
        (["1/31/2018", "NA"], ["2018-01-31", None]),
        (["05/05/2018", "6/6/2018"], ["2018-05-05", "2018-06-06"]),
        (["2018/01/31", "2018/2/1"], ["2018-01-31", "2018-02-01"]),
    ],
)
def test_dates_with_slashes(values, printed):
    assert column("d", *values) == ("date", printed)


@pytest.mark.parametrize(
    ("values", "printed"),
    [
        (["01/31/2018 01:49", "02/01/2018 23:59:59"], ["2018-01-31T01:49:00.000Z", "2018-02-01T23:59:59.000Z"]),
        (
            ["01/31/2018 01:45:00 PM", "02/01/2018 12:00:00 am"],
            ["2018-01-31T13:45:00.000Z", "2018-02-01T00:00:00.000Z"],
        ),
        (["31/01/2018, 12:30 pm", "31/01/2018"], ["2018-01-31T12:30:00.000Z", "2018-01-31T00:00:00.000Z"]),
        (["2018/01/31 01:49:59.6501239"], ["2018-01-31T01:49:59.650123Z"]),
    ],
)
def test_times_with_slashes_are_utc(values, printed):
    assert column("t", *values) == ("time", printed)


@pytest.mark.parametrize(
    "values",
    [
        ("01/02/2018", "03/04/2018"),  # ambiguous
        ("01/02/2018", "02/02/2018"),
        ("01/31/2018", "31/01/2018"),  # neither order
        ("02/30/2018",),
        ("13/13/2018",),
        ("01/31/18",),
        ("00/31/2018",),
        ("01/31/0000",),
        ("01/31/2018", "2018-01-31"),
        ("01/31/2018 13:00 PM",),
        ("01/31/2018 0:30 AM",),
        ("01/31/2018 24:00",),
        ("01/31/2018 12",),
        ("31.01.2018",),
        ("1/2",),
    ],
)
def test_ambiguous_or_invalid_dates_stay_text(values):
    assert column("d", *values) == ("text", list(values))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dates(), min_size=1, max_size=6), st.sampled_from(["%m/%d/%Y", "%d/%m/%Y"]))
def test_a_column_is_parsed_in_the_order_it_was_written_or_stays_text(dates, written):
    # Given dates written in one of the two orders
    texts = pl.Series([f"{date.strftime(written)[:6]}{date.year:04}" for date in dates])
    # when they are parsed, then they are those dates, unless both orders are possible and differ
    read = infer_slash_dates(texts)
    if read is not None:
        assert read.to_list() == dates
    else:
        assert all(date.day <= 12 for date in dates)
        assert any(date.day != date.month for date in dates)


@pytest.mark.parametrize("name", ["epoch_ms", "timestampMillis", "unix time (ms)", "event_timestamp_milliseconds"])
def test_milliseconds_since_1970_are_inferred_from_the_name(name):
    assert column(name, "1517363399650", "", "-1") == (
        "time",
        ["2018-01-31T01:49:59.650Z", None, "1969-12-31T23:59:59.999Z"],
    )


@pytest.mark.parametrize("name", ["time", "epoch", "duration_ms", "response_time_ms", "timestamp", "terms_epoch", "ms"])
def test_other_names_give_integers(name):
    assert column(name, "1517363399650") == ("integer", [1517363399650])


@pytest.mark.parametrize("value", ["0.5", "253402300800000", "-62135596800001", "x"])
def test_values_out_of_range_are_not_times(value):
    assert column("epoch_ms", value)[0] != "time"


def test_json_and_its_dates():
    body = (
        b'[{"d": "01/31/2018", "epoch_ms": 0, "t": "2018-01-31T01:49:59.650Z"}, {"d": "", "epoch_ms": null, "t": "NA"}]'
    )
    table = ingest(body, "application/json")

    assert table.page(limit=9).records == [
        {"d": "2018-01-31", "epoch_ms": "1970-01-01T00:00:00.000Z", "t": "2018-01-31T01:49:59.650Z"},
        {"d": None, "epoch_ms": None, "t": None},
    ]
    assert table.frame["d"].to_list() == [dt.date(2018, 1, 31), None]
