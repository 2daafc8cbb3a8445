"""Text tables whose fields are divided by a separator that is not detected: refused with the option that reads them."""

from __future__ import annotations

import pytest

from dataset import DatasetError
from tests.unit.test_dataset_dressed import load, notes_of, rows_of


@pytest.mark.parametrize(
    ("text", "columns", "row"),
    [
        ("year month value\n2020 1 1.5\n2020 2 2.5\n", ["year", "month", "value"], [2020, 1, 1.5]),
        ("name age\nBob 42\n", ["name", "age"], ["Bob", 42]),
        ("x y z\n1 2 3\n", ["x", "y", "z"], [1, 2, 3]),
        ("YEAR  JAN  FEB\n1880 -0.18 -0.24\n1881 0.10 0.50\n", ["YEAR", "JAN", "FEB"], [1880, -0.18, -0.24]),
        ('mpg cyl\n"Mazda RX4" 21 6\nDatsun 22.8 4\n', ["column_1", "mpg", "cyl"], ["Mazda RX4", 21, 6]),
        ("  1958   3    315.70\n  1958   4    317.45\n", ["column_1", "column_2", "column_3"], [1958, 3, 315.70]),
    ],
)
def test_fields_between_spaces_are_refused_with_the_option_that_reads_them(text, columns, row):
    with pytest.raises(DatasetError, match=r"Line 1 looks like .* fields between spaces.*Add \?delimiter=space to"):
        load(text)

    table = load(text, delimiter=" ")

    assert table.frame.columns == columns
    assert rows_of(table)[0] == row
    assert load(text, delimiter=",").frame.width == 1


@pytest.mark.parametrize("separator", ["^", "~", ":", "!", "\x01", "#", "$", "&", "*", "@"])
def test_fields_between_rare_separators_are_refused_with_the_option_that_reads_them(separator):
    text = "id,name,x\n1,ab,2.5\n2,c d,\n".replace(",", separator)
    with pytest.raises(DatasetError, match=r"Line 1 looks like 3 fields.*Add \?delimiter="):
        load(text)

    table = load(text, delimiter=separator)

    assert rows_of(table) == [[1, "ab", 2.5], [2, "c d", None]]
    assert not notes_of(table)


def test_two_colons_are_refused_with_the_option_that_reads_them():
    with pytest.raises(DatasetError, match=r"Add \?delimiter=: to"):
        load("id::name\n1::a\n2::b\n")

    assert rows_of(load("id::name\n1::a\n2::b\n", delimiter=":")) == [[1, None, "a"], [2, None, "b"]]


@pytest.mark.parametrize(
    "text",
    [
        "name\nBob Smith\nAnn Lee\n",
        "full name\nBob Smith\nAnn Lee\n",
        "label\nWeek 1\nWeek 2\n",
        "date time\n2020-01-01 00:00\n2020-01-02 00:00\n",
        "time\n12:30\n12:45\n",
        "12:30\n12:45\n",
        "email\na@b.org\nc@d.org\n",
        "amount $\n$5\n$6\n",
        "text\nhello; world\nany; thing\n",
        "url\nhttp://a.org\nhttp://b.org\n",
    ],
)
def test_a_single_column_stays_one(text):
    assert load(text).frame.width == 1


def test_a_header_without_a_name_for_the_first_column_is_read():
    table = load("mpg\tcyl\nMazda RX4\t21\t6\nDatsun\t22.8\t4\n")

    assert table.frame.columns == ["column_1", "mpg", "cyl"]
    assert rows_of(table) == [["Mazda RX4", 21, 6], ["Datsun", 22.8, 4]]
    assert notes_of(table) == [("Columns that", "", None)]


def test_a_header_that_may_lack_a_first_name_is_refused_with_the_option_that_reads_the_rows():
    text = '"mpg","cyl"\n"Mazda RX4",21,6\n"Datsun",22.8,4\n'
    with pytest.raises(DatasetError, match=r"\?skip=1&header=no"):
        load(text)

    assert rows_of(load(text, skip=1, header="no")) == [["Mazda RX4", 21, 6], ["Datsun", 22.8, 4]]
