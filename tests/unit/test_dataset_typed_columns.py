"""Columns of Parquet and Arrow: every type, also nested, with values beyond those of Python."""

from __future__ import annotations

import datetime as dt
import io
import json
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset import Table, ingest

FAR = 2**62
UNITS: tuple[Any, ...] = ("ms", "us", "ns")


def parquet_of(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


def arrow_of(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_ipc(file, compression="zstd")
    return file.getvalue()


def stream_of(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_ipc_stream(file)
    return file.getvalue()


def values(table: Table) -> list[Any]:
    return [record["v"] for record in table.page(limit=1000).records]


@pytest.mark.parametrize("write", [parquet_of, arrow_of, stream_of])
@pytest.mark.parametrize(
    ("column", "kind", "printed"),
    [
        (pl.Series([1, None], dtype=pl.UInt8), "integer", [1, None]),
        (pl.Series([2**64 - 1, 1], dtype=pl.UInt64), "text", [str(2**64 - 1), "1"]),
        (pl.Series([0.5, float("inf")], dtype=pl.Float32), "number", [0.5, None]),
        (pl.Series([0.1, 16_777_216.0, 1e-10, None], dtype=pl.Float32), "number", [0.1, 16_777_216.0, 1e-10, None]),
        (pl.Series(["1", None]).cast(pl.Decimal(38, 0)), "integer", [1, None]),
        (pl.Series(["92233720368547758080"]).cast(pl.Decimal(38, 0)), "text", ["92233720368547758080"]),
        (pl.Series([None, None]), "text", [None, None]),
        (pl.Series(["2018-01-31"]), "date", ["2018-01-31"]),
        (pl.Series([1]).cast(pl.Date), "date", ["1970-01-02"]),
        (pl.Series([-(2**31)]).cast(pl.Date), "text", [str(-(2**31))]),
        (pl.Series([1]).cast(pl.Datetime("ns")), "time", ["1970-01-01T00:00:00.000Z"]),
        (pl.Series([b"a", None]), "text", ["a", None]),
        (pl.Series([2**100]).cast(pl.Int128), "text", [str(2**100)]),
        (pl.Series(["1.10", None]).cast(pl.Decimal(9, 2)), "number", [1.1, None]),
        (pl.Series(["12345678901234567.89"]).cast(pl.Decimal(20, 2)), "text", ["12345678901234567.89"]),
        (pl.Series([FAR]).cast(pl.Datetime("ms")), "text", [str(FAR)]),
        (pl.Series([0]).cast(pl.Datetime("us", "America/New_York")), "time", ["1970-01-01T00:00:00.000Z"]),
        (pl.Series(["b", None, "a"], dtype=pl.Categorical), "text", ["b", None, "a"]),
        (pl.Series(["2020-01-31"], dtype=pl.Categorical), "date", ["2020-01-31"]),
        (pl.Series(["2", "10"], dtype=pl.Enum(["10", "2"])), "integer", [2, 10]),
        (pl.Series(["02", "10"]), "text", ["02", "10"]),
        (pl.Series([dt.time(1, 2, 3)]), "text", ["01:02:03"]),
        (pl.Series([FAR]).cast(pl.Duration("us")), "text", ["P53375995DT14H27.387904S"]),
        (pl.Series([b"\xff", b"a"]), "text", ["ff", "61"]),
        (pl.Series([{"a": 1, "b": None}, None]), "text", ['{"a": 1, "b": null}', None]),
        (pl.Series([["1"], [], None]), "text", ['["1"]', "[]", None]),
    ],
)
def test_a_column_has_the_same_type_in_every_format(write: Any, column: pl.Series, kind: str, printed: Any) -> None:
    table = ingest(write(pl.DataFrame({"v": column})), None)

    assert table.description.types() == {"v": kind}
    assert values(table) == printed
    assert not table.description.notes


SCALARS: list[tuple[Any, Any, Any]] = [
    (pl.Date, 0, "1970-01-01"),
    (pl.Date, 10_000_000, "10000000"),
    (pl.Date, -(2**31), str(-(2**31))),
    (pl.Datetime("ms"), FAR, str(FAR)),
    (pl.Datetime("us"), -FAR, str(-FAR)),
    (pl.Datetime("us", "Asia/Tokyo"), 1_500_000, "1970-01-01T00:00:01.500Z"),
    (pl.Datetime("ns"), 1_000, "1970-01-01T00:00:00.000001Z"),
    *((pl.Duration(unit), 0, "PT0S") for unit in UNITS),
    (pl.Duration("ms"), FAR, "P53375995583DT15H36M27.904S"),
    (pl.Time, 3_723_000_000_000, "01:02:03"),
    (pl.Int128, 2**63, 2**63),
    (pl.Float64, float("inf"), None),
    (pl.Boolean, True, True),
    (pl.String, "é", "é"),
    (pl.Binary, b"\xff", "ff"),
    (pl.Decimal(38, 2), Decimal("1.50"), "1.50"),
    (pl.Categorical, "a", "a"),
    (pl.Enum(["a"]), "a", "a"),
    (pl.Null, None, None),
]


@pytest.mark.parametrize("write", [parquet_of, arrow_of])
@pytest.mark.parametrize(("kind", "value", "printed"), SCALARS)
def test_nested_values_beyond_those_of_python_are_json(write: Any, kind: Any, value: Any, printed: Any) -> None:
    # Given a value in a list, in a struct, and in a list of structs, as maps are
    flat = pl.Series("x", [value, None])
    flat = flat.cast(kind) if isinstance(value, int | str | None) else flat
    flat = flat if flat.dtype == kind else pl.Series("x", [value, None], dtype=kind)
    columns = {"lists": flat.implode(), "structs": flat.head(1).to_frame().to_struct(), "maps": None}
    columns["maps"] = flat.to_frame().with_row_index("key").to_struct().implode()
    # when they are loaded
    record = ingest(write(pl.DataFrame(columns)), None).page(limit=1).records[0]
    # then each is JSON, and the value as text where JSON has no such type
    assert json.loads(record["lists"]) == [printed, None]
    assert json.loads(record["structs"]) == {"x": printed}
    assert json.loads(record["maps"]) == [{"key": 0, "x": printed}, {"key": 1, "x": None}]


def test_pandas_index_is_a_column_as_any_other() -> None:
    frame = pl.DataFrame({"a": [1, 2], "__index_level_0__": ["x", "y"]})

    assert ingest(parquet_of(frame), None).description.types() == {"a": "integer", "__index_level_0__": "text"}


@settings(max_examples=100, deadline=None)
@given(
    ticks=st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=3),
    kind=st.sampled_from([pl.Date(), pl.Time(), *(make(u) for make in (pl.Datetime, pl.Duration) for u in UNITS)]),
    nested=st.booleans(),
)
def test_any_tick_is_read(ticks: list[int | None], kind: Any, nested: bool) -> None:
    limits = {pl.Date(): (-(2**31), 2**31 - 1), pl.Time(): (0, 86_399_999_999_999)}
    low, high = limits.get(kind, (-(2**63), 2**63 - 1))
    known = [None if tick is None else low + (tick - low) % (high - low + 1) for tick in ticks]
    physical = pl.Series("v", known, dtype=pl.Int32 if kind == pl.Date else pl.Int64)
    column = physical.cast(kind)
    body = parquet_of(pl.DataFrame({"v": column.implode() if nested else column}))

    assert len(values(ingest(body, None))) == (1 if nested else len(ticks))
