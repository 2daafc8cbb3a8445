"""The data routes: load, list, search, show, clear."""

import json
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
    return create_app().test_client()


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


@pytest.mark.parametrize(("query", "parameter"), [("?id=nope", "id"), ("?index=nope", "index"), ("?id=", "id")])
def test_a_column_that_is_not_there_is_named(client, query, parameter):
    answer = load(client, query=query)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["parameter"] == parameter


def test_a_dataset_that_fails_leaves_the_old_one(client):
    # Given a dataset
    version = load(client).json["version"]
    # when others cannot be loaded
    statuses = [
        load(client, "id\n1\n1\n").status_code,
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
