"""Small bodies that expand to large tables: limits apply to the table's size, not only to the body's."""

from __future__ import annotations

import io
import json
import time
import tracemalloc
from contextlib import suppress
from typing import Any

import polars as pl
import pytest

import dataset.reader_process
from dataset import EncodedTable, FilterError, InvalidDataset, LoadLimits, Table, TooLarge, ingest, ingest_in_subprocess
from dataset.arrow_chunks import decode_chunks
from dataset.formats import Limits
from dataset.reader_process import Reader
from tests.conftest import eventually

MIB = 2**20
PARQUET = "application/vnd.apache.parquet"


def parquet_of(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


def peak_of(do: Any) -> int:
    tracemalloc.start()
    try:
        do()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "document",
    [
        {"a" * 500_000: {str(number): 0 for number in range(50_000)}},
        {"a" * 500_000: {str(number): {} for number in range(50_000)}},
        {"a" * 500_000: {str(number): [] for number in range(50_000)}},
        {"a" * 250_000: {"b" * 250_000: {str(number): [{"x": 1}] for number in range(20_000)}}},
    ],
)
def test_a_long_name_above_many_members_is_not_copied_to_each(document):
    # Given a megabyte of JSON, each member of which has a path of half a megabyte
    body = json.dumps(document).encode()

    def read() -> None:
        with suppress(InvalidDataset):
            assert len(ingest(body, "application/json").description.columns) == 1

    # then parsing it takes a few times its size
    assert peak_of(read) < 60 * MIB


def test_a_few_long_rows_do_not_lengthen_many_short_ones():
    body = json.dumps([[f"n{number}" for number in range(3000)], *[[1]] * 20_000]).encode()

    def read() -> None:
        with pytest.raises(InvalidDataset, match="too many"):
            ingest(body, "application/json")

    assert peak_of(read) < 30 * MIB


def test_names_that_are_too_long_in_total_are_rejected():
    body = json.dumps([{f"{number}{'n' * 1000}": 1 for number in range(1100)}]).encode()

    with pytest.raises(InvalidDataset, match="names take more"):
        ingest(body, "application/json")


def test_the_size_of_the_table_is_checked_after_parsing():
    # Given a file with one nested value, of which the table has many copies as text
    frame = pl.DataFrame({"n": pl.Series([["x" * 1000]]).new_from_index(0, 100_000)})

    with pytest.raises(TooLarge, match="unpacks to more"):
        ingest(parquet_of(frame), PARQUET, limits=Limits(unpacked_bytes=16 * MIB))
    with pytest.raises(TooLarge, match="of memory"):
        ingest(parquet_of(pl.DataFrame({"n": range(100_000)})), PARQUET, max_memory=100_000)


@pytest.mark.parametrize(
    "value", ["x" * (4 * MIB), "\x01" * (MIB * 3 // 4), ["x" * 1000] * 4200, {"a": {"b": ["y" * MIB] * 4}}]
)
def test_a_record_that_is_too_large_as_json_is_named_in_the_error(value):
    rows = [{"id": 1, "v": "small"}, {"id": 2, "v": value}]

    with pytest.raises(InvalidDataset, match="Record 2 has more than"):
        ingest(json.dumps(rows).encode(), "application/json")


def test_a_small_body_of_many_values_is_read_in_a_subprocess():
    # Given bodies of a few kilobytes with many columns, or with many members that most records lack
    wide = ",".join(f"c{number}" for number in range(300)) + "\n" + ",".join("1" for _ in range(300)) + "\n"
    sparse = json.dumps([{f"k{number % 150}": 1} for number in range(1000)])

    # then a subprocess parses them, with the same result as this process
    for body, media_type in ((wide.encode(), "text/csv"), (sparse.encode(), "application/json")):
        loaded = ingest_in_subprocess([body], media_type)
        assert isinstance(loaded, EncodedTable)
        assert decode_chunks(loaded.chunks()).equals(ingest(body, media_type).frame)
    assert isinstance(ingest_in_subprocess([b"a,b\n1,2\n"], "text/csv"), Table)


def test_a_reader_over_its_memory_or_time_limit_is_killed():
    # Given a body that exceeds the limits of the subprocess
    body = b"id,n\n" + b"".join(b"%d,%d\n" % (number, number) for number in range(1_000_000))

    # when it is ingested, then the error gives the reason
    with pytest.raises(TooLarge, match="more memory"):
        ingest_in_subprocess([body], "text/csv", limits=LoadLimits(reader_memory=50 * MIB))
    with pytest.raises(TooLarge, match=r"more than 0\.1 s"):
        ingest_in_subprocess([body], "text/csv", limits=LoadLimits(seconds=0.1))
    # and the next body is ingested
    assert ingest_in_subprocess([body], "text/csv").description.count == 1_000_000


@pytest.fixture
def readers(monkeypatch) -> list[Reader]:
    """The subprocesses that are started."""
    started: list[Reader] = []

    class Recorded(Reader):
        def __init__(self, folder: str | None) -> None:
            super().__init__(folder)
            started.append(self)

    monkeypatch.setattr(dataset.reader_process, "Reader", Recorded)
    return started


def test_a_reader_that_is_started_while_a_body_arrives_parses_it(readers, monkeypatch):
    # Given a reader that was started ahead, twice, and its time is soon over
    monkeypatch.setattr(dataset.reader_process, "_AHEAD_SECONDS", 1)
    body = b"id,n\n" + b"".join(b"%d,%d\n" % (number, number) for number in range(20_000))
    limits = LoadLimits()
    limits.prepare()
    limits.prepare()

    # when two bodies are ingested, then it parses the first, and the second has one of its own
    for count in (1, 2):
        assert ingest_in_subprocess([body], "text/csv", limits=limits).description.count == 20_000
        assert len(readers) == count
    time.sleep(1)


def test_a_reader_without_a_body_ends(readers, monkeypatch):
    # Given a reader that was started ahead
    monkeypatch.setattr(dataset.reader_process, "_AHEAD_SECONDS", 0.1)
    LoadLimits().prepare()

    # when no body comes, then it ends, and the next body has another one
    eventually(lambda: readers)
    assert readers[0].process.wait(20) < 0
    assert ingest_in_subprocess([b"a,b\n" + b"1,2\n" * 50_000], "text/csv").description.count == 50_000
    assert len(readers) == 2


def test_a_reader_that_has_died_is_replaced(readers):
    # Given a reader that was started ahead, and killed
    LoadLimits().prepare()
    eventually(lambda: readers)
    readers[0].process.kill()
    readers[0].process.wait()

    # when a body is ingested, then another reader parses it
    assert ingest_in_subprocess([b"a,b\n" + b"1,2\n" * 50_000], "text/csv").description.count == 50_000


def test_an_aborted_body_ends_its_reader():
    def parts():
        yield b"id,n\n" + b"1,1\n" * 50_000
        raise ValueError("broke off")

    begun = time.monotonic()
    with pytest.raises(ValueError, match="broke off"):
        ingest_in_subprocess(parts(), "text/csv")
    assert time.monotonic() - begun < 20


def test_a_page_ends_at_its_maximum_size_and_the_next_begins_there():
    # Given records of 100 KB and more, with characters that JSON escapes
    rows = [{"n": number, "text": '\x02"\\é' * 10_000} for number in range(40)]
    table = ingest(json.dumps(rows).encode(), "application/json")
    # when pages of a megabyte are listed
    seen, row, reserved = [], 0, list[int]()
    while row is not None:
        for filters in ((), (("text", rows[0]["text"]),)):
            page = table.page(filters=filters, row=row, limit=1000, max_bytes=MIB, reserve=reserved.append)
            # then none is larger, and its size was reserved before
            size = len(json.dumps(page.records, ensure_ascii=False).encode())
            assert 0 < size <= MIB
            assert size <= reserved[-1] + 100
            assert page.total == 40
        seen += [record["n"] for record in page.records]
        row = page.next_row
    # and no record is left out
    assert seen == list(range(40))
    assert len(table.page(limit=1000, max_bytes=1).records) == 1


def test_a_table_without_memory_for_indexes_gives_the_same_results():
    # Given the same table with and without memory for indexes
    rows = [{"id": f"r{number}", "n": number, "text": "Köln" if number % 3 else "Lima"} for number in range(70_000)]
    indexed = ingest(json.dumps(rows).encode(), "application/json")
    unindexed = Table(indexed.description, indexed.frame, indexed.memory, indexed.memory)

    for ask in (
        {"search": "KÖLN"},
        {"search": "6999"},
        {"search": "lima", "row": 40_000},
        {"search": "nowhere"},
        {"search": "r1", "filters": [("text", "Lima")]},
    ):
        assert unindexed.page(limit=50, **ask) == indexed.page(limit=50, **ask), ask
    for identifier in ("r0", "r69999", "r70000", "x"):
        assert unindexed.record(identifier) == indexed.record(identifier)


def test_at_most_fifty_filters_are_accepted():
    table = ingest(b"a,b\n1,x\n2,y\n", "text/csv")

    assert table.page(filters=[("a", str(number)) for number in range(50)], limit=5).total == 2
    with pytest.raises(FilterError, match="50 at most"):
        table.page(filters=[("a", str(number)) for number in range(51)], limit=5)
