"""Types of text, the same in every format: published files and the kinds that they stand for."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset import InvalidDataset, LoadOptions, Table, ingest

CASES = Path(__file__).parents[1] / "data" / "cases"


def load(name: str, *values: str, **options: Any) -> Table:
    """Load values as the second column, of this name, of a CSV."""
    file = io.StringIO()
    csv.writer(file, delimiter="\t").writerows([("n", name), *enumerate(values)])
    given = LoadOptions(delimiter="\t", header="yes", comment="", **options)
    return ingest(file.getvalue().encode(), "text/csv", options=given)


def read(*values: str, name: str = "v", **options: Any) -> tuple[str, list[Any], list[str]]:
    """Return a column's type, its values in GET /data, and the notes."""
    table = load(name, *values, **options)
    records = [record[name] for record in table.page(limit=1000).records]
    return table.description.types()[name], records, [note.detail for note in table.description.notes]


TIME_2020 = "2020-09-13T12:26:40.000Z"
FILES: list[tuple[str, dict[str, tuple[str, Any]], int]] = [
    (
        "currency.csv",
        {"price": ("number", 1234.5), "growth": ("number", 12.5), "population": ("integer", 331449281)},
        3,
    ),
    ("dmy_ambiguous.csv", {"date": ("text", "01/02/2020")}, 1),
    ("dmy_unambiguous.csv", {"date": ("date", "2020-01-13")}, 1),
    ("dots.csv", {"datum": ("date", "2020-12-31")}, 1),
    ("monthname.csv", {"date": ("date", "2011-03-09")}, 1),
    (
        "na_markers.csv",
        {
            "a": ("integer", 1),
            "b": ("number", 2.5),
            "c": ("integer", None),
            "d": ("integer", None),
            "e": ("integer", None),
        },
        5,
    ),
    ("leading_zero.csv", {"zip": ("text", "01234")}, 0),
    ("isoweek.csv", {"week": ("date", "2019-12-30")}, 1),
    ("yyyymmdd.csv", {"date": ("date", "2020-01-01")}, 1),
    ("ghcn.csv", {"YEARMODA": ("date", "1869-01-01"), "VALUE": ("integer", -17), "TIME": ("text", None)}, 1),
    ("epoch_s.csv", {"timestamp": ("time", TIME_2020)}, 1),
    ("e.parquet", {"epoch": ("time", TIME_2020)}, 1),
    ("year.csv", {"year": ("integer", 2019)}, 0),
    ("dup_id.csv", {"id": ("integer", 1), "t": ("date", "2020-01-01")}, 1),
    ("TRUE.csv", {"a": ("boolean", True)}, 0),
    ("usgs.csv", {"time": ("time", "2024-01-01T00:00:01.010Z"), "mag": ("number", 0.9), "id": ("text", "nc73")}, 0),
    ("noaa_cdo.json", {"date": ("time", "2010-05-01T00:00:00.000Z"), "value": ("integer", 0)}, 0),
    ("mixed.json", {"v": ("integer", 1)}, 1),
    (
        "socrata.json",
        {
            "id": ("integer", 1),
            "mass": ("integer", 21),
            "reclat": ("number", 50.775),
            "year": ("time", "1880-01-01T00:00:00.000Z"),
        },
        0,
    ),
]


@pytest.mark.parametrize(("name", "columns", "notes"), FILES, ids=[file[0] for file in FILES])
def test_a_published_file_has_its_types_and_first_values(name, columns, notes):
    table = ingest((CASES / name).read_bytes(), None)

    types, first = table.description.types(), table.page(limit=1).records[0]
    assert {column: (types[column], first[column]) for column in columns} == columns
    assert len(table.description.notes) == notes


def test_numbers_in_quotes_are_numbers_and_codes_stay_text():
    # FRED marks a missing value by a point; the Census writes codes of states with leading zeros.
    fred = ingest((CASES / "fred.json").read_bytes(), None)
    census = ingest((CASES / "census.json").read_bytes(), None)
    iss = ingest((CASES / "iss.json").read_bytes(), None)

    assert fred.frame["value"].to_list() == [1065.9, None, 900.1]
    assert fred.description.index == "date"
    assert census.description.types() == {"NAME": "text", "POP": "integer", "state": "text"}
    assert iss.page(limit=1).records[0]["EPOCH"] == "2023-03-04T12:00:00.000Z"
    assert iss.description.index == "EPOCH"


@pytest.mark.parametrize(
    ("values", "kind", "printed"),
    [
        (["$1,234.50", "$20.00"], "number", [1234.5, 20.0]),
        (["$1,234", "-$20"], "integer", [1234, -20]),
        (["($1,234.50)", "$ 20.00"], "number", [-1234.5, 20.0]),
        (["1.234,50 \u20ac", "2 \u20ac"], "number", [1234.5, 2.0]),
        (["EUR 1,234.50"], "number", [1234.5]),
        (["Rs.1,00,000", "Rs.50"], "integer", [100000, 50]),
        (["12.5%", "-3 %", "+0.1%"], "number", [12.5, -3.0, 0.1]),
        (["1,5", "2"], "number", [1.5, 2.0]),
        (["0,500"], "number", [0.5]),
        (["1,5E+03", "-2,5e-1"], "number", [1500.0, -0.25]),
        (["1,234,567", "5"], "integer", [1234567, 5]),
        (["1.234.567", "5"], "integer", [1234567, 5]),
        (["1 234 567", "5"], "integer", [1234567, 5]),
        (["1\u00a0234", "1\u202f235"], "integer", [1234, 1235]),
        (["1'234.5", "1\u2019000"], "number", [1234.5, 1000.0]),
        (["\u22125", "3"], "integer", [-5, 3]),
        (["\u22120.5", "(3)", "1e\u22122"], "number", [-0.5, -3.0, 0.01]),
        (["yes", "No", "YES"], "boolean", [True, False, True]),
    ],
)
def test_a_column_of_one_reading_is_read_with_a_note(values, kind, printed):
    found, records, (note,) = read(*values)

    assert (found, records) == (kind, printed)
    assert note.startswith("Read as ")


@pytest.mark.parametrize(
    ("values", "option", "kind"),
    [
        (["1,234", "5,678"], {"thousands": ","}, "integer"),
        (["1,234", "5,678"], {"decimal": ","}, "number"),
        (["\u20ac1.234", "\u20ac20"], {"thousands": "."}, "integer"),
        (["\u20ac1.234", "\u20ac20"], {"decimal": "."}, "number"),
        (["612 345 678", "612 345 679"], {"thousands": " "}, "integer"),
        (["192.168.100.100"], {"thousands": "."}, "integer"),
        (["(1)", "(2)"], {"decimal": "."}, "integer"),
    ],
)
def test_a_column_of_two_readings_stays_text_with_a_note_that_names_the_option(values, option, kind):
    # Given a column that may mean two things
    found, records, (note,) = read(*values)
    # when it is loaded, then it is unchanged, and the note names the option
    assert (found, records) == ("text", values)
    ((name, text),) = option.items()
    assert f"?{name}={text}".replace("= ", "=space") in note
    # and with the option it is read
    assert read(*values, **option)[0] == kind


@pytest.mark.parametrize(
    ("others", "values", "expected"),
    [
        # Another column separates thousands, so that character does not mark decimals here.
        (["1.234,50", "2,00"], ["1.000", "12"], ("integer", [1000, 12])),
        (["1.234,50", "2,00"], ["5,678", "12,500"], ("number", [5.678, 12.5])),
        (["331,449,281", "5"], ["55,869", "1,000"], ("integer", [55869, 1000])),
        (["331,449,281", "5"], ["1.234", "5.678"], ("number", [1.234, 5.678])),
        # Another column has a decimal comma.
        (["2,6", "13,25"], ["5,678", "12,500"], ("number", [5.678, 12.5])),
        (["2,6", "13,25"], ["1.000", "12"], ("text", ["1.000", "12"])),  # coordinates may have points nevertheless
        # Another column tells nothing.
        (["2.6", "13.25"], ["5,678", "12,500"], ("text", ["5,678", "12,500"])),
        (["2.6", "13.25"], ["1.234", "12"], ("number", [1.234, 12.0])),
        # They contradict each other.
        (["331,449,281|2,6"] * 2, ["5,678", "12,500"], ("text", ["5,678", "12,500"])),
    ],
)
def test_separators_in_doubt_are_decided_by_other_columns(others, values, expected):
    rows = [[*other.split("|"), value] for other, value in zip(others, values, strict=True)]
    file = io.StringIO()
    csv.writer(file, delimiter="\t").writerows([[*"abc"[: len(rows[0]) - 1], "v"], *rows])
    table = ingest(file.getvalue().encode(), "text/csv", options=LoadOptions(delimiter="\t", header="yes"))

    assert (table.description.types()["v"], table.frame["v"].to_list()) == expected
    notes = [note.detail for note in table.description.notes if note.column == "v"]
    assert bool(notes) == (expected[0] != "number" or "," in values[0])


def test_a_table_of_very_many_columns_has_few_notes():
    names = [f"c{number}" for number in range(3000)]
    body = "\n".join("\t".join(cells) for cells in (names, ["1,5"] * len(names), ["31.12.2020"] + ["2"] * 2999))
    notes = ingest(body.encode(), "text/tab-separated-values").description.notes

    (note,) = notes
    assert (note.column, note.detail) == (
        "c1",
        "Read as numbers with a decimal comma. The same in 2,998 other columns.",
    )


def test_numbers_that_do_not_fit_the_option_stay_text_with_a_note():
    kind, _, (note,) = read("0.5", "0.25", thousands=".")

    assert kind == "text"
    assert "do not fit ?thousands=." in note


@pytest.mark.parametrize(
    "values",
    [
        ["1e5", "2e7"],  # identifiers, not numbers
        ["1e5", "100"],
        ["0x1F", "1"],
        ["1_000", "2"],
        ["Infinity"],
        ["\u0663", "\u0664"],  # digits outside of ASCII
        ["+4915112345", "+4915112346"],
        ["+49 151 123", "+49 151 124"],
        ["CAD1", "CAD2"],
        ["$5", "\u20ac6"],
        ["$5", "6"],
        ["5%", "0.5"],
        ["1,2,3", "4,5"],
        ["1,234.5", "1.234,5"],
        ["12,34"] * 3 + ["1.2.3"],
        ["no", "No"],  # Norway
        ["yes", "y"],
        ["12:30", "13:45"],
        ["99999999999999999999", "1"],
        ["NA", "US"],  # Namibia
        ["-", "a"],
        ["NA", "NA"],
    ],
)
def test_values_that_may_be_something_else_stay_text_unchanged(values):
    assert read(*values) == ("text", values, [])


@pytest.mark.parametrize(
    ("name", "values"), [("version", ["1.9", "1.10"]), ("zip", ["1,234,567"]), ("Phone", ["1 234", "5"])]
)
def test_names_of_codes_keep_them_as_text(name, values):
    assert read(*values, name=name) == ("text", values, [])


@pytest.mark.parametrize(
    "marker", ["NA", "N/A", "n/a", "NaN", "null", "NULL", "None", "#N/A", "-", "--", "?", ".", "***"]
)
@pytest.mark.parametrize("value", ["5", "2.5", "true", "2020-01-01", "2020-01-01T00:00:00Z", "$1.50", "31.12.2020"])
def test_a_marker_of_missing_values_is_missing_except_in_text(marker, value):
    kind, records, _ = read(value, f" {marker} ", "")
    assert kind != "text"
    assert records[1:] == [None, None]
    assert read("a", marker, "") == ("text", ["a", marker, None], [])


def test_markers_are_noted_and_can_be_named():
    assert read("1", "-", "N/A", "3") == ("integer", [1, None, None, 3], ["Read as missing values: '-', 'N/A'."])
    assert read("1", "x", "-", missing=("x",))[1] == [1, None, None]
    assert read("1", "-", missing=("",)) == ("text", ["1", "-"], [])
    assert read("a", "x", missing=("x",))[:2] == ("text", ["a", None])
    table = ingest(b'[{"v": 1}, {"v": -999}]', None, options=LoadOptions(missing=("-999",)))
    assert table.frame["v"].to_list() == [1, None]


@pytest.mark.parametrize("part", [1, 40_000, 60_000])
def test_a_marker_in_any_part_of_a_large_file_is_seen_in_the_type_of_the_whole(part):
    # Given a column that is read in parts, of which some hold only markers
    values = ["NA"] * part + ["Berlin"] * 10
    filler = "x" * 500
    body = "v,filler\n" + "".join(f"{value},{filler}\n" for value in values)
    # when it is text in the end, then the markers are texts
    assert ingest(body.encode(), "text/csv").frame["v"].to_list() == values


@pytest.mark.parametrize(
    ("values", "outlier", "row", "noun"),
    [
        (["5"] * 9 + ["abc"], "abc", 10, "number"),
        (["2020-01-01", "unknown"] + ["2020-01-01"] * 9, "unknown", 2, "date"),
        (["31.12.2020"] * 10 + ["31.02.2020"], "31.02.2020", 11, "date"),
        (["$5"] * 10 + ["-", "five"], "five", 12, "number"),
        (["1e-5", "-inf", "+0.5", "5.", ".5"] * 3 + ["x"], "x", 16, "number"),
        (["2020-01-01 05:00", "2020-01-01t05:00:00z", "2020-01-01T05:00:00+01"] * 4 + ["x"], "x", 13, "date"),
    ],
)
def test_the_value_that_keeps_a_column_text_is_noted(values, outlier, row, noun):
    kind, records, (note,) = read(*values)

    assert (kind, records) == ("text", values)
    assert f"'{outlier}' in row {row} is not a {noun}" in note
    assert f"?missing={outlier}" in note
    assert read(*values, missing=(outlier,))[0] != "text"


def test_a_number_of_nines_far_from_the_others_is_noted_but_kept():
    kind, records, (note,) = read("12", "13.5", "-999.9", "14")

    assert (kind, records[2]) == ("number", -999.9)
    assert "?missing=-999.9" in note
    assert "?missing=9999" in read("1", "9999", "3")[2][0]
    assert "?missing=999" in read("1", "999", "999", "3")[2][0]
    for clean in (["1", "9999", "20000", "3"], ["1", "999", "3"], ["-99", "5", "6"]):
        assert read(*clean)[2] == []


@pytest.mark.parametrize(
    ("kind", "values", "printed"),
    [
        ("text", ["1.50", "NA", ""], ["1.50", "NA", None]),
        ("integer", ["007", "5.0", "+3", "-"], [7, 5, 3, None]),
        ("integer", ["1,234,567"], [1234567]),
        ("number", ["1", "1e5"], [1.0, 100000.0]),
        ("boolean", ["Y", "n", "1", "off", ""], [True, False, True, False, None]),
        ("date", ["2020", "2021"], ["2020-01-01", "2021-01-01"]),
        ("date", ["2020-01-01T00:00:00Z"], ["2020-01-01"]),
        ("date", ["2010-11"], ["2010-11-01"]),
        ("time", ["2020-01-01", "2020-01-02 05:00"], ["2020-01-01T00:00:00.000Z", "2020-01-02T05:00:00.000Z"]),
        ("time", ["1600000000"], [TIME_2020]),
        ("time", ["1600000000.5"], ["2020-09-13T12:26:40.500Z"]),
    ],
)
def test_a_named_type_is_taken(kind, values, printed):
    assert read(*values, types={"v": kind})[:2] == (kind, printed)


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        ("integer", ["1", "2.5"], "Row 2 of the column 'v' is '2.5'"),
        ("integer", ["9" * 30], "Row 1"),
        ("number", ["5", "-", "x"], "Row 3 of the column 'v' is 'x'"),
        ("number", ["1,234"], r"\?thousands=, .*\?decimal=,"),
        ("boolean", ["true", "maybe"], "Row 2 of the column 'v' is 'maybe'"),
        ("date", ["2020-01-01", "2020-02-30"], "Row 2"),
        ("date", ["2020-01-01T05:00:00Z"], "Row 1"),
        ("date", ["01/02/2020"], r"\?dates=dmy .*\?dates=mdy"),
        ("time", ["noon"], "Row 1 of the column 'v' is 'noon', which is not of the type time"),
    ],
)
def test_a_value_that_does_not_have_the_named_type_is_refused(kind, values, words):
    with pytest.raises(InvalidDataset, match=words) as excinfo:
        load("v", *values, types={"v": kind})
    assert excinfo.value.parameter == "type.v"


def test_a_type_of_an_unknown_column_is_refused():
    with pytest.raises(InvalidDataset, match="The columns are: 'n', 'v'") as excinfo:
        load("v", "1", types={"w": "date"})
    assert excinfo.value.parameter == "type.w"


def test_columns_of_formats_with_types_take_a_named_type_too():
    body = b'[{"a": 1.5, "b": 1, "c": true}, {"a": null, "b": 0, "c": false}]'
    table = ingest(body, None, options=LoadOptions(types={"a": "text", "b": "boolean", "c": "text"}))

    assert table.frame.rows() == [("1.5", True, "true"), (None, False, "false")]


def test_exact_values_of_parquet_stay_text():
    file = io.BytesIO()
    digits = pl.Series("d", ["0.12345678901234567890"]).str.to_decimal(scale=20)
    pl.DataFrame([digits, pl.Series("u", [2**64 - 1], dtype=pl.UInt64)]).write_parquet(file)

    assert ingest(file.getvalue(), None).page(limit=1).records == [{"d": "0.12345678901234567890", "u": str(2**64 - 1)}]


def is_not_all_nines(numeral: str) -> bool:
    return set(numeral.removesuffix(".0")) - set("-.9") != set()


CLEAN = {
    "integer": st.integers(-(2**63), 2**63 - 1).map(str).filter(is_not_all_nines),
    "number": st.floats(allow_nan=False, allow_infinity=False).map(repr).filter(is_not_all_nines),
    "boolean": st.sampled_from(["true", "false", "TRUE", "False"]),
    "date": st.dates().map(str),
    "time": st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
    "text": st.text(st.characters(categories=["L"]), min_size=4, max_size=8).map(lambda text: f"x{text}"),
}


@pytest.mark.parametrize("kind", CLEAN)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_clean_column_has_its_type_and_no_note(kind, data):
    values = data.draw(st.lists(CLEAN[kind], min_size=1, max_size=6))
    values[0] = "0.5" if kind == "number" else values[0]  # whole numbers alone are integers

    assert read(*values, "")[0::2] == (kind, [])


DRESSED = st.one_of(
    *(st.lists(clean, min_size=1, max_size=5) for clean in CLEAN.values()),
    st.lists(st.floats(-1e6, 1e6).map("{:,.2f}".format), min_size=1, max_size=5),
    st.lists(st.floats(-999, 999).map("{:.3f}".format), min_size=1, max_size=5),
    st.lists(st.floats(-1e4, 1e4).map(lambda number: f"{number:.2f}".replace(".", ",")), min_size=1, max_size=5),
    st.lists(st.integers(-(10**9), 10**9).map("${:,}".format), min_size=1, max_size=5),
    st.lists(st.dates().map(lambda date: f"{date.day}.{date.month}.{date.year:04}"), min_size=1, max_size=5),
    st.lists(st.text("0123456789.,-+eE%$ /:", max_size=8), min_size=1, max_size=5),
    st.lists(st.sampled_from(["yes", "no", "NA", "-", "", "5", "a"]), min_size=1, max_size=5),
)


@settings(max_examples=300, deadline=None)
@given(DRESSED, DRESSED)
def test_text_has_the_same_types_values_and_notes_in_csv_json_and_parquet(values, others):
    # Given texts in three formats
    rows = [{"n": n, "v": value, "w": other} for n, (value, other) in enumerate(zip(values, others, strict=False))]
    text = io.StringIO()
    csv.writer(text, delimiter="\t").writerows([rows[0], *(row.values() for row in rows)])
    options = LoadOptions(delimiter="\t", header="yes", comment="")
    in_csv = ingest(text.getvalue().encode(), "text/csv", options=options)
    in_json = ingest(json.dumps(rows).encode(), None)
    file = io.BytesIO()
    pl.DataFrame(rows).write_parquet(file)
    in_parquet = ingest(file.getvalue(), None)
    # when they are loaded, then the tables are equal
    assert in_csv.frame.equals(in_json.frame)
    assert in_csv.frame.equals(in_parquet.frame)
    assert set(in_csv.description.notes) == set(in_json.description.notes) == set(in_parquet.description.notes)
