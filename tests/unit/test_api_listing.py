"""``GET /data``: operators, order, columns, counted values, places, and files of all records."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import polars as pl
import pytest

from api import create_app

QUAKES = """\
id,time,magnitude,place,felt,limit,sort,x.gte,"a,b",-id
1,2018-01-31T01:00:00Z,0.5,"12 km E of Valdez, Alaska",true,7,a,1,5,1
2,2018-02-01T02:00:00Z,,Chile,false,8,b,2,6,2
3,2018-02-02T02:00:00Z,5.5,ALASKA,false,9,c,3,7,3
4,2018-02-03T02:00:00.123456Z,5.5,,true,10,d,4,8,4
"""
CSV, NDJSON, PARQUET = "text/csv", "application/x-ndjson", "application/vnd.apache.parquet"


@pytest.fixture
def client(rd):
    client = create_app(redis_client=rd).test_client()
    assert client.post("/data", data=QUAKES, content_type="text/csv").status_code == 201
    return client


def ids(answer) -> list[int]:
    assert answer.status_code == 200, answer.data
    return [record["id"] for record in answer.json["records"]]


def parameters_of(answer) -> list[str]:
    assert answer.status_code == 422, answer.data
    return [error["parameter"] for error in json.loads(answer.data)["errors"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("magnitude.gte=5", [3, 4]),
        ("magnitude.gt=0.5&magnitude.lt=5.6", [3, 4]),
        ("magnitude.lte=.5", [1]),
        ("magnitude.ne=5.5", [1, 2]),
        ("magnitude.ne=", [1, 3, 4]),
        ("id.in=1,3,9", [1, 3]),
        ("magnitude.in=,0.5", [1, 2]),
        ("place.contains=alaska", [1, 3]),
        ("place.contains=a%2C+A", []),
        ("place.contains=z%2C+A", [1]),
        ("place.contains=", [1, 2, 3]),
        ("place.ne=Chile", [1, 3, 4]),
        ("place.gt=B", [2]),
        ("time.lte=2018-02-01", [1, 2]),
        ("time.lt=2018-02-01", [1]),
        ("time.gt=2018-02-01&time.lt=2018-02-03", [3]),
        ("time.ne=2018-02-01", [1, 3, 4]),
        ("time=2018-02-01T04:00:00+02:00", [2]),  # a blank, as curl sends it
        ("time.in=2018-02-01 04:00 02:00,2018-02-02T03:00:00.0 01:00", [2, 3]),
        ("felt.ne=true", [2, 3]),
        ("felt.in=yes,no", [1, 2, 3, 4]),
        ("search=alaska&magnitude.gte=1", [3]),
        ("id=1&id=2&magnitude.ne=", [1]),
        ("field.limit.gte=9", [3, 4]),
        ("field.sort.in=a,c", [1, 3]),
        ("x.gte=3", [3]),  # the column, of which x is none
        ("field.x.gte=3", [3]),
        ("x.gte.gte=3", [3, 4]),
        ("field.id.lt=2", [1]),
        ("id.lt=99999999999999999999.0", [1, 2, 3, 4]),
        ("id.gt=1e300", []),
        ("id.gte=1.5&id.lt=3.5", [2, 3]),
    ],
)
def test_operators_keep_the_records_that_match(client, query, found):
    answer = client.get(f"/data?{query}")
    assert ids(answer) == found
    assert answer.json["total"] == len(found)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("magnitude.contains=5", "magnitude.contains"),
        ("felt.lt=true", "felt.lt"),
        ("magnitude.gte=high", "magnitude.gte"),
        ("magnitude.gte=", "magnitude.gte"),
        ("magnitude.eq=5", "magnitude.eq"),
        ("depth.gte=5", "depth.gte"),
        ("field.depth.gte=5", "field.depth.gte"),
        ("id.in=1,x", "id.in"),
        ("time.in=1,2", "time.in"),
        ("sort=depth", "sort"),
        ("sort=", "sort"),
        ("sort=id,-depth", "sort"),
        ("fields=id,depth", "fields"),
        ("fields=", "fields"),
        ("distinct=depth", "distinct"),
        ("distinct=id,felt", "distinct"),
        ("distinct=id&sort=id", "sort"),
        ("distinct=id&fields=id", "fields"),
        ("offset=-1", "offset"),
        ("offset=x", "offset"),
        ("offset=1&offset=2", "offset"),
        ("cursor=x&offset=1", "cursor"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_its_parameter(client, query, parameter):
    assert parameters_of(client.get(f"/data?{query}")) == [parameter]


def test_a_column_named_like_an_operator_of_another_is_reached_by_its_prefix(client):
    client.post("/data", data="id,a,a.gte\n1,5,1\n2,6,9\n", content_type="text/csv")
    assert ids(client.get("/data?a.gte=6")) == [2]
    assert ids(client.get("/data?field.a.gte=1")) == [1]
    assert ids(client.get("/data?a.gte.gte=9")) == [2]


@pytest.mark.parametrize(
    ("sort", "found"),
    [
        ("-id", [4, 3, 2, 1]),
        ("magnitude", [1, 3, 4, 2]),
        ("-magnitude", [3, 4, 1, 2]),
        ("-magnitude,-id", [4, 3, 1, 2]),
        ("place", [1, 3, 2, 4]),
        ("-place", [2, 3, 1, 4]),
        ("felt,-time", [3, 2, 4, 1]),
        ("-a,b", [4, 3, 2, 1]),  # the column a,b
        ("--id", [4, 3, 2, 1]),  # the column -id
        ("id,-id", [1, 2, 3, 4]),
    ],
)
@pytest.mark.parametrize("limit", [1, 3, 4, 9])
def test_a_sorted_list_comes_page_by_page(client, sort, found, limit):
    listed, address = [], f"/data?sort={sort}&limit={limit}"
    while address:
        answer = client.get(address)
        listed += ids(answer)
        assert answer.json["total"] == 4
        address = answer.json["next"]
    assert listed == found
    assert ids(client.get(f"/data?sort={sort}&id.ne=3&offset=1")) == [number for number in found if number != 3][1:]


def test_fields_choose_columns_and_their_order(client):
    answer = client.get("/data?fields=place,a,b,id&id=3")
    assert json.dumps(answer.json["records"]) == '[{"place": "ALASKA", "a,b": 7, "id": 3}]'
    assert client.get("/data?fields=felt&search=chile").json["records"] == [{"felt": False}]


@pytest.mark.parametrize("query", ["", "&sort=-id", "&felt=true", "&search=2018", "&sort=place&felt=true"])
def test_an_offset_skips_records(client, query):
    whole = ids(client.get(f"/data?limit=10{query}"))
    for offset in range(6):
        answer = client.get(f"/data?offset={offset}&limit=1{query}")
        assert ids(answer) == whole[offset : offset + 1]
        following = answer.json["next"]
        assert (following is None) == (offset + 1 >= len(whole))
        if following:
            assert ids(client.get(following)) == whole[offset + 1 : offset + 2]
            assert "offset" not in following


def test_the_values_of_a_column_are_counted(client):
    answer = client.get("/data?distinct=magnitude&limit=2")
    assert answer.json["records"] == [{"value": 5.5, "count": 2}, {"value": 0.5, "count": 1}]
    assert answer.json["total"] == 3
    assert client.get(answer.json["next"]).json["records"] == [{"value": None, "count": 1}]
    assert client.get("/data?distinct=time&id=4").json["records"] == [
        {"value": "2018-02-03T02:00:00.123456Z", "count": 1}
    ]
    assert client.get("/data?distinct=felt&id=9").json["records"] == []
    assert client.get("/data?distinct=felt", headers={"Accept": CSV}).text == "value,count\nfalse,2\ntrue,2\n"


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("sort=id", "sort=-id"),
        ("sort=id", ""),
        ("sort=id", "sort=id&felt=true"),
        ("sort=id", "sort=id&search=a"),
        ("", "sort=id"),
        ("distinct=felt", "distinct=id"),
        ("distinct=felt", "sort=felt"),
        ("sort=felt", "distinct=felt"),
    ],
)
def test_a_cursor_of_another_query_is_refused(client, first, then):
    following = client.get(f"/data?limit=1&{first}").json["next"]
    cursor = following.partition("cursor=")[2]
    assert parameters_of(client.get(f"/data?limit=1&{then}&cursor={cursor}")) == ["cursor"]


def test_a_cursor_goes_with_other_columns_and_another_limit(client):
    following = client.get("/data?sort=-id&limit=1").json["next"]
    cursor = following.partition("cursor=")[2]
    assert client.get(f"/data?sort=-id&limit=5&fields=id&cursor={cursor}").json["records"] == [
        {"id": 3},
        {"id": 2},
        {"id": 1},
    ]


def test_rows_are_numbered_in_a_sorted_list_too(client):
    client.post("/data", data="x\nb\na\nc\n", content_type="text/csv")
    assert client.get("/data?sort=x").json["rows"] == [2, 1, 3]
    assert "rows" not in client.get("/data?distinct=x").json


def read(answer) -> list[dict[str, Any]]:
    """Return the records of a file, as JSON has them."""
    assert answer.status_code == 200, answer.data
    match answer.mimetype:
        case "text/csv":
            return [*csv.DictReader(io.StringIO(answer.text))]
        case "application/x-ndjson":
            return [json.loads(line) for line in answer.text.splitlines()]
    return pl.read_parquet(io.BytesIO(answer.data)).to_dicts()


@pytest.mark.parametrize(("accept", "ending"), [(CSV, "csv"), (NDJSON, "ndjson"), (PARQUET, "parquet")])
def test_all_records_come_as_a_file(client, accept, ending):
    # When the records are asked for as a file
    answer = client.get("/data?magnitude.ne=&fields=id,time,place", headers={"Accept": f"{accept}, */*;q=0.1"})
    # then all that match come, to be saved, and are not sent again
    assert answer.headers["Content-Disposition"] == f'attachment; filename="data.{ending}"'
    assert answer.headers["Vary"] == "Accept"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert "Content-Length" not in answer.headers
    found = read(answer)
    assert [str(record["id"]) for record in found] == ["1", "3", "4"]
    assert list(found[0]) == ["id", "time", "place"]
    tag = answer.headers["ETag"]
    headers = {"Accept": accept, "If-None-Match": tag}
    again = client.get("/data?magnitude.ne=&fields=id,time,place", headers=headers)
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
    assert client.get("/data", headers=headers).status_code == 200
    head = client.head("/data?magnitude.ne=&fields=id,time,place", headers={"Accept": accept})
    assert (head.status_code, head.data, head.headers["ETag"]) == (200, b"", tag)
    assert head.mimetype == accept


def test_each_format_has_a_tag_of_its_own(client):
    types = ["application/json", CSV, NDJSON, PARQUET]
    assert len({client.get("/data", headers={"Accept": accept}).headers["ETag"] for accept in types}) == 4


def test_a_file_has_the_values_as_json_has_them(client):
    records = client.get("/data?limit=1000").json["records"]
    assert read(client.get("/data", headers={"Accept": NDJSON})) == records
    shown = [
        {name: "" if value is None else json.dumps(value) if value in (True, False) else str(value)
         for name, value in record.items()}
        for record in records
    ]  # fmt: skip
    assert [[*each.values()] for each in read(client.get("/data", headers={"Accept": CSV}))] == [
        [*each.values()] for each in shown
    ]
    frame = pl.read_parquet(io.BytesIO(client.get("/data", headers={"Accept": PARQUET}).data))
    assert frame.schema["time"] == pl.Datetime("us", "UTC")
    assert frame["id"].to_list() == [1, 2, 3, 4]


@pytest.mark.parametrize("accept", [CSV, NDJSON, PARQUET])
def test_what_was_exported_can_be_loaded_again(client, accept):
    before = client.get("/data?limit=1000").json
    body = client.get("/data", headers={"Accept": accept}).data
    assert client.post("/data", data=body, content_type=accept).status_code == 201
    after = client.get("/data?limit=1000").json
    assert after["records"] == before["records"]
    assert [column["type"] for column in after["dataset"]["columns"]] == [
        column["type"] for column in before["dataset"]["columns"]
    ]


@pytest.mark.parametrize("accept", [CSV, NDJSON, PARQUET])
def test_a_file_has_a_limit_a_sort_and_an_offset_too(client, accept):
    def listed(address: str) -> tuple[list[int], str | None]:
        answer = client.get(address, headers={"Accept": accept})
        link = answer.headers.get("Link")
        return [int(record["id"]) for record in read(answer)], link and link[1:].partition(">")[0]

    assert listed("/data?sort=-magnitude") == ([3, 4, 1, 2], None)
    assert listed("/data?sort=-magnitude&offset=1") == ([4, 1, 2], None)
    assert listed("/data?offset=2") == ([3, 4], None)
    assert listed("/data?search=alaska") == ([1, 3], None)
    first, address = listed("/data?sort=-magnitude&limit=3")
    assert first == [3, 4, 1]
    assert listed(address) == ([2], None)
    first, address = listed("/data?felt=true&limit=1")
    assert first == [1]
    assert listed(address) == ([4], None)
    assert listed("/data?id=9") == ([], None)


@pytest.mark.parametrize("accept", [CSV, NDJSON, PARQUET])
def test_a_page_of_a_file_ends_where_a_page_of_json_does(client, accept):
    # Given records of 20 kB, of which 8 MiB are about 400
    rows = "".join(f"{number},{'x' * 20_000}\n" for number in range(600))
    client.post("/data", data=f"id,text\n{rows}", content_type="text/csv")
    page = client.get("/data?limit=600")
    assert 300 < len(page.json["records"]) < 600

    part = client.get("/data?limit=600", headers={"Accept": accept})

    assert len(read(part)) == len(page.json["records"])
    assert part.headers["Link"] == page.headers["Link"]
    # without a limit, it is all of them
    assert len(read(client.get("/data", headers={"Accept": accept}))) == 600


def test_the_head_of_a_file_has_no_length_that_is_not_its_own(client):
    for address in ("/data", "/data?limit=2"):
        head = client.head(address, headers={"Accept": CSV})
        assert head.status_code == 200
        assert "Content-Length" not in head.headers
        assert head.headers["ETag"] == client.get(address, headers={"Accept": CSV}).headers["ETag"]


def test_a_record_without_a_value_is_a_line_of_its_own(client):
    client.post("/data", data='x\n1\n""\n3\n', content_type="text/csv")
    answer = client.get("/data", headers={"Accept": CSV})
    assert answer.text == 'x\n1\n""\n3\n'


@pytest.mark.parametrize("accept", ["image/png", "text/html", "application/json;q=0"])
def test_other_types_are_not_acceptable(client, accept):
    answer = client.get("/data", headers={"Accept": accept})
    assert answer.status_code == 406
    assert answer.headers["Vary"] == "Accept"


def test_without_a_dataset_a_file_is_empty(client):
    client.delete("/data")
    assert client.get("/data", headers={"Accept": CSV}).data == b""
    assert client.get("/data", headers={"Accept": NDJSON}).data == b""
    assert client.get("/data", headers={"Accept": PARQUET}).status_code == 406
    assert [parameters_of(client.get(f"/data?{name}=x")) for name in ("sort", "fields", "distinct", "y.gte")] == [
        ["sort"],
        ["fields"],
        ["distinct"],
        ["y.gte"],
    ]


def test_a_search_that_waits_for_room_and_a_full_disk_are_unavailable(client, monkeypatch):
    def full(*_: Any, **__: Any) -> None:
        raise pl.exceptions.ComputeError("parquet: No space left on device (os error 28)")

    monkeypatch.setattr(pl.LazyFrame, "sink_parquet", full)
    answer = client.get("/data", headers={"Accept": PARQUET})
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]


def test_a_file_takes_memory_until_it_is_sent(client):
    memory = client.application.extensions["budget"]
    rows = "\n".join(f"{number},{'x' * 100}" for number in range(2000))
    client.post("/data", data=f"id,text\n{rows}\n", content_type="text/csv")
    answer = client.get("/data", headers={"Accept": CSV}, buffered=False)
    assert 2**20 < memory.used < 2**25
    answer.close()
    assert memory.used == 0
