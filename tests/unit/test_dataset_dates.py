"""Date formats other than ISO 8601 are read where a whole column fits one reading."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset import LoadOptions, Table, ingest
from dataset.types.type_inference import infer_temporal


def load(name: str, *values: str, dates: str | None = None) -> Table:
    """Load values as the second column, of this name, of a CSV."""
    body = f"n;{name}\n" + "".join(f"{number};{value}\n" for number, value in enumerate(values))
    return ingest(body.encode(), "text/csv", options=LoadOptions(dates=dates))


def column(name: str, *values: str) -> tuple[str, list[object]]:
    """Return the type of a column and its values in GET /data."""
    table = load(name, *values)
    return table.description.types()[name], [record[name] for record in table.page(limit=100).records]


@given(
    st.sampled_from(["T", " "]),
    st.sampled_from([0, 2, 3, 6, 9]),
    st.sampled_from(["", "Z"]),
    st.lists(
        st.tuples(st.sampled_from(["0000", "0001", "1970", "2020", "9999"]), st.integers(1, 13), st.integers(28, 32),
                  st.integers(20, 24), st.integers(58, 60), st.integers(57, 60)),
        min_size=1, max_size=3,
    ),
)  # fmt: skip
def test_times_that_are_all_written_alike_are_those_of_their_parts(separator, digits, zone, values):
    """Given times in one format, valid or not, when they are inferred, then as those in mixed formats are."""
    fraction = f".{123456789:.0f}"[: digits + 1] if digits else ""
    texts = pl.Series(
        [
            f"{year}-{month:02}-{day:02}{separator}{hour:02}:{minute:02}:{second:02}{fraction}{zone}"
            for year, month, day, hour, minute, second in values
        ]
    )
    mixed = texts.clone().append(pl.Series(["2018-01-31T01:49+01:00"]))
    found, expected = infer_temporal(texts), infer_temporal(mixed)
    assert (found is None) == (expected is None)
    assert found is None or found.equals(expected.head(len(texts)))


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
        ("31.01.2018", "01/31/2018"),
        ("1/2",),
        ("2018-01-31 10:00 EST",),
        ("2019-W53",),
        ("2018-060", "2018-366"),
        ("12:30", "13:45"),
        ("3.11.20", "2.7.18"),  # versions
        ("1234-05", "2345-11"),  # codes
        ("SET-2020", "GEN-2021"),
    ],
)
def test_ambiguous_or_invalid_dates_stay_text(values):
    assert column("d", *values) == ("text", list(values))


@pytest.mark.parametrize(
    ("values", "printed"),
    [
        (["31.12.2020", "01.01.2021"], "2020-12-31"),
        (["2018.01.31"], "2018-01-31"),
        (["2018 1 31"], "2018-01-31"),
        (["2018\u5e741\u670831\u65e5"], "2018-01-31"),
        (["Jan 1 2000", "December 31, 2001"], "2000-01-01"),
        (["1 March 2011", "3rd Jan. 2012"], "2011-03-01"),
        (["09MAR2011"], "2011-03-09"),
        (["9. M\u00e4rz 2011", "10. Okt. 2011"], "2011-03-09"),
        (["9 de marzo de 2011"], "2011-03-09"),
        (["9 juillet 2011", "9 juin 2011", "9 ao\u00fbt 2011"], "2011-07-09"),
        (["31. 12. 2020"], "2020-12-31"),
        (["2011-Mar-09"], "2011-03-09"),
        (["Wednesday, March 9, 2011"], "2011-03-09"),
        (["09-Mar-11", "10-Mar-99"], "2011-03-09"),
        (["2016-12", "2017-01"], "2016-12-01"),
        (["12/2016"], "2016-12-01"),
        (["Dec-2016"], "2016-12-01"),
        (["2016M12"], "2016-12-01"),
        (["2016-Q4", "2017Q1"], "2016-10-01"),
        (["Q4 2016"], "2016-10-01"),
        (["2020-W01", "2020-W53"], "2019-12-30"),
        (["2020-W53-7"], "2021-01-03"),
        (["5-8-2019 18:20", "13-8-2019 7:05"], "2019-08-05T18:20:00.000Z"),
        (["31.12.2020 18:20:01,5"], "2020-12-31T18:20:01.500Z"),
        (["2018-1-5 3:04"], "2018-01-05T03:04:00.000Z"),
        (["2023-063T12:04:00.606Z"], "2023-03-04T12:04:00.606Z"),
        (["20200229T123000Z"], "2020-02-29T12:30:00.000Z"),
        (["Mon, 09 Mar 2011 12:00:00 +0100"], "2011-03-09T11:00:00.000Z"),
        (["Wed Oct 10 20:19:24 +0000 2018"], "2018-10-10T20:19:24.000Z"),
        (["09/Mar/2011:12:00:00 -0130"], "2011-03-09T13:30:00.000Z"),
    ],
)
def test_a_column_of_one_reading_is_read_with_a_note(values, printed):
    kind, records = column("d", *values)
    assert (kind, records[0]) == ("time" if "T" in printed else "date", printed)
    (note,) = load("d", *values).description.notes
    assert (note.column, note.example, note.rows) == ("d", values[0], len(values))


@pytest.mark.parametrize(
    ("values", "dates", "printed"),
    [
        (["01/02/2020", "03/04/2020"], "dmy", "2020-02-01"),
        (["01/02/2020", "03/04/2020"], "mdy", "2020-01-02"),
        (["01/02/03"], "dmy", "2003-02-01"),
        (["01/02/03"], "mdy", "2003-01-02"),
        (["01/02/03"], "ymd", "2001-02-03"),
        (["9-Mar-45"], "dmy", "2045-03-09"),
    ],
)
def test_dates_of_two_readings_stay_text_with_a_note_that_names_the_option(values, dates, printed):
    # Given dates of which the order or the century is in doubt
    table = load("d", *values)
    # when they are loaded, then they stay text, and a note names the option
    assert table.description.types()["d"] == "text"
    (note,) = table.description.notes
    assert f"?dates={dates} " in note.detail
    # and with that option they are dates
    assert load("d", *values, dates=dates).page(limit=1).records[0]["d"] == printed


def test_school_years_are_not_taken_for_months():
    table = load("d", "2009-10", "2010-11", "2011-12")

    assert table.description.types()["d"] == "text"
    assert "?type.d=date" in table.description.notes[0].detail


FORMATS = [
    "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%d %b %Y", "%B %d, %Y", "%b-%d-%Y",
    "%d-%b-%y", "%Y %b %d", "%a, %d %b %Y", "%d%b%Y", "%G-W%V-%u", "%Y-%jT00:00", "%Y%m%dT000000Z", "%d.%m.%Y 00:00",
    "%m/%d/%Y 12:00:00 AM",
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.dates(dt.date(1970, 1, 1), dt.date(2029, 12, 31)), min_size=1, max_size=6), st.sampled_from(FORMATS))
def test_a_column_is_parsed_in_the_order_it_was_written_or_stays_text(dates, written):
    # Given dates written in one format
    table = load("d", *(date.strftime(written) for date in dates))
    # when they are loaded, then they are those dates, unless two orders are possible and differ
    found = table.frame["d"]
    if table.description.types()["d"] == "text":
        assert all(date.day <= 12 for date in dates)
        assert any(date.day != date.month for date in dates)
        assert "?dates=dmy" in table.description.notes[0].detail
    else:
        assert found.dt.date().to_list() == dates


@pytest.mark.parametrize("name", ["epoch_ms", "timestampMillis", "unix time (ms)", "event_timestamp_milliseconds"])
def test_milliseconds_since_1970_are_inferred_from_the_name(name):
    assert column(name, "1517363399650", "", "-1") == (
        "time",
        ["2018-01-31T01:49:59.650Z", None, "1969-12-31T23:59:59.999Z"],
    )


@pytest.mark.parametrize("name", ["duration_ms", "response_time_ms", "terms_epoch", "ms", "population", "time_s"])
def test_other_names_give_integers(name):
    assert column(name, "1517363399650") == ("integer", [1517363399650])


@pytest.mark.parametrize(
    "name",
    ["time", "epoch", "timestamp", "updated", "created_at", "updatedAt", "EditDate", "event_time", "epoch_start"],
)
def test_seconds_and_milliseconds_since_1970_are_inferred_from_name_and_range(name):
    for value in ("1517363399", "1517363399000"):
        table = load(name, value, "")
        assert table.page(limit=1).records[0][name] == "2018-01-31T01:49:59.000Z"
        assert table.description.notes[0].column == name


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("time", ["0", "1", "2"]),
        ("epoch", ["1", "100"]),  # of a training
        ("cpu_time", ["1517363399"]),
        ("time", ["1517363399", "1517363399000"]),
        ("time", ["4200000000000"]),  # after 2100
        ("date", ["20200230"]),
        ("date", ["201112"]),  # December 2011, or 12 November 2020
        ("n_items", ["202001"]),
    ],
)
def test_integers_that_may_be_something_else_stay_integers(name, values):
    table = load(name, *values)

    assert (table.description.types()[name], table.description.notes) == ("integer", ())


@pytest.mark.parametrize(
    ("name", "value", "printed"),
    [
        ("date", "20160229", "2016-02-29"),
        ("YEARMODA", "18690101", "1869-01-01"),
        ("yearMonth", "201612", "2016-12-01"),
        ("timestamp", "20160229123000", "2016-02-29T12:30:00.000Z"),
        ("time", "201602291230", "2016-02-29T12:30:00.000Z"),  # as milliseconds since 1970, in 1976
        ("date", "2016022912", "2016-02-29T12:00:00.000Z"),  # as seconds since 1970, in 2033
    ],
)
def test_digits_are_dates_where_the_name_says_so(name, value, printed):
    table = load(name, value)

    assert table.page(limit=1).records[0][name] == printed
    assert table.description.notes[0].column == name


def test_digits_under_another_name_stay_integers_with_a_note():
    for digits, kind in (("20240101", "date"), ("202401011230", "time")):
        table = load("column_2", digits)
        assert table.description.types()["column_2"] == "integer"
        assert f"?type.column_2={kind}" in table.description.notes[0].detail
        options = LoadOptions(types={"column_2": kind})
        assert ingest(f"column_2\n{digits}".encode(), "text/csv", options=options).frame["column_2"][0].year == 2024


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
