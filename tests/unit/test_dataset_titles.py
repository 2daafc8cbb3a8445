"""Lines before and after a text table that are no rows of it: left out with a note, or refused with an option."""

from __future__ import annotations

import pytest

from dataset import DatasetError
from tests.unit.test_dataset_dressed import load, notes_of, rows_of

TITLES = "A title here\nMore words\nStill more\nAs of 2020\n"
POWER = "-BEGIN HEADER-\nNASA/POWER Data \nLocation: latitude  40.0, longitude -105.0 \nparameter(s): \n-END HEADER-\n"


@pytest.mark.parametrize(
    ("text", "columns", "rows", "note"),
    [
        (f"{TITLES}\nname;city\nBob;Rome\nAnn;Oslo\n", ["name", "city"], [["Bob", "Rome"], ["Ann", "Oslo"]], 4),
        (f"{TITLES}id,pop,x\n1,2,3\n4,5,6\n", ["id", "pop", "x"], [[1, 2, 3], [4, 5, 6]], 4),
        (f"{POWER}YEAR,DOY,T2M\n2020,1,1.5\n", ["YEAR", "DOY", "T2M"], [[2020, 1, 1.5]], 5),
        ("Means, by month, 1880-now\nYear,Jan\n1880,1.5\n", ["Year", "Jan"], [[1880, 1.5]], 1),
    ],
)
def test_titles_before_the_header_are_left_out(text, columns, rows, note):
    table = load(text)

    assert table.frame.columns == columns
    assert rows_of(table) == rows
    assert notes_of(table) == [("Lines before", text.partition("\n")[0], note)]


def test_a_first_line_that_may_be_a_title_is_refused_with_the_options_that_decide():
    text = "Report, final\nid,x\n1,2\n3,4\n"
    with pytest.raises(DatasetError, match=r"\?skip=1 if line 2.*\?header=yes"):
        load(text)

    assert load(text, skip=1).frame.columns == ["id", "x"]
    assert load(text, header="yes").frame.columns == ["Report", "final"]
    assert load("a, b\n1,2\n3,4\n").frame.columns == ["a", "b"]


FEW = "a,b,c\nx,1,2\ny,2,3\n"
PAIRS = "county,pop\nA,1\nB,2\n"
DATES = "date,temp\n2020-01-01,1.5\n2020-01-02,2.5\n"


@pytest.mark.parametrize(
    ("text", "footers"),
    [
        (PAIRS, "Source: Census\n"),
        (PAIRS, "* provisional\n"),
        (PAIRS, '"Note: a, b"\n'),
        (PAIRS, "Last updated: 2020-01-01\n"),
        (PAIRS, "Source: NOAA, Centers\n"),
        (FEW, "Notes:\nrounded\n"),
        (FEW, "EOF\n"),
        (FEW, "END\n"),
        (FEW, "12 rows\n"),
        (FEW, "-----\n"),
        (FEW, "Source: a, b, c, d\n"),
        (DATES, "Source: NOAA, Centers\n"),
        (DATES, "Source: NOAA, Centers, Asheville\n"),
        (DATES, "Preliminary,values\n"),
    ],
)
def test_footers_without_a_blank_line_before_them_are_left_out(text, footers):
    expected = load(text)

    table = load(text + footers)

    assert table.frame.equals(expected.frame)
    assert notes_of(table) == [("Lines after", footers.partition("\n")[0], footers.count("\n"))]


@pytest.mark.parametrize("last", ["C,3\n", "Total,3\n", '"Source: X",3\n', "END,3\n"])
def test_a_last_row_with_a_value_of_each_type_is_a_record(last):
    table = load(PAIRS + last)

    assert table.description.count == 3
    assert not notes_of(table)


def test_a_last_row_that_may_be_a_footer_is_a_record_with_a_note():
    table = load(f"{PAIRS}C\nall provisional\n")

    assert rows_of(table)[2:] == [["C", None], ["all provisional", None]]
    assert ("The last", "all provisional", 1) in notes_of(table)
