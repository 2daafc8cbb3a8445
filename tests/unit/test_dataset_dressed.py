"""Text tables with titles, comments, footers, ragged rows or odd quotes: repaired with a note, or a helpful error."""

from __future__ import annotations

import csv
import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from api import create_app
from dataset import DatasetError, LoadOptions, Malformed, Table, UnsupportedMediaType, ingest

CASES = Path(__file__).parents[1] / "data" / "cases"


def load(body: str | bytes, **options: Any) -> Table:
    body = body if isinstance(body, bytes) else body.encode()
    return ingest(body, "text/csv", options=LoadOptions(**options))


def rows_of(table: Table) -> list[list[Any]]:
    return [list(record.values()) for record in table.page(limit=1000).records]


def notes_of(table: Table) -> list[tuple[str, str | None, int | None]]:
    """Return the first words of each note on the file, its example and its count."""
    notes = [note for note in table.description.notes if note.column is None or note.detail.startswith("Columns")]
    return [(" ".join(note.detail.split()[:2]), note.example, note.rows) for note in notes]


CLEAN: list[tuple[str, list[str], list[Any]]] = [
    ("bom.csv", ["id", "v"], [1, 2]),
    ("cr.csv", ["id", "v"], [1, 2]),
    ("crlf.csv", ["id", "v"], [1, 2]),
    ("tsv.tsv", ["a", "b"], [1, 2]),
    ("quoted_newline.csv", ["a", "b"], [1, "x\ny"]),
    ("dotted.csv", ["a.b", "a/b", "a b", "ü", "a%b"], [1, 2, 3, 4, 5]),
    ("param_names.csv", ["limit", "search", "cursor", "index", "id", "field.x", "field.limit"], [1, 2, 3, 4, 5, 6, 7]),
    ("year.csv", ["year", "v"], [2019, 1]),
]
DRESSED: list[tuple[str, dict[str, Any], list[str], list[Any], int, list[tuple[str, str | None, int | None]]]] = [
    ("comment_footer.csv", {}, ["a", "b"], [3, 4], 2, [("Lines after", "Source: X", 1)]),
    ("dup_header.csv", {}, ["id", "value", "value_2"], [2, 4, 5], 2, [("Columns that", "value", None)]),
    ("empty_header.csv", {}, ["column_1", "a", "b"], [1, 3, 4], 2, [("Columns that", "", None)]),
    ("noaa_co2.csv", {}, ["year", "month"], [1958, 4], 2, [("Comment lines", f"# {'-' * 68}", 4)]),
    ("nul.csv", {}, ["id", "v"], [2, 3], 2, [("NUL characters", "1,2\\0", 1)]),
    ("sep_line.csv", {}, ["a", "b"], [1, 2], 1, [("The line", "sep=;", 1)]),
    ("stray_quote.csv", {}, ["id", "v"], [2, "x"], 2, [("Quotes inside", '1,5" pipe', 1)]),
    ("backslash.csv", {}, ["id", "v"], [2, "c"], 2, [("Backslashes before", '1,"a \\"quoted\\" b"', 1)]),
    ("trailing_comma.csv", {}, ["a", "b"], [3, 4], 2, [("Empty fields", "1,2,", 2)]),
    (
        "worldbank.csv",
        {},
        ["Country Name", "Country Code", "Indicator Name", "Indicator Code", "1960", "1961", "1962"],
        ["Afghanistan", "AFG", "Population, total", "SP.POP.TOTL", 8622466, 8790140, 8969047],
        2,
        [
            ("Lines before", "Data Source,World Development Indicators,", 2),
            ("Empty fields", "Country Name,Country Code,Indicator Name,Indicator Code,1960,1961,1962,", 2),
        ],
    ),
    (
        "ghcn_headerless.csv",
        {},
        [f"column_{number}" for number in range(1, 9)],
        ["AEM00041194", 20240101, "TMAX", 268, "H", None, "S", None],
        3,
        [("The first", "AE000041196,20240101,TMAX,278,H,,S,", None)],
    ),
    ("fixed_width.txt", {"delimiter": " "}, ["a", "b", "c"], [4, 5, 6], 2, []),
    (
        "iss.oem.txt",
        {"delimiter": " ", "skip": 6, "header": "no"},
        [f"column_{number}" for number in range(1, 8)],
        ["2023-03-05T12:04:00.000Z", -5107.606, -560.671, 4611.109, 1.9, -6.9, 2.1],
        2,
        [],
    ),
]


@pytest.mark.parametrize(("name", "columns", "first"), CLEAN)
def test_a_clean_file_gets_no_note(name, columns, first):
    table = load((CASES / name).read_bytes())

    assert table.frame.columns == columns
    assert rows_of(table)[0] == first
    assert not table.description.notes


@pytest.mark.parametrize(("name", "notes"), [("ghcn.csv", ["YEARMODA"]), ("hgnc_complete_set.txt", [])])
def test_wide_rows_with_many_missing_values_are_clean(name, notes):
    table = load((CASES / name).read_bytes())

    assert table.description.count == 2
    assert [note.column for note in table.description.notes] == notes  # on dates in digits


@pytest.mark.parametrize(("name", "options", "columns", "last", "count", "notes"), DRESSED)
def test_a_dressed_file_is_read_with_a_note_on_each_repair(name, options, columns, last, count, notes):
    table = load((CASES / name).read_bytes(), **options)

    assert table.frame.columns[: len(columns)] == columns
    assert rows_of(table)[-1][: len(last)] == last
    assert table.description.count == count
    assert notes_of(table) == notes


@pytest.mark.parametrize(
    ("name", "options", "error", "words"),
    [
        ("fixed_width.txt", {}, Malformed, "Line 1 looks like 3 fields between spaces.*[?]delimiter=space"),
        ("iss.oem.txt", {}, Malformed, "Line 7 looks like 7 fields.*[?]skip=6&delimiter=space"),
        ("iss.oem.txt", {"delimiter": " "}, Malformed, "Line 7 has 7 fields, the header has 3.*[?]skip=6"),
        ("xml.xml", {}, UnsupportedMediaType, "convert it to CSV or JSON"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_the_remedy(name, options, error, words):
    with pytest.raises(error, match=words):
        load((CASES / name).read_bytes(), **options)


A = ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "options", "columns", "rows", "notes"),
    [
        # Titles, comments and footers
        ("My report 2020\na,b\n1,2\n", {}, A[:2], [[1, 2]], [("Lines before", "My report 2020", 1)]),
        ("My report,,\n,,\na,b,c\n1,2,3\n4,5,6\n", {}, A, [[1, 2, 3], [4, 5, 6]], [("Lines before", "My report,,", 2)]),
        ("From;X\nTo;Y\n\na;b\n1;2\n3;4\n", {}, A[:2], [[1, 2], [3, 4]], [("Lines before", "From;X", 2)]),
        ("% x\n% y\na\tb\n1\t2\n", {}, A[:2], [[1, 2]], [("Comment lines", "% x", 2)]),
        (
            "a,b\n1,2\n# note, with, commas\n3,4\n",
            {},
            A[:2],
            [[1, 2], [3, 4]],
            [("Comment lines", "# note, with, commas", 1)],
        ),
        ("a,b\n1,2\n# note, one\n3,4\n", {}, A[:2], [[1, 2], [3, 4]], [("Comment lines", "# note, one", 1)]),
        ("#x,y\n#1,2\n#3,4\n", {"comment": ""}, ["#x", "y"], [["#1", 2], ["#3", 4]], []),
        ("a,b\n;x\n1,2\n", {"comment": ";", "delimiter": ","}, A[:2], [[1, 2]], [("Comment lines", ";x", 1)]),
        (
            "# made by x\n# a,b\n1,2\n3,4\n",
            {},
            A[:2],
            [[1, 2], [3, 4]],
            [("Comment lines", "# made by x", 1), ("The names", "# a,b", 1)],
        ),
        ("#a,b\n1,2\n", {}, ["#a", "b"], [[1, 2]], []),
        ("# a\n#\n1,2\n3,4\n", {"header": "yes"}, ["1", "2"], [[3, 4]], [("Comment lines", "# a", 2)]),
        ("a,b,c\n1,2,3\nTotal of x\n", {}, A, [[1, 2, 3]], [("Lines after", "Total of x", 1)]),
        (
            "a,b,c\nx,2,3\ny,5,6\nSource: X, Y\n",
            {},
            A,
            [["x", 2, 3], ["y", 5, 6]],
            [("Lines after", "Source: X, Y", 1)],
        ),
        ("a,b,c\nx,2,3\n,,\nSource: X,,\n", {}, A, [["x", 2, 3]], [("Lines after", "Source: X,,", 1)]),
        ("a,b\nx,2\n\n\nSome text,\nmore\n", {}, A[:2], [["x", 2]], [("Lines after", "Some text,", 2)]),
        ("a,b\n1,2\na,b\n3,4\n", {}, A[:2], [[1, 2], [3, 4]], [("Rows that", "a,b", 1)]),
        ("a,b\nm,s\n1,2\n3,4\n", {}, A[:2], [[1, 2], [3, 4]], [("The row", "m,s", 1)]),
        ("t,b\n,s\nx,2\ny,4\n", {}, ["t", "b"], [["x", 2], ["y", 4]], [("The row", ",s", 1)]),
        ("t,b\nz,s\nx,2\ny,4\n", {}, ["t", "b"], [["z", "s"], ["x", "2"], ["y", "4"]], []),
        # Ragged rows
        ("a,b,c\n1,2,3\n4,5\n6\n", {}, A, [[1, 2, 3], [4, 5, None], [6, None, None]], [("Rows with", "4,5", 2)]),
        ("a,b,\n1,2,\n3,4,\n", {}, A[:2], [[1, 2], [3, 4]], [("Empty fields", "a,b,", 2)]),
        ("a,,,\n1,,2,\n3,,4,\n", {}, ["a", "column_2", "column_3"], [[1, None, 2], [3, None, 4]], None),
        ("a,b\n1,2\n3,4,,\n", {}, A[:2], [[1, 2], [3, 4]], [("Empty fields", "3,4,,", 1)]),
        (
            "x,x,,x_2\n1,2,3,4\n",
            {},
            ["x", "x_3", "column_3", "x_2"],
            [[1, 2, 3, 4]],
            [("Columns that", "", None), ("Columns that", "x", None)],
        ),
        # Headers
        ("x,2\ny,3\n", {}, ["column_1", "column_2"], [["x", 2], ["y", 3]], [("The first", "x,2", None)]),
        ("x,2\ny,3\n", {"header": "yes"}, ["x", "2"], [["y", 3]], []),
        ("x,y\nz,u\n", {}, ["x", "y"], [["z", "u"]], []),
        ("x,y\nz,u\n", {"header": "no"}, ["column_1", "column_2"], [["x", "y"], ["z", "u"]], []),
        ("id,400.5,402,403.5\n1,2,3,4\n", {}, ["id", "400.5", "402", "403.5"], [[1, 2, 3, 4]], []),
        ("town,2019,2020\nx,5,6\ny,7,8\n", {}, ["town", "2019", "2020"], [["x", 5, 6], ["y", 7, 8]], []),
        ("x\ny\na,b\n1,2\n", {"skip": 2}, A[:2], [[1, 2]], []),
        # Quotes
        ("a,b\n1,'x, y'\n2,'z'\n", {}, A[:2], [[1, "x, y"], [2, "z"]], [("Values in", "1,'x, y'", 2)]),
        ("a,b\n1,'x'\n2,y\n3,z\n", {}, A[:2], [[1, "'x'"], [2, "y"], [3, "z"]], []),
        ("a,b\n1,'x, y'\n", {"quote": "'"}, A[:2], [[1, "x, y"]], []),
        ('a,b\n1,"x\n2,y"\n', {"quote": ""}, A[:2], [[1, '"x'], [2, 'y"']], []),
        ('a,b\n1,"x "y" z"\n', {}, A[:2], [[1, 'x "y" z']], [("Quotes inside", '1,"x "y" z"', 1)]),
        ('a,b\n1,"x" y\n', {}, A[:2], [[1, '"x" y']], [("Quotes inside", '1,"x" y', 1)]),
        ('a, b\n1, "x, y"\n', {}, A[:2], [[1, "x, y"]], [("Spaces around", '1, "x, y"', 1)]),
        ('a,b\n1,"x \\"y\\", z"\n', {}, A[:2], [[1, 'x "y", z']], [("Backslashes before", '1,"x \\"y\\", z"', 1)]),
        (
            "a,b\n1,x\\, y\n2,C:\\new\n",
            {},
            A[:2],
            [[1, "x, y"], [2, "C:\\new"]],
            [("Backslashes before", "1,x\\, y", 1)],
        ),
        ('a,b\n1,"C:\\dir\\"\n', {}, A[:2], [[1, "C:\\dir\\"]], []),
        # Delimiters
        ("1,5;2,5\n3,5;4,5\n", {"delimiter": ";"}, ["column_1", "column_2"], None, None),
        ("a,b\nx^2,1\n", {}, A[:2], [["x^2", 1]], []),
        ("a:b\n1:2\n", {"delimiter": ":"}, A[:2], [[1, 2]], []),
        ("a§b\n1§2\n", {"delimiter": "§"}, A[:2], [[1, 2]], []),
        ('"sep=|"\na|b\n1|2\n', {}, A[:2], [[1, 2]], [("The line", '"sep=|"', 1)]),
    ],
)
def test_each_kind_of_repair(text, options, columns, rows, notes):
    table = load(text, **options)

    assert table.frame.columns == columns
    assert rows is None or rows_of(table) == rows
    assert notes is None or notes_of(table) == notes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2,3\n4,5,6\n", "Line 1 has 2 fields, line 2 has 3.*skip=1"),
        ("a,b\n1,2\n3,4,5\n", "Line 3 has 3 fields, the header has 2: '3,4,5'.*delimiter=.*quote="),
        ("a,b,c\n1,2,3\nx,y\n4,5,6\n", "Line 3 has 2 of 3 fields, and 'x'.*quotes"),
        ("a,b\n1,2\n\nc,d\n3,4\n5,6\n", "Line 4 begins another table.*skip=3"),
        ("a,b,c\n1,2,3\n\nx,y\n5,6\n", "Line 4 begins another table.*skip=3"),
        ('a,b\n1,"x\n2,y\n', "Line 2: no quote closes.*quote="),
        ('a,b\n1,"x\n2,"y\n', "Line 2: it is not clear where.*quote="),
        ("a,b;c\n1,2;3\n", "';' and ',' divide the rows alike.*delimiter="),
        ("1,5;2,5\n3,5;4,5\n", "';' and ',' divide the rows alike.*delimiter="),
        ("A12,5\n13,6\n14,7\n", "Line 1 may be a header or a row.*header=no"),
        ("town,2020\nx,5\ny,7\n", "Line 1 may be a header or a row.*header=yes"),
        ("a,b\n1,2\n\nc,d,e\n1,2,3\n4,5,6\n", "Line 1 has 2 fields, line 4 has 3.*skip=3"),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n", "Line 2 is a ruled line"),
        ("Title,X\nUnit,Y\nSource,Z\n2001,5\n2002,6\n2003,7\n", "Lines 2 to 3 are text.*skip=3.*header=no"),
        ("# a\n# b\n", "comments only.*comment="),
        ("S1  17.1   ST JOHNS\nS22  5.1   TOWN\nS3   5.2   A B C D\n", "Line 1 looks like 4 fields"),
        ("1 2 3\n4 5 6\n", "Line 1 looks like 3 fields.*delimiter=space"),
        ("- a: 1\n  b: 2\n", "YAML|JSON"),
    ],
)
def test_what_would_be_a_guess_is_refused_with_the_line_and_the_option(text, words):
    with pytest.raises(DatasetError, match=words):
        load(text)


NAMES = st.lists(st.text("abcxyzé_ -", min_size=1, max_size=8).map(lambda text: f"n{text}n"), min_size=1, max_size=4)
TEXTS = st.text("aé,;|\t\"'\n #%\\:5", max_size=8).map(lambda text: f"x{text}")
CELLS = st.one_of(TEXTS.map(lambda text: f"{text}x"), TEXTS, st.just(""))
NUMBERS = st.integers(-(10**6), 10**6).map(str).filter(lambda text: set(text) - {"9", "-"})  # -999 would have a note


@st.composite
def written_tables(draw: st.DrawFn) -> list[list[str]]:
    """Generate a header and rows of texts and numbers."""
    names = [f"{name}{number}" for number, name in enumerate(draw(NAMES))]
    cells = [draw(st.sampled_from((CELLS, NUMBERS))) for _ in names]
    height = draw(st.integers(1, 8))
    rows = [[draw(each) for each in cells] for _ in range(height)]
    assume(len(names) == 1 or all(map(any, rows)))  # rows without a value are left out
    return [names, *([draw(NUMBERS) if each is NUMBERS else "x" for each in cells] for _ in range(1)), *rows]


def written(table: list[list[str]], **dialect: Any) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, **dialect).writerows(table)
    return file.getvalue()


def texts_of(table: Table) -> list[list[str]]:
    return [["" if value is None else str(value) for value in row] for row in rows_of(table)]


@settings(max_examples=300, deadline=None)
@given(
    table=written_tables(),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from((csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC)),
    line_end=st.sampled_from(("\n", "\r\n")),
)
def test_a_table_written_by_the_standard_library_is_read_back_without_a_note(table, delimiter, quoting, line_end):
    text = "".join(cell for row in table for cell in row)
    assume(len(table[0]) > 1 or (delimiter == "," and "  " not in text))

    loaded = load(written(table, delimiter=delimiter, quoting=quoting, lineterminator=line_end))

    assert [loaded.frame.columns, *texts_of(loaded)] == table
    assert not notes_of(loaded)


@settings(max_examples=150, deadline=None)
@given(table=written_tables(), delimiter=st.sampled_from(",;\t|:^~"), quote=st.sampled_from("'\"$"))
def test_a_table_in_any_dialect_that_is_named_is_read_back(table, delimiter, quote):
    loaded = load(written(table, delimiter=delimiter, quotechar=quote), delimiter=delimiter, quote=quote)

    assert [loaded.frame.columns, *texts_of(loaded)] == table


def test_a_long_preamble_is_left_out():
    comments, titles = "# a comment, which is long\n" * 20_000, "a title\n" * 100_000

    assert rows_of(load(f"{comments}a,b\n1,2\n")) == [[1, 2]]
    assert rows_of(load(f"{titles}a,b\n1,2\n", skip=100_000)) == [[1, 2]]


def test_a_table_that_is_long_is_repaired_at_any_place():
    # Given some megabytes of clean rows, and a few that are not
    rows = "".join(f'{number},"text, {number}",x\n' for number in range(150_000))
    text = f'a,b,c\n{rows}1,"say "x"",y\n2,z\n# done\n{rows}3,"line\nof text",x\n'
    # when they are loaded
    table = load(text)
    # then no row is lost, and the repairs are counted
    assert table.description.count == 300_003
    assert rows_of_end(table) == [[149_999, "text, 149999", "x"], [3, "line\nof text", "x"]]
    assert [rows for _, _, rows in notes_of(table)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("name", "media_type", "query", "status", "parameter"),
    [
        ("tsv.tsv", "text/tab-separated-values", "", 201, None),
        ("hgnc_complete_set.txt", "text/plain", "", 201, None),
        ("iss.oem.txt", "text/plain", "", 400, None),
        ("iss.oem.txt", "text/plain", "?skip=6&delimiter=space&header=no", 201, None),
        ("fixed_width.txt", "text/csv", "?delimiter=%20", 201, None),
        ("bom.csv", "text/csv", "?encoding=klingon", 422, "encoding"),
        ("bom.csv", "text/csv", "?header=only", 422, "header"),
        ("bom.csv", "text/csv; charset=klingon", "", 415, None),
        ("xml.xml", "text/csv", "", 415, None),
    ],
)
def test_the_options_are_taken_by_post_data(rd, name, media_type, query, status, parameter):
    client = create_app(redis_client=rd).test_client()

    answer = client.post(f"/data{query}", data=(CASES / name).read_bytes(), content_type=media_type)

    assert answer.status_code == status, answer.json
    assert [error["parameter"] for error in answer.json.get("errors", ())] == ([parameter] if parameter else [])


def test_a_file_without_line_ends_is_refused_with_the_way_to_send_it(rd):
    # Given a file as `curl -d @x.csv` sends it
    body = (CASES / "noaa_co2.csv").read_bytes().replace(b"\n", b"")
    client = create_app(redis_client=rd).test_client()
    # when it is posted, then the error says how to keep its lines
    for one in (body, b"id,v1,22,3", b'id,name,v1,"x, y"2,z,3', b'a,b1,"x2,y'):
        answer = client.post("/data", data=one)
        assert answer.status_code == 422
        assert "--data-binary" in answer.json["detail"]


def rows_of_end(table: Table) -> list[list[Any]]:
    return [list(row) for row in table.frame.tail(2).rows()]


@pytest.mark.parametrize("ending", ["", "1,2\n", "# done\n"])
def test_wide_tables_and_long_values_are_read(ending):
    # Given 5,000 columns, and values of a megabyte, in clean files and in others
    names = [f"c{number}" for number in range(5000)]
    wide = load(",".join(names) + "\n" + (",".join(["7"] * 5000) + "\n") * 3 + ending)
    long = load('a,b,c\n1,"' + "x,\n" * 300_000 + '",y\n2,z,\n3,z,"' + "é" * 500_000 + f'"\n{ending}')
    # when they are loaded, then no value is changed
    assert wide.frame.columns == names
    assert wide.frame["c4999"].to_list()[:3] == [7, 7, 7]
    assert [len(value) for value in long.frame["b"].to_list()[:3]] == [900_000, 1, 1]
    assert long.frame["c"].to_list()[2] == "é" * 500_000


@settings(max_examples=300, deadline=None)
@given(st.text("ab1,;\t|\"'\\\n\r#% é-=", max_size=60), st.sampled_from((None, "no", "yes")))
def test_any_text_is_read_or_refused(text, header):
    for options in ({}, {"delimiter": ","}, {"quote": "'"}, {"comment": ""}, {"skip": 1}):
        with suppress(DatasetError):
            table = load(text, header=header, **options)
            assert len(rows_of(table)) == table.description.count > 0
