"""Rows of a text table without values, with too many fields or with byte order marks."""

from __future__ import annotations

import pytest

from dataset import DatasetError
from tests.unit.test_dataset_dressed import load, notes_of, rows_of


@pytest.mark.parametrize(
    ("text", "example"),
    [
        ("a,b,c\n1,2,3\n,,\n4,5,6\n,,\n", ",,"),
        ("a,b,c\r\n1,2,3\r\n,,\r\n4,5,6\r\n,,\r\n", ",,"),
        ('a,b,c\n1,2,3\n"","",""\n4,5,6\n"","",""\n', ",,"),
        ("a,b,c\n,,\n1,2,3\n4,5,6\n,\n", ",,"),
        ("a,b,c\n1,2,3\n4,5,6\n , ,\n,,", " , ,"),
    ],
)
def test_rows_without_a_value_are_left_out(text, example):
    table = load(text)

    assert rows_of(table) == [[1, 2, 3], [4, 5, 6]]
    assert notes_of(table) == [("Rows without", example, 2)]


def test_missing_values_of_a_single_column_are_kept():
    assert rows_of(load('a\n1\n""\n2\n')) == [[1], [None], [2]]


@pytest.mark.parametrize("rows", [1, 60, 6000])
def test_a_long_row_is_refused_without_skipping_the_rows_before_it(rows):
    with pytest.raises(DatasetError, match=r"has 4 fields, the header has 3: '4,5,6,7'") as error:
        load("a,b,c\n" + "1,2,3\n" * rows + "4,5,6,7\n6,7,8\n")

    assert "skip" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("\ufeff\ufeffid,x\n1,2\n3,4\n", 1),
        ("id,x\n1,2\n\ufeff3,4\n", 1),
        ("\ufeffid,x\r\n\ufeff1,2\r\n\ufeff3,4\r\n", 2),
    ],
)
def test_byte_order_marks_are_left_out(text, count):
    table = load(text)

    assert table.frame.columns == ["id", "x"]
    assert rows_of(table) == [[1, 2], [3, 4]]
    assert [(words, rows) for words, _, rows in notes_of(table)] == [("Byte order", count)]


def test_an_empty_name_after_the_last_one_does_not_make_rows_short():
    table = load("a,b,\n1,2\n3,4\n")

    assert rows_of(table) == [[1, 2], [3, 4]]
    assert notes_of(table) == [("Empty fields", "a,b,", 2)]


def test_a_space_after_every_delimiter_is_left_out():
    table = load("id, a, x\n1, b, 2.5\n2, , 3\n3, c d,\n")

    assert rows_of(table) == [[1, "b", 2.5], [2, None, 3], [3, "c d", None]]
    assert notes_of(table) == [("Spaces before", " b", 2)]
    assert rows_of(load("id,a\n1, b\n2,c\n")) == [[1, " b"], [2, "c"]]
    assert not notes_of(load("id, x\n1, 2\n3, 4\n"))
