"""CSV of any line ends and quoting gives typed columns, or an error with a reason."""

from __future__ import annotations

import csv
import io
import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dataset import DatasetError, InvalidDataset, LoadOptions, Malformed, Table, UnsupportedMediaType, ingest

FIELD = '(?:"(?:[^"]|"")*"|[^",\r\n]*)'
RFC_4180 = re.compile(f"{FIELD}(?:[,\r\n]+{FIELD})*")


def load(text: str | bytes) -> Table:
    return ingest(text if isinstance(text, bytes) else text.encode(), "text/csv", options=LoadOptions(empty=True))


def records(table: Table) -> list[dict[str, Any]]:
    return table.page(limit=1000).records


def column(*values: str) -> tuple[str, list[Any]]:
    """Load values as the second column of a file; return its type and the values in GET /data."""
    table = load("n,v\n" + "".join(f"{number},{value}\n" for number, value in enumerate(values)))
    return table.description.types()["v"], [record["v"] for record in records(table)]


def test_types_are_inferred_from_whole_columns_and_null_markers_are_missing() -> None:
    table = load(
        "i,x,b,t,d,z\n1,0.5,true,a,2012-01-01,2012-01-01T00:00:00Z\n,NA,null,,NaN,\n-3,2,False,b,2012-01-02,\n"
    )

    assert table.description.types() == {
        "i": "integer",
        "x": "number",
        "b": "boolean",
        "t": "text",
        "d": "date",
        "z": "time",
    }
    assert [column.missing for column in table.description.columns] == [1, 1, 1, 1, 1, 2]
    assert records(table)[0] == {
        "i": 1,
        "x": 0.5,
        "b": True,
        "t": "a",
        "d": "2012-01-01",
        "z": "2012-01-01T00:00:00.000Z",
    }
    assert records(table)[1] == dict.fromkeys("ixbtdz")
    assert records(table)[2]["x"] == 2.0


@pytest.mark.parametrize(
    "values",
    [
        ("007", "012"),  # codes
        ("+4915112345", "+4915112346"),  # telephone numbers
        ("99999999999999999999", "1"),  # identifiers beyond 64 bits
        ("1e999",),
        ("1e400", "1.5", "inf"),  # beyond a double
        ("inf",),
        ("12e4567", "x"),
        ("2018-02-30",),
        ("0000-01-01",),
        ("9999-12-31T23:59:59-01:00",),
        ("2018-01-01", "2018-01-01T00:00:00Z"),
        ("true", "1"),
        ("0x1f",),
        ("1 000",),
        ("\u0663",),  # a digit outside of ASCII
    ],
)
def test_a_column_without_a_common_type_stays_text_unchanged(values: tuple[str, ...]) -> None:
    assert column(*values) == ("text", list(values))


@pytest.mark.parametrize(
    ("values", "kind", "printed"),
    [
        (("1.5", "-.5", "+0.5", "5.", "1e3", "7", "-0"), "number", [1.5, -0.5, 0.5, 5.0, 1000.0, 7.0, -0.0]),
        (("1", "inf", "-Infinity", "nan"), "number", [1.0, None, None, None]),
        (("9223372036854775807", "-9223372036854775808"), "integer", [2**63 - 1, -(2**63)]),
        (
            ("2018-01-01T05:00:00Z", "2018-01-01 05:00", "2018-01-01T05:00:00.5+01:00", "2018-01-01t05:00:00,25-0330"),
            "time",
            ["2018-01-01T05:00:00.000Z", "2018-01-01T05:00:00.000Z", "2018-01-01T04:00:00.500Z"],
        ),
        (
            ("2018-01-01T00:00:00.123456789Z", "1969-12-31T23:59:59.999999Z"),
            "time",
            ["2018-01-01T00:00:00.123456Z", "1969-12-31T23:59:59.999999Z"],
        ),
        (("0001-01-01", "9999-12-31"), "date", ["0001-01-01", "9999-12-31"]),
    ],
)
def test_inferred_types(values: tuple[str, ...], kind: str, printed: list[Any]) -> None:
    quoted = [f'"{value}"' for value in values]

    assert column(*quoted)[0] == kind
    assert column(*quoted)[1][: len(printed)] == printed


@pytest.mark.parametrize(
    "body",
    [
        b"a,b\n1,x\n2,y\n",
        b"a,b\n1,x\n2,y",
        b"a,b\r\n1,x\r\n2,y\r\n",
        b"a,b\r1,x\r2,y\r",
        b"\xef\xbb\xbfa,b\n1,x\n2,y\n",
        b'"a","b"\n"1","x"\n"2","y"\n',
        b"a,b\n\n1,x\n\r\n2,y\n\n",
        b" a , b\n 1,x\n 2 ,y\n",
    ],
)
def test_dialects_read_the_same(body: bytes) -> None:
    assert records(load(body)) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


def test_quoted_fields_hold_commas_quotes_and_lines() -> None:
    assert records(load('a,b\n"x,\r\ny","say ""hi"""\n')) == [{"a": "x,\r\ny", "b": 'say "hi"'}]


def test_long_fields_are_accepted() -> None:
    outline = "POLYGON " * 50_000
    assert records(load(f'a,b\n1,"{outline}"\n2,3"\n'))[0]["b"] == outline


def test_a_header_alone_is_refused_unless_it_is_meant() -> None:
    for options in (LoadOptions(), LoadOptions(header="yes")):
        with pytest.raises(InvalidDataset, match=r"empty=yes.*--data-binary"):
            ingest(b"a,b\n", "text/csv", options=options)
    assert ingest(b"a,b\n", "text/csv", options=LoadOptions(header="only")).description.count == 0


def test_a_header_alone_can_be_a_dataset_without_rows() -> None:
    description = load("a,b\n").description

    assert (description.count, description.first, description.last) == (0, None, None)
    assert description.types() == {"a": "text", "b": "text"}


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        (b"", Malformed, "empty"),
        (b"\n\r\n", Malformed, "empty"),
        (b" \t\n  \n", Malformed, "empty"),
        (b"a,b\n1,2,3\n", Malformed, "Line 1 has 2 fields, line 2 has 3: .*add .skip=1"),
        (b"a,b\n1,2\n3,4\n5,6,7\n", Malformed, "Line 4 has 3 fields, the header has 2: '5,6,7'"),
        (b"a,b\n1\n1,2,3\n", Malformed, "line 3 has 3"),
        (b'a,b\n"1,2\n', Malformed, "Line 2: no quote closes the one in .*quote="),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", UnsupportedMediaType, "an image: send the data as CSV"),
        (b"\x89abc\x01\n1\n", Malformed, "neither UTF-8 nor other text"),
        (b"\xff\xfea", Malformed, "utf-16"),
        (b"\n<!DOCTYPE html><p>Log in first", UnsupportedMediaType, "HTML: save its table as CSV"),
        (b'{"a": 1, "b": 2}\n{"a": 1, "b": 2}\n', Malformed, "JSON"),
        (b'[\n  {\n    "a": 1\n  }\n]\n', Malformed, "JSON"),
        (b"a" + b"," * 10_000, InvalidDataset, "10,000 columns"),
    ],
)
def test_broken_files_are_give_errors_with_a_reason(body: bytes, error: type[DatasetError], words: str) -> None:
    with pytest.raises(error, match=words):
        load(body)


def test_names_may_begin_as_json_does() -> None:
    assert records(load("[a],{b}\n1,2\n")) == [{"[a]": 1, "{b}": 2}]
    assert records(load("{\nx\n")) == [{"{": "x"}]


def test_columns_without_a_name_get_one() -> None:
    assert records(load(",b,\n1,2,3\n4,5,6\n"))[0] == {"column_1": 1, "b": 2, "column_3": 3}


@settings(max_examples=300, deadline=None)
@given(st.text('a,"\n\r ', max_size=40))
@example('a,\r""\n')
@example("a,a\na\n,a,")
@example("aa,a\r,")
def test_rows_equal_those_of_the_standard_library(text: str) -> None:
    """A regular file is read as by the standard library, less rows without a value; others with a note, or refused."""
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error:
        rows = []
    names = [name.strip() for name in rows[0]] if rows else []
    is_regular = len(names) > 1 and len(set(names) - {""}) == len(names) and {len(row) for row in rows} == {len(names)}
    is_regular = is_regular and RFC_4180.fullmatch(text) is not None
    try:
        table = ingest(text.encode(), "text/csv", options=LoadOptions(delimiter=",", empty=True))
    except DatasetError:
        assert not is_regular
        return

    if is_regular:
        expected = [[value if value.strip(" \t") else None for value in row] for row in rows[1:]]
        expected = [row for row in expected if any(row)]
        assert [list(record.values()) for record in records(table)] == expected
        assert "5" not in text or not table.description.notes


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.lists(st.text('é,"\n; x', max_size=6), min_size=3, max_size=3), max_size=8),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_written_rows_are_read_back(rows: list[list[str]], quoting: Any, line_end: str) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=quoting, lineterminator=line_end)
    writer.writerows([["a", "b", "c"], *[["x" + value for value in row] for row in rows]])

    read = [list(record.values()) for record in records(load(file.getvalue()))]

    assert read == [["x" + value for value in row] for row in rows]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_parsed_or_rejected(body: bytes) -> None:
    for media_type in ("text/csv", "application/json", None):
        with suppress(DatasetError):
            table = ingest(body, media_type)
            assert len(records(table)) == table.description.count
