"""Columns whose values may mean more than one thing: numbers beyond a double, units, separators, times since 1970."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from dataset import InvalidDataset, LoadOptions, ingest

TIME_2020 = "2020-09-13T12:26:40.000Z"
NUMBERS = [str(number) for number in range(12)]


def read(*values: str, name: str = "v", **options: Any) -> tuple[str, list[Any], list[str]]:
    """Return the type of a CSV column, its values in GET /data, and the notes."""
    file = io.StringIO()
    csv.writer(file, delimiter=";").writerows([("n", name), *enumerate(values)])
    return read_body(file.getvalue(), name, **options)


def read_body(body: str, name: str, media_type: str | None = None, **options: Any) -> tuple[str, list[Any], list[str]]:
    table = ingest(body.encode(), media_type, options=LoadOptions(**options))
    records = [record[name] for record in table.page(limit=1000).records]
    return table.description.types()[name], records, [note.detail for note in table.description.notes]


@pytest.mark.parametrize("other", ["1,5 %", "1,50 \u20ac", "1,5", "1,234 %"])
def test_points_in_a_file_that_may_have_decimal_commas_stay_text_with_a_note(other):
    kind, records, notes = read_body(f"id;pop;pct\n1;1.234;{other}\n2;12.500;{other}\n", "pop")

    assert (kind, records) == ("text", ["1.234", "12.500"])
    assert "?thousands=. reads them as numbers with points between thousands" in notes[0]
    assert "?decimal=. reads them as numbers with a decimal point" in notes[0]


@pytest.mark.parametrize("integer", ["12345678901234567890", "-9223372036854775809", "9007199254740993"])
def test_an_integer_that_would_lose_digits_keeps_a_column_text(integer):
    assert read(integer, "0.5") == ("text", [integer, "0.5"], [])
    assert read_body(f'[{{"v": {integer}}}, {{"v": 0.5}}]', "v") == ("text", [integer, "0.5"], [])
    kind, _, (note,) = read(*["0.5"] * 12, integer)
    assert kind == "text"
    assert f"'{integer}' in row 13 is not a number" in note
    values = [{"v": 0.5}] * 12 + [{"v": int(integer)}]
    assert read_body(json.dumps(values), "v")[2] == [note]


@pytest.mark.parametrize("integer", ["12345678901234567890", "9007199254740993"])
def test_integers_and_fractions_in_different_parts_of_a_large_file_lose_no_digits(integer):
    filler = "x" * 500
    values = [integer] * 40_000 + ["0.5"] * 40_000
    body = "v,filler\n" + "".join(f"{value},{filler}\n" for value in values)

    assert ingest(body.encode(), "text/csv").frame["v"].to_list() == values


def test_large_numbers_that_lose_no_digits_are_numbers():
    assert read("9007199254740992", "1e300", "0.5") == ("number", [2.0**53, 1e300, 0.5], [])
    assert read_body('[{"v": 9007199254740992}, {"v": 0.5}]', "v") == ("number", [2.0**53, 0.5], [])


@pytest.mark.parametrize(
    ("values", "outlier", "row"),
    [
        *(([*NUMBERS, value], value, 13) for value in ("$5", "5%", "5 USD", "\u20ac5")),
        (["$5", *NUMBERS], "$5", 1),
        (["5%", *(f"${number}" for number in NUMBERS)], "5%", 1),
        ([*(f"{number},5" for number in NUMBERS), "5%"], "5%", 13),
        ([*(f"${number}" for number in NUMBERS), "5"], "5", 13),
    ],
)
def test_a_value_of_another_unit_is_noted(values, outlier, row):
    kind, records, (note,) = read(*values)

    assert (kind, records) == ("text", values)
    assert f"'{outlier}' in row {row} is not a number, as 12 of 13 values are" in note


@pytest.mark.parametrize(("value", "query"), [("+5", "%2B5"), ("5%", "5%25"), ("a&b #c", "a%26b%20%23c")])
def test_the_options_in_notes_are_encoded_for_a_url(value, query):
    assert f"add ?missing={query}." in read(*NUMBERS, value)[2][0]
    assert "?type.a%26b=date reads" in read("20240101", name="a&b")[2][0]


@pytest.mark.parametrize(
    "name",
    [
        *("epochtime", "epoch_start", "unixtime", "starttime", "endtime", "last_seen", "lastSeen", "updated_on"),
        *("created_at", "run_at", "updatedat", "created_at_s", "timestamp", "time"),
    ],
)
def test_names_of_times_since_1970(name):
    for value in ("1600000000", "1600000000.0"):
        kind, records, notes = read(value, "", name=name)
        assert (kind, records) == ("time", [TIME_2020, None])
        assert notes == ["Read as times, from seconds since 1970."]


@pytest.mark.parametrize("name", ["epochms", "epoch_ms", "unixtime", "created_at_ms", "starttime"])
def test_names_of_milliseconds_since_1970(name):
    assert read("1600000000000", name=name)[:2] == ("time", [TIME_2020])


@pytest.mark.parametrize(
    ("name", "body", "printed"),
    [
        ("time", "n,time\n1,1600000000.5\n", "2020-09-13T12:26:40.500Z"),
        ("time", '[{"n": 1, "time": 1600000000.5}]', "2020-09-13T12:26:40.500Z"),
        ("time", '[{"n": 1, "time": "1600000000.5"}]', "2020-09-13T12:26:40.500Z"),
        ("time", "n,time\n1,1600000000123.5\n", "2020-09-13T12:26:40.123500Z"),
        ("time", "n,time\n1,50000000\n", "1971-08-02T16:53:20.000Z"),
        ("updated", "n,updated\n1,1600000000\n2,0\n", TIME_2020),
        ("date", "n,date\n1,20160229.0\n", "2016-02-29"),
    ],
)
def test_times_since_1970_with_fractions_and_from_1970_on(name, body, printed):
    kind, records, (note,) = read_body(body, name)

    assert kind in ("time", "date")
    assert records[0] == printed
    assert note.startswith("Read as ")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("time", ["0.0", "0.5"]),
        ("time", ["0", "31536000", "63072000"]),  # of a simulation
        ("date", ["31122020", "30112020"]),
        ("date", ["20200229", "20210229"]),
        ("time", ["202012311820", "202013010000"]),
        ("runtime", ["1600000000"]),
        ("depends_on", ["1600000000"]),
        ("epochs", ["100"]),
        ("created_at", ["50000000.5"]),
    ],
)
def test_numbers_that_may_be_something_else_stay_numbers(name, values):
    assert read(*values, name=name) == (
        "number" if "." in values[-1] else "integer",
        [json.loads(value) for value in values],
        [],
    )


def test_the_number_that_keeps_dates_integers_is_noted():
    kind, _, (note,) = read(*["20200229"] * 10, "20210229", name="date")

    assert kind == "integer"
    assert note == "Integers, because 20210229 in row 11 is not a date, as 10 of 11 are."


def test_a_number_named_as_missing_is_not_a_time():
    assert read_body('[{"time": 0}, {"time": 1600000000}]', "time", missing=("0",))[1] == [None, TIME_2020]


@pytest.mark.parametrize(
    ("value", "marker"), [("1", "x"), ("2020-01-01", "9999-12-31"), ("true", "false"), ("$5", "x")]
)
def test_values_named_as_missing_are_noted_in_every_format(value, marker):
    expected = f"Read as missing values: '{marker}'."
    assert expected in read(value, marker, value, missing=(marker,))[2]
    body = json.dumps([{"v": value}, {"v": marker}, {"v": value}])
    assert expected in read_body(body, "v", missing=(marker,))[2]


def test_months_without_a_separator_are_read():
    note = "Read as months, by their first day."
    assert read("2020DEC", "2021JAN") == ("date", ["2020-12-01", "2021-01-01"], [note])
    assert read("Dec2020", "Jan2021") == ("date", ["2020-12-01", "2021-01-01"], [note])
    assert read("SET2020", "OTT2020")[0] == "text"


def test_nan_is_missing_except_in_text():
    assert read("nan", "1") == ("integer", [None, 1], ["Read as missing values: 'nan'."])
    assert read("nan", "1.5")[:2] == ("number", [None, 1.5])
    assert read("nan", "2020-01-01")[:2] == ("date", [None, "2020-01-01"])
    assert read("nan", "a") == ("text", ["nan", "a"], [])


def test_numbers_of_json_that_are_named_text_stay_as_they_are_written():
    assert read_body('[{"v": 1.5}, {"v": 2}]', "v", types={"v": "text"})[:2] == ("text", ["1.5", "2"])


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"decimal": "x"}, "decimal"),
        ({"decimal": ""}, "decimal"),
        ({"thousands": "x"}, "thousands"),
        ({"decimal": ",", "thousands": ","}, "thousands"),
        ({"decimal": ".", "thousands": "."}, "thousands"),
    ],
)
def test_separators_without_effect_are_refused(query, parameter):
    with pytest.raises(InvalidDataset) as raised:
        LoadOptions.from_query(query)
    assert raised.value.parameter == parameter


@pytest.mark.parametrize("thousands", ["", ",", ".", "'", "space", " ", "\u00a0", "\u202f", "\u2019"])
def test_separators_of_thousands_are_accepted(thousands):
    assert LoadOptions.from_query({"thousands": thousands}).thousands == (" " if thousands == "space" else thousands)
