"""Filters, order, counts and files agree with plain loops over the records."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections import Counter
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset import EXPORTS, Listing, Selection, Table, ingest

COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "i": st.integers(-3, 3) | st.sampled_from([2**63 - 1, -(2**63), 2**53 + 1]),
    "x.lt": st.sampled_from([0.5, -0.5, 1e300, 2.0, 1e-7]),
    "s": st.sampled_from(["a", "A", "Straße", "ΣΑΣ", "a,b", "1", "\N{EARTH GLOBE AMERICAS}"]),
    "b": st.booleans(),
    "d": st.sampled_from(["2018-01-31", "2018-02-01", "2018-02-02"]),
    "t": st.sampled_from(["2018-01-31T23:59:59.999Z", "2018-02-01T00:00:00.000Z", "2018-02-01T12:00:00.000001Z"]),
}
KINDS = ["integer", "number", "text", "boolean", "date", "time"]
FIRST = {"i": 0, "x.lt": 0.25, "s": "a", "b": True, "d": "2018-02-01", "t": "2018-02-01T00:00:00.000Z"}
"""A first record, without missing values, which makes the types of the columns certain."""
ORDERINGS = ["lt", "lte", "gt", "gte"]

SEARCHES = st.none() | st.sampled_from(["a", "2018-02-01", "Σ", "nope", "TRUE"])
RECORDS = st.lists(st.fixed_dictionaries({name: st.none() | values for name, values in COLUMNS.items()}), max_size=8)


def load(records: list[dict[str, Any]]) -> tuple[Table, list[dict[str, Any]]]:
    rows = [{"n": number, **record} for number, record in enumerate([FIRST, *records])]
    table = ingest(json.dumps(rows).encode(), "application/json")
    assert [column.type for column in table.description.columns] == ["integer", *KINDS]
    return table, rows


def folded(text: str) -> str:
    return text.lower().replace("\N{GREEK SMALL LETTER FINAL SIGMA}", "\N{GREEK SMALL LETTER SIGMA}")


def key(name: str, value: Any) -> Any:
    """Return the value as Python compares it."""
    return dt.datetime.fromisoformat(value) if name == "t" else value


def span(name: str, operand: Any) -> tuple[Any, Any]:
    """Return the first and the last value that an operand stands for."""
    if name == "t" and len(operand) == 10:
        start = dt.datetime.fromisoformat(f"{operand}T00:00:00Z")
        return start, start + dt.timedelta(days=1, microseconds=-1)
    return key(name, operand), key(name, operand)


def holds(name: str, operator: str, value: Any, operand: Any) -> bool:
    """Return whether a value of a record matches one condition."""
    match operator:
        case "in":
            return any(holds(name, "", value, each) for each in operand)
        case "ne":
            return not holds(name, "", value, operand)
    if operand is None:
        return value is None
    if value is None:
        return False
    if operator == "contains":
        return folded(operand) in folded(value)
    (first, last), value = span(name, operand), key(name, value)
    return {
        "": first <= value <= last,
        "lt": value < first,
        "lte": value <= last,
        "gt": value > last,
        "gte": value >= first,
    }[operator]


@st.composite
def conditions(draw: st.DrawFn) -> list[tuple[str, str, Any]]:
    """Draw conditions: a column, an operator (none for equality), and an operand of the column's type."""
    found = []
    for name in draw(st.lists(st.sampled_from([*COLUMNS]), min_size=1, max_size=3)):
        values = COLUMNS[name]
        if name == "t":
            values |= COLUMNS["d"]
        if name == "i":
            values |= st.sampled_from([0.5, -1e300])
        contains = ["contains"] if name == "s" else []
        operator = draw(st.sampled_from(["", "ne", "in", *contains, *([] if name == "b" else ORDERINGS)]))
        if operator == "in":
            operand: Any = draw(st.lists(st.none() | values.filter(lambda value: value != "a,b"), max_size=3))
        else:
            operand = draw(values if operator in (*ORDERINGS, "contains") else st.none() | values)
        found.append((name, operator, operand))
    return found


def written(operand: Any) -> str:
    if isinstance(operand, list):
        return ",".join(map(written, operand))
    return "" if operand is None else operand if isinstance(operand, str) else json.dumps(operand)


@settings(max_examples=150, deadline=None)
@given(records=RECORDS, asked=conditions())
def test_filters_of_a_query_agree_with_a_loop(records, asked):
    table, rows = load(records)
    filters = [(f"field.{name}.{operator}".rstrip("."), written(operand)) for name, operator, operand in asked]

    def passes(row: dict[str, Any]) -> bool:
        equal = {name: [each for other, op, each in asked if (other, op) == (name, "")] for name, _, _ in asked}
        return all(
            any(holds(name, "", row[name], each) for each in equal[name])
            if operator == ""
            else holds(name, operator, row[name], operand if operand != [] else [None])
            for name, operator, operand in asked
        )

    found = table.page(filters=filters, limit=100).records
    assert [record["n"] for record in found] == [row["n"] for row in rows if passes(row)]


@settings(max_examples=150, deadline=None)
@given(
    records=RECORDS, asked=conditions(), search=st.none() | st.sampled_from(["a", "2018-02-01", "ς", "nope", "TRUE"])
)
def test_where_and_search_of_a_job_agree_with_a_loop(records, asked, search):
    table, rows = load(records)
    where: dict[str, Any] = {}
    for name, operator, operand in asked:
        if not operator:
            where.setdefault(name, operand)
        elif isinstance(where.setdefault(name, {}), dict):
            where[name][operator] = operand
    kept = [
        (name, operator, operand)
        for name, value in where.items()
        for operator, operand in (value.items() if isinstance(value, dict) else [("", value)])
    ]

    def passes(row: dict[str, Any]) -> bool:
        texts = [value if isinstance(value, str) else json.dumps(value) for value in row.values() if value is not None]
        has_text = search is None or any(folded(search) in folded(text) for text in texts)
        return has_text and all(holds(name, operator, row[name], operand) for name, operator, operand in kept)

    selection = Selection(where=where, search=search)
    assert table.selector.errors(selection) == []
    assert table.select(selection)["n"].to_list() == [row["n"] for row in rows if passes(row)]


@settings(max_examples=100, deadline=None)
@given(
    records=RECORDS,
    sort=st.dictionaries(st.sampled_from([*COLUMNS]), st.booleans(), min_size=1, max_size=3),
)
def test_a_sorted_list_agrees_with_a_stable_sort(records, sort):
    table, rows = load(records)
    expected = rows
    for name, descending in reversed(sort.items()):
        present = [row for row in expected if row[name] is not None]
        missing = [row for row in expected if row[name] is None]
        # a reversed stable sort, in which equal values keep their order
        ordered = sorted(present, key=lambda row, name=name: key(name, row[name]), reverse=descending)
        expected = ordered + missing

    listing = Listing(table, sort=",".join(f"-{name}" if descending else name for name, descending in sort.items()))
    assert [record["n"] for record in listing.page(limit=100, max_bytes=2**20).records] == [
        row["n"] for row in expected
    ]
    blocks, _ = listing.blocks(offset=1)
    assert [number for block in blocks for number in block["n"]] == [row["n"] for row in expected[1:]]


@settings(max_examples=60, deadline=None)
@given(records=RECORDS, name=st.sampled_from([*COLUMNS]))
def test_counts_of_values_agree_with_a_counter(records, name):
    table, rows = load(records)
    counted = Counter(row[name] for row in rows)

    found = Listing(table, distinct=name).page(limit=100, max_bytes=2**20)
    assert {record["value"]: record["count"] for record in found.records} == counted
    counts = [record["count"] for record in found.records]
    assert counts == sorted(counts, reverse=True)
    assert found.total == len(counted)


def test_counts_that_are_equal_come_by_value_and_missing_ones_last():
    table = ingest(json.dumps([{"v": value} for value in ["b", None, "a", "c", "c"]]).encode(), "application/json")
    found = Listing(table, distinct="v").page(limit=9, max_bytes=2**20).records
    assert [record["value"] for record in found] == ["c", "a", "b", None]


@pytest.mark.parametrize("media_type", EXPORTS)
@settings(max_examples=40, deadline=None)
@given(records=RECORDS, sort=st.none() | st.sampled_from(["-n", "d,-n"]))
def test_a_file_has_the_same_records_as_a_page(media_type, records, sort):
    table, _ = load(records)
    listing = Listing(table, sort=sort, filters=[("b.ne", "false")])
    page = listing.page(limit=100, max_bytes=2**20).records

    blocks, _ = listing.blocks()
    body = b"".join(EXPORTS[media_type].encode(blocks, listing.schema, listing.record_bytes))
    if not page:
        return
    again = ingest(body, media_type)
    if media_type == "text/csv":  # a file that has no text in a column of text says less than the dataset
        types = {column.name: column.type for column in table.description.columns}
        changed = {column.name for column in again.description.columns if column.type != types[column.name]}
        page = [{name: value for name, value in record.items() if name not in changed} for record in page]
        found = again.page(limit=100).records
        assert [{name: record[name] for name in page[0]} for record in found] == page
    else:
        assert again.page(limit=100).records == page


def test_a_file_of_many_blocks_has_every_record_once():
    # Given records of a few hundred bytes, some mebibytes together
    count = 30_000
    frame = pl.DataFrame({"id": range(count), "text": [f"{number:05}-" * 50 for number in range(count)]})
    table = ingest(frame.write_csv().encode(), "text/csv")
    # when they are written, then no part is large, and each record is there, in its order
    for sort, order in ((None, range(count)), ("-id", range(count - 1, -1, -1))):
        listing = Listing(table, sort=sort)
        for media_type, read in (
            ("text/csv", pl.read_csv),
            ("application/x-ndjson", pl.read_ndjson),
            ("application/vnd.apache.parquet", pl.read_parquet),
        ):
            parts = [*EXPORTS[media_type].encode(listing.blocks()[0], listing.schema, listing.record_bytes)]
            assert max(map(len, parts)) < 2**23
            assert read(io.BytesIO(b"".join(parts)))["id"].to_list() == [*order]
