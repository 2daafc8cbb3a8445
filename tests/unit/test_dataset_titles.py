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
