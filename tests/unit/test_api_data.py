"""The data routes: load, list, search, show, clear."""

import gzip
import json
import sys
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from api import create_app

QUAKES = """\
id,time,magnitude,place
a/b,2018-01-31T01:00:00Z,0.5,"Köln, DE"
a b,2018-01-31T02:00:00Z,,Chile
"Zürich%2F?#",2018-02-01T02:00:00Z,2.5,köln
"""


@pytest.fixture
def client(rd):
    return create_app(redis_client=rd).test_client()


def load(client, text=QUAKES, query="", **options):
    return client.post(f"/data{query}", data=text.encode(), **{"content_type": "text/csv", **options})


def test_loading_answers_with_the_description(client):
    answer = load(client)
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/data"
    description = answer.json
    assert description["count"] == 3
    assert (description["id"], description["index"]) == ("id", "time")
    assert [column["name"] for column in description["columns"]] == ["id", "time", "magnitude", "place"]
    assert client.get("/data").json["dataset"] == description


@pytest.mark.parametrize("content_type", [None, "application/x-www-form-urlencoded", "application/octet-stream"])
def test_a_body_without_a_better_type_is_told_by_its_content(client, content_type):
    assert load(client, content_type=content_type).json["count"] == 3
    assert load(client, '[{"id": 1}, {"id": 2}]', content_type=content_type).json["count"] == 2


def test_the_type_may_carry_a_charset_and_capitals(client):
    assert load(client, content_type="Text/CSV; charset=UTF-8").status_code == 201


def test_identifier_and_index_can_be_named(client):
    description = load(client, query="?id=place&index=magnitude").json
    assert (description["id"], description["index"]) == ("place", "magnitude")


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("?id=nope", "id"),
        ("?index=nope", "index"),
        ("?type.x=nope", "type.x"),
        ("?skip=-1", "skip"),
        ("?header=maybe", "header"),
    ],
)
def test_an_option_with_a_wrong_value_is_named(client, query, parameter):
    answer = load(client, query=query)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["parameter"] == parameter


def test_the_options_of_types_are_taken_and_a_value_that_does_not_fit_is_named(client):
    body = "d,v,w\n01/02/2020,007,x\n02/03/2020,12,-\n"
    answer = load(client, body, query="?dates=dmy&type.v=integer&missing=x,-")
    assert [column["type"] for column in answer.json["columns"]] == ["date", "integer", "text"]
    assert answer.json["notes"][0]["column"] == "d"
    assert client.get("/data").json["records"][0] == {"d": "2020-02-01", "v": 7, "w": None}

    answer = load(client, body, query="?type.w=number")
    assert answer.status_code == 422
    assert answer.json["errors"][0]["parameter"] == "type.w"
    assert "Row 1 of the column 'w' is 'x'" in answer.json["errors"][0]["detail"]


def test_an_empty_identifier_is_the_row_number(client):
    assert load(client, query="?id=").json["id"] == "row"


def test_a_dry_run_describes_a_file_and_changes_nothing(client):
    # Given a dataset
    version = load(client).json["version"]
    # when another is tried
    answer = client.post("/data?dry_run=yes", data="x\n" + "7\n" * 12, content_type="text/csv")
    # then it is described and its first records are shown, but the old one stays
    assert answer.status_code == 200
    assert (answer.json["count"], answer.json["notes"], answer.json["records"]) == (12, [], [{"x": 7}] * 10)
    assert client.get("/data").json["dataset"]["version"] == version


def test_a_dataset_that_fails_leaves_the_old_one(client):
    # Given a dataset
    version = load(client).json["version"]
    # when others cannot be loaded
    statuses = [
        load(client, "id\n1\n1\n", query="?id=id").status_code,
        load(client, '{"a": ', content_type="application/json").status_code,
        load(client, "", content_type="application/json").status_code,
        load(client, "x", content_type="text/html").status_code,
    ]
    # then the first stays
    assert statuses == [422, 400, 400, 415]
    assert client.get("/data").json["dataset"]["version"] == version


def test_415_says_what_is_taken(client):
    assert "text/csv" in load(client, content_type="text/html").headers["Accept-Post"]


def test_without_a_dataset_the_list_is_empty(client):
    assert client.get("/data").json == {"records": [], "total": 0, "next": None, "dataset": None}
    assert client.get("/data/1").status_code == 404


def test_records_come_page_by_page(client):
    load(client)
    # When every page is followed from the first
    records, address = [], "/data?limit=2"
    while address:
        answer = client.get(address)
        records += answer.json["records"]
        assert answer.json["total"] == 3
        address = answer.json["next"]
        assert answer.headers.get("Link") == (f'<{address}>; rel="next"' if address else None)
    # then every record came once, in its order
    assert [record["id"] for record in records] == ["a/b", "a b", "Zürich%2F?#"]
    assert records[1]["magnitude"] is None


def test_search_finds_text_in_any_value(client):
    load(client)
    answer = client.get("/data?search=KÖLN&limit=1")
    assert answer.json["total"] == 2
    assert answer.json["records"][0]["id"] == "a/b"
    following = client.get(answer.json["next"]).json
    assert [record["id"] for record in following["records"]] == ["Zürich%2F?#"]
    assert following["next"] is None


def test_search_for_nothing_finds_all_and_for_the_absent_nothing(client):
    load(client)
    assert client.get("/data?search=").json["total"] == 3
    assert client.get("/data?search=%00").json["total"] == 0


def test_a_cursor_ends_with_its_version(client):
    # Given a page of a dataset that has a next one
    load(client)
    address = client.get("/data?limit=1").json["next"]
    # when the dataset is replaced
    load(client, "id\n1\n2\n")
    # then the next page is gone
    answer = client.get(address)
    assert answer.status_code == 410
    assert json.loads(answer.data)["type"] == "/problems/cursor-expired"


@pytest.mark.parametrize("identifier", ["a/b", "a b", "Zürich%2F?#"])
def test_a_record_is_found_by_any_identifier(client, identifier):
    load(client)
    answer = client.get(f"/data/{quote(identifier, safe='')}")
    assert answer.json["id"] == identifier
    assert (
        client.get(f"/data/{quote(identifier, safe='')}", headers={"If-None-Match": answer.headers["ETag"]}).status_code
        == 304
    )


@pytest.mark.parametrize("identifier", ["/x", "x//y", "x\n", "."])
def test_slashes_and_line_ends_belong_to_the_identifier(client, identifier):
    load(client, json.dumps([{"id": identifier}, {"id": "x"}]), content_type="application/json")
    assert client.get(f"/data/{quote(identifier, safe='')}").json == {"id": identifier}


def test_text_stays_utf_8(client):
    load(client)
    assert "Köln".encode() in client.get("/data").data


def test_a_dataset_can_be_cleared_and_cleared_again(client):
    load(client)
    assert [client.delete("/data").status_code for _ in range(2)] == [204, 204]
    assert client.get("/data").json["dataset"] is None


def test_another_dataset_has_another_tag(client):
    load(client)
    tag = client.get("/data").headers["ETag"]
    load(client, "id\n1\n")
    assert client.get("/data", headers={"If-None-Match": tag}).status_code == 200


FIELDS = """\
id,limit,search,cursor,field.id,name,ok
1,10,a,x,7,Köln,true
2,20,b,y,8,,false
3,10,c,z,9,Zürich & Bern,true
"""


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("id=2", [2]),
        ("ok=true", [1, 3]),
        ("ok=true&id=3", [3]),
        ("ok=true&id=2", []),
        ("id=1&id=3", [1, 3]),
        ("name=", [2]),
        ("name=Z%C3%BCrich+%26+Bern", [3]),
        ("search=K%C3%96LN&ok=true", [1]),
        ("field.limit=10", [1, 3]),
        ("field.search=b", [2]),
        ("field.cursor=z&limit=5", [3]),
        ("field.id=1", [1]),
        ("field.field.id=8", [2]),
    ],
)
def test_fields_filter_the_records(client, query, ids):
    load(client, FIELDS)
    answer = client.get(f"/data?{query}").json
    assert [record["id"] for record in answer["records"]] == ids
    assert answer["total"] == len(ids)


@pytest.mark.parametrize("query", ["nope=1", "field.nope=1", "id=one", "ok=maybe", "=1", "field.=1"])
def test_a_field_that_is_not_there_or_cannot_have_the_value_is_named(client, query):
    load(client, FIELDS)
    answer = client.get(f"/data?{query}")
    assert answer.status_code == 422
    assert answer.json["errors"][0]["parameter"] == query.partition("=")[0]


def test_without_a_dataset_there_are_no_fields(client):
    assert client.get("/data?id=1").status_code == 422
    assert client.get("/data?search=x").json["records"] == []


def test_the_pages_of_a_filtered_list_keep_its_filters(client):
    # Given a list filtered by two values of a field, a third of which comes between
    load(client, FIELDS)
    # when its pages are followed
    first = client.get("/data?id=1&id=3&search=&limit=1")
    second = client.get(first.json["next"]).json
    # then each record comes once, and then there is no more
    assert [record["id"] for record in first.json["records"] + second["records"]] == [1, 3]
    assert (first.json["total"], second["next"]) == (2, None)


def test_records_without_an_identifier_come_with_their_row_numbers(client):
    # Given records that nothing identifies but where they stand
    load(client, "x,kind\n10,a\n20,b\n30,a\n40,a\n")
    # when they are listed, page by page and filtered
    found: dict[int, object] = {}
    address = "/data?kind=a&limit=2"
    while address:
        page = client.get(address).json
        found |= dict(zip(page["rows"], page["records"], strict=True))
        address = page["next"]
    # then each comes with the number that it is found by
    assert list(found) == [1, 3, 4]
    assert [client.get(f"/data/{number}").json for number in found] == list(found.values())
    assert client.get("/data?limit=2").json["rows"] == [1, 2]
    assert client.get(client.get("/data?limit=3").json["next"]).json["rows"] == [4]
    assert client.get("/data?search=none").json["rows"] == []


def test_records_with_an_identifier_come_without_row_numbers(client):
    load(client)
    assert set(client.get("/data").json) == {"records", "total", "next", "dataset"}


def test_a_cursor_names_a_row_and_not_a_count_of_hits(client):
    # Given the cursor after the second record
    load(client, FIELDS)
    address = client.get("/data?limit=2").json["next"]
    # when the list is filtered from there on, then only what comes after it is listed
    answer = client.get(f"{address}&ok=true").json
    assert [record["id"] for record in answer["records"]] == [3]
    assert answer["total"] == 2


def test_loading_the_same_again_tells_when(client, monkeypatch):
    # Given a dataset
    first = load(client).json
    tag = client.get("/data").headers["ETag"]
    # when the same is loaded a moment later
    monkeypatch.setattr(sys.modules["dataset.ingest"], "_now", lambda: datetime(2030, 1, 1, tzinfo=UTC))
    second = load(client).json
    # then it has the same version, and a new time, which the list tells too
    assert second == first | {"loaded": "2030-01-01T00:00:00.000Z"}
    answer = client.get("/data", headers={"If-None-Match": tag})
    assert answer.json["dataset"] == second


@pytest.mark.parametrize("path", ["/data", "/data?search=chile", "/data?magnitude=2.5", "/data/a%20b"])
def test_what_has_not_changed_is_not_sent_again(client, path):
    load(client)
    answer = client.get(path)
    assert (answer.headers["Cache-Control"], answer.headers["Vary"]) == ("no-cache", "Accept")
    again = client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", answer.headers["ETag"])


def test_more_than_fifty_filters_are_refused(client):
    load(client)
    answer = client.get("/data?" + "&".join("place=x" for _ in range(51)))
    assert answer.status_code == 422
    assert answer.json["errors"][0]["parameter"] == "place"
    assert client.get("/data?" + "&".join("place=Chile" for _ in range(50))).json["total"] == 1


def test_a_page_has_eight_mebibytes_at_most(client):
    # Given records of a mebibyte
    rows = [{"n": number, "text": chr(97 + number) * 2**20} for number in range(12)]
    assert load(client, json.dumps(rows), content_type="application/json").status_code == 201
    # when its pages are followed
    address, seen = "/data?limit=1000", []
    while address:
        answer = client.get(address)
        # then each is of a size that can be sent, and none is left out
        assert len(answer.data) <= 8 * 2**20
        seen += [record["n"] for record in answer.json["records"]]
        address = answer.json["next"]
    assert seen == list(range(12))


def test_a_page_that_does_not_fit_into_memory_is_unavailable_for_the_moment(client):
    # Given a large record, and other requests that hold all the memory there is for them
    assert (
        load(client, json.dumps([{"id": 1, "text": "x" * 2**20}]), content_type="application/json").status_code == 201
    )
    memory = client.application.extensions["budget"]
    with memory.reserved(memory.total):
        # when it is asked for, then the client is to come again
        for path in ("/data", "/data/1"):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert client.get("/data/1").json["id"] == 1


FORM = {"content_type": "multipart/form-data; boundary=b"}
PART = '--b\r\nContent-Disposition: form-data; name="{}"; filename="a.csv"\r\n\r\nid,n\n1,1\n2,2\n\r\n'


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (PART.format("file") + "--b--\r\n", 201),
        (PART.format("other") + "--b--\r\n", 422),
        (PART.format("file") * 2 + "--b--\r\n", 422),
        (PART.format("file") + PART.format("other") + "--b--\r\n", 422),
        ("--b--\r\n", 422),
        (PART.format("file"), 400),
        (PART.format("file") + "--b", 400),
        ("x" * 1_000_000 + PART.format("file") + "--b--\r\n", 400),
        ("--b\r\nX: " + "x" * 1_000_000, 400),
        (PART.format("file") + "--b--\r\n" + "x" * 1_000_000, 400),
    ],
)
def test_a_form_has_one_file(client, body, status):
    assert load(client, body, **FORM).status_code == status


def test_gzip_is_unpacked_as_a_stream(client):
    body = b"id,n\n" + b"".join(b"%d,%d\n" % (number, number % 7) for number in range(200_000))
    coded = {"content_type": "text/csv", "headers": {"Content-Encoding": "gzip"}}
    several = b"".join(gzip.compress(body[at : at + 100_000]) for at in range(0, len(body), 100_000))

    for packed in (gzip.compress(body), several, several + bytes(1000)):
        assert client.post("/data", data=packed, **coded).json["count"] == 200_000
    for broken in (gzip.compress(body)[:-9], b"", several[:-1], several + b"x", gzip.compress(b"") * 100_001):
        assert client.post("/data", data=broken, **coded).status_code == 400


def test_the_columns_of_a_wide_dataset_are_listed_and_found(client):
    names = [f"c{number}" for number in range(3000)]
    assert load(client, ",".join(names) + "\n" + ",".join("1" for _ in names) + "\n").status_code == 201
    rows = json.dumps([{name: 1} for name in names[:1500]])
    assert load(client, rows, content_type="application/json").json["count"] == 1500
    assert client.get("/data?limit=1&c1499=1").json["records"][0]["c1499"] == 1
