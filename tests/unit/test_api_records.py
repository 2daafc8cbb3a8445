"""The routes of single records: append, replace, patch, remove."""

import json
from urllib.parse import quote

import fakeredis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import data_views.record_changes
import data_views.records
import jobs
from api import create_app

QUAKES = """\
id,time,magnitude,depth,felt,day,place
a/b,2018-01-31T01:00:00Z,0.5,10,true,2018-01-31,Chile
q2,2018-01-31T02:00:00Z,,3,false,2018-02-01,Peru
q3,2018-02-01T02:00:00Z,2.5,,true,2018-02-02,
"""
FIRST = {
    "id": "a/b",
    "time": "2018-01-31T01:00:00.000Z",
    "magnitude": 0.5,
    "depth": 10,
    "felt": True,
    "day": "2018-01-31",
    "place": "Chile",
}
NOTHING = dict.fromkeys(FIRST)


@pytest.fixture
def client(rd):
    return create_app(redis_client=rd).test_client()


@pytest.fixture
def loaded(client):
    assert client.post("/data", data=QUAKES, content_type="text/csv").status_code == 201
    return client


def version(client):
    return client.get("/data").json["dataset"]["version"]


def faults(answer):
    assert answer.status_code == 422, answer.json
    assert answer.json["type"] == "/problems/invalid"
    return [error["pointer"] for error in answer.json["errors"]]


def test_a_record_is_appended(loaded):
    before = version(loaded)
    answer = loaded.post("/data/records", json={"id": "q 4", "magnitude": 5, "place": "Köln"})

    assert answer.status_code == 201
    assert answer.json == NOTHING | {"id": "q 4", "magnitude": 5.0, "place": "Köln"}
    assert answer.headers["Location"] == "/data/q%204"
    assert loaded.get("/data/q%204").json == answer.json
    page = loaded.get("/data").json
    assert [record["id"] for record in page["records"]] == ["a/b", "q2", "q3", "q 4"]
    assert (page["total"], page["dataset"]["count"]) == (4, 4)
    assert version(loaded) != before
    missing = {column["name"]: column["missing"] for column in page["dataset"]["columns"]}
    assert missing == {"id": 0, "time": 1, "magnitude": 1, "depth": 2, "felt": 1, "day": 1, "place": 1}


def test_a_list_is_appended_all_or_none(loaded):
    answer = loaded.post("/data/records", json=[{"id": "x", "time": "2019-01-01T00:00:00+01:00"}, {"id": "y"}])
    assert answer.status_code == 201
    assert [record["id"] for record in answer.json] == ["x", "y"]
    assert loaded.get("/data").json["dataset"]["last"] == "2018-12-31T23:00:00.000Z"

    before = version(loaded)
    answer = loaded.post("/data/records", json=[{"id": "z"}, {"id": "w", "magnitude": "high", "nope": 1}])
    assert faults(answer) == ["/1/magnitude", "/1/nope"]
    assert version(loaded) == before
    assert loaded.get("/data/z").status_code == 404


def test_a_long_list_is_appended_all_or_none(loaded):
    # Given an appended record, and one that was removed
    loaded.post("/data/records", json={"id": "new"})
    loaded.delete("/data/q2")
    # when a long list has their identifiers, then only the one that is there is refused
    records = [{"id": f"n{n}", "depth": n} for n in range(2500)]
    records[7]["id"], records[1200]["id"], records[1300]["id"] = "q2", "new", "q3"
    assert faults(loaded.post("/data/records", json=records)) == ["/1200/id", "/1300/id"]
    records[1200]["id"], records[1300]["id"] = "n1200", "n1300"
    answer = loaded.post("/data/records", json=records)
    assert answer.status_code == 201
    assert [record["depth"] for record in answer.json] == list(range(2500))
    assert loaded.get("/data").json["total"] == 2503
    assert loaded.get("/data/n2499").json["depth"] == 2499
    # and of many faults a hundred are named
    assert len(faults(loaded.post("/data/records", json=records))) == 100
    assert len(faults(loaded.post("/data/records", json=[{"depth": "x"}] * 200))) == 100


def test_a_dataset_without_rows_may_grow(client):
    for query, identifier in (("", "id"), ("&id=", "row")):
        client.post(f"/data?header=only&type.v=number{query}", data="id,v\n", content_type="text/csv")
        assert client.get("/data").json["dataset"]["id"] == identifier
        assert client.post("/data/records", json=[{"id": "a", "v": 1}, {"id": "b"}]).status_code == 201
        page = client.get("/data?search=a").json
        assert (page["records"], page["dataset"]["count"]) == ([{"id": "a", "v": 1.0}], 2)
    client.post("/data?empty=yes", data="[]", content_type="application/json")
    assert faults(client.post("/data/records", json={})) == [""]


def test_more_than_a_request_may_have_is_refused(loaded, monkeypatch):
    monkeypatch.setattr(data_views.record_changes, "_MAX_VALUES", 20)
    monkeypatch.setattr(data_views.records, "_MAX_RECORDS", 5)
    assert faults(loaded.post("/data/records", json=[{"id": f"n{n}"} for n in range(3)])) == [""]
    assert faults(loaded.post("/data/records", json=[{"id": f"n{n}"} for n in range(6)])) == [""]
    assert loaded.post("/data/records", json=[{"id": f"n{n}"} for n in range(2)]).status_code == 201


@pytest.mark.parametrize(
    ("record", "pointer"),
    [
        ({"id": "q2"}, "/id"),
        ({"magnitude": 1}, "/id"),
        ({"id": None}, "/id"),
        ({"id": ""}, "/id"),
        ({"id": 7}, "/id"),
        ({"id": "n", "magnitude": "high"}, "/magnitude"),
        ({"id": "n", "magnitude": True}, "/magnitude"),
        ({"id": "n", "magnitude": [1]}, "/magnitude"),
        ({"id": "n", "depth": 1.5}, "/depth"),
        ({"id": "n", "depth": 2**63}, "/depth"),
        ({"id": "n", "depth": "1.5"}, "/depth"),
        ({"id": "n", "depth": 10**400}, "/depth"),
        ({"id": "n", "depth": 1e300}, "/depth"),
        ({"id": "n", "place": {"a": 10**400}, "felt": "maybe"}, "/felt"),
        ({"id": "n", "magnitude": 10**400}, "/magnitude"),
        ({"id": "n", "felt": 1}, "/felt"),
        ({"id": "n", "day": "2018-02-30"}, "/day"),
        ({"id": "n", "day": "2018-02-03T00:00:00Z"}, "/day"),
        ({"id": "n", "day": 20180203}, "/day"),
        ({"id": "n", "time": "noon"}, "/time"),
        ({"id": "n", "time": "0001-01-01T00:00:00+14:00"}, "/time"),
        ({"id": "n", "place": 7}, "/place"),
        ({"id": "n", "a/b~": 7}, "/a~1b~0"),
        ("n", ""),
        (None, ""),
        ([], ""),
        ([7], "/0"),
        ([{"id": "n"}, {"id": "n"}], "/1/id"),
    ],
)
def test_what_does_not_fit_is_named(loaded, record, pointer):
    answer = loaded.post("/data/records", data=json.dumps(record))
    assert faults(answer) == [pointer]
    assert loaded.get("/data").json["total"] == 3


def test_text_is_read_as_the_type_of_its_column(loaded):
    texts = {
        "id": "n",
        "time": "2018-02-03 04:05",
        "magnitude": "2.50",
        "depth": " 7 ",
        "felt": "TRUE",
        "day": "31/01/2018",
        "place": "7",
    }
    answer = loaded.post("/data/records", json=texts)
    assert answer.json == {
        "id": "n",
        "time": "2018-02-03T04:05:00.000Z",
        "magnitude": 2.5,
        "depth": 7,
        "felt": True,
        "day": "2018-01-31",
        "place": "7",
    }
    empty = loaded.post("/data/records", json={"id": "m", "magnitude": "", "depth": 3.0, "day": "null", "time": "NA"})
    assert empty.json == NOTHING | {"id": "m", "depth": 3}


def test_a_record_is_replaced_whole(loaded):
    answer = loaded.put("/data/a/b", json={"magnitude": 7})
    assert answer.status_code == 200
    assert answer.json == NOTHING | {"id": "a/b", "magnitude": 7.0}
    assert loaded.get("/data/a/b").json == answer.json
    assert loaded.get("/data/a/b").headers["ETag"] == answer.headers["ETag"]
    assert loaded.get("/data").json["dataset"]["first"] == "2018-01-31T02:00:00.000Z"


def test_a_record_is_patched(loaded):
    answer = loaded.patch("/data/a/b", data='{"magnitude": null, "place": "Peru"}', content_type="text/plain")
    assert answer.status_code == 200
    assert answer.json == FIRST | {"magnitude": None, "place": "Peru"}
    assert loaded.get("/data/a/b").json == answer.json
    # a patch that changes nothing makes no version
    before = version(loaded)
    assert loaded.patch("/data/a/b", json={"id": "a/b", "place": "Peru"}).status_code == 200
    assert version(loaded) == before


def test_a_record_is_removed(loaded):
    assert loaded.delete("/data/q2").status_code == 204
    assert loaded.get("/data/q2").status_code == 404
    assert loaded.delete("/data/q2").status_code == 404
    assert [record["id"] for record in loaded.get("/data").json["records"]] == ["a/b", "q3"]
    assert loaded.post("/data/records", json={"id": "q2"}).status_code == 201
    for name in ("q2", "q3", "a/b"):
        assert loaded.delete(f"/data/{name}").status_code == 204
    page = loaded.get("/data").json
    assert (page["records"], page["dataset"]["first"]) == ([], None)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    "body", [{"id": "q2"}, {"id": "new"}, {"id": None}, {"nope": 1}, [{"place": "x"}], "x", None, 7]
)
def test_a_change_that_does_not_fit_is_refused(loaded, method, body):
    before = version(loaded)
    pointers = faults(loaded.open("/data/a%2Fb", method=method, data=json.dumps(body)))
    assert pointers == [f"/{next(iter(body))}" if isinstance(body, dict) else ""]
    assert version(loaded) == before


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_an_unknown_record_cannot_be_changed(loaded, client, method):
    assert loaded.open("/data/nope", method=method, json={}).json["type"] == "/problems/record-not-found"
    client.delete("/data")
    assert loaded.open("/data/q2", method=method, json={}).json["type"] == "/problems/record-not-found"


def test_without_a_dataset_nothing_is_appended(client):
    answer = client.post("/data/records", json={"id": 1})
    assert (answer.status_code, answer.json["type"]) == (409, "/problems/no-dataset")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize("body", [b"", b"{", b'{"id": NaN}', b'{"place": "x", "place": "y"}', b'{"place": "\xff"}'])
def test_a_body_that_is_no_json_is_malformed(loaded, method, body):
    path = "/data/records" if method == "POST" else "/data/q2"
    answer = loaded.open(path, method=method, data=body)
    assert (answer.status_code, answer.json["type"]) == (400, "/problems/malformed")


def test_a_json_patch_is_not_taken_for_a_merge_patch(loaded):
    answer = loaded.patch("/data/q2", data="[]", content_type="application/json-patch+json")
    assert answer.status_code == 415
    assert answer.headers["Accept-Patch"] == "application/merge-patch+json"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_if_match_guards_a_change(loaded, method):
    def change(tag):
        return loaded.open("/data/q2", method=method, json={"place": "x"}, headers={"If-Match": tag})

    # Given the tags of a record, of the dataset, and of another record
    record, other, page = (loaded.get(path).headers["ETag"] for path in ("/data/q2", "/data/q3", "/data?limit=1"))
    # then others than those of the record and the dataset are refused
    for tag in (other, '"x"', '""', f"W/{record}"):
        answer = change(tag)
        assert (answer.status_code, answer.json["type"]) == (412, "/problems/precondition-failed")
        assert answer.headers["ETag"] == record
    # and the dataset's as well, once another record has changed
    assert loaded.patch("/data/q3", json={"place": "y"}).status_code == 200
    assert change(page).status_code == 412
    # while the record's still holds
    assert change(f'"x", {record}').status_code in (200, 204)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_the_tag_of_the_dataset_or_any_allows_a_change(loaded, method):
    page = loaded.get("/data?search=q").headers["ETag"]
    assert loaded.open("/data/q2", method=method, json={}, headers={"If-Match": page}).status_code in (200, 204)
    assert loaded.open("/data/q3", method=method, json={}, headers={"If-Match": "*"}).status_code in (200, 204)
    tag = f'"{version(loaded)}"'
    assert loaded.open("/data/a/b", method=method, json={}, headers={"If-Match": tag}).status_code in (200, 204)


def test_records_without_an_identifier_have_numbers(client):
    client.post("/data", data="v\n1\n2\n3\n", content_type="text/csv")
    assert client.delete("/data/2").status_code == 204
    answer = client.post("/data/records", json=[{"v": 8}])
    assert answer.json == [{"v": 8}]
    assert client.post("/data/records", json={}).headers["Location"] == "/data/5"
    page = client.get("/data").json
    assert page["rows"] == [1, 3, 4, 5]
    assert (page["dataset"]["first"], page["dataset"]["last"]) == (1, 5)
    assert client.put("/data/4", json={"v": 9}).json == {"v": 9}
    assert client.get("/data/2").status_code == 404
    assert faults(client.patch("/data/4", json={"row": 2})) == ["/row"]
    assert client.delete("/data/1").status_code == 204
    assert client.get("/data").json["dataset"]["first"] == 3


def test_objects_within_a_record_are_columns(client):
    client.post("/data", data="id,at.x,at.y.z,tags\n1,1,2,a\n2,3,4,b\n", content_type="text/csv")
    assert client.patch("/data/1", json={"at": {"y": {"z": 5}}, "tags": [2, 3]}).json["at.y.z"] == 5
    assert client.patch("/data/1", json={"at": {"y": None}}).json["at.x"] == 1
    assert client.patch("/data/1", json={"at": None}).json["at.x"] is None
    assert client.get("/data/1").json == {"id": 1, "at.x": None, "at.y.z": None, "tags": "[2, 3]"}
    assert faults(client.patch("/data/1", json={"at": {"y": {"w": 1}}})) == ["/at/y/w"]


def test_an_identifier_may_be_any_text_or_number(client):
    client.post("/data", data='id,v\n0.5,1\n1e3,2\n"-2",3\n', content_type="text/csv")
    assert client.post("/data/records", json={"id": 1000}).status_code == 422
    assert client.post("/data/records", json={"id": 7}).headers["Location"] == "/data/7.0"
    assert client.delete("/data/1000").status_code == 204
    client.post("/data", data="id,v\nrecords,1\n", content_type="text/csv")
    assert client.patch("/data/records", json={"v": 2}).json == {"id": "records", "v": 2}
    assert client.get("/data/records").json == {"id": "records", "v": 2}
    assert client.delete("/data/records").status_code == 204


def test_a_record_that_is_too_large_is_refused(loaded):
    answer = loaded.patch("/data/q2", json={"place": "\0" * 2**20})
    assert answer.status_code == 422
    assert loaded.patch("/data/q2", json={"place": "x" * 2**20}).status_code == 200


def test_jobs_keep_the_version_that_they_were_submitted_with(loaded, worker):
    job = loaded.post("/jobs", json={"start": None, "end": None}).json
    before = version(loaded)
    loaded.delete("/data/q2")
    assert job["dataset"] == before != version(loaded)
    later = loaded.post("/jobs", json={"start": None, "end": None}).json
    assert later["dataset"] == version(loaded)


def test_jobs_are_accepted_while_records_change_all_the_time(loaded, monkeypatch):
    # Given records that change between the validation of a job and its acceptance
    add = jobs.add_jobs
    changes: list[object] = []

    def change_and_add(*arguments):
        if len(changes) < 20:
            changes.append(loaded.patch("/data/q2", json={"depth": len(changes)}).json)
        return add(*arguments)

    monkeypatch.setattr(jobs, "add_jobs", change_and_add)
    # when jobs are submitted, then they are accepted for the version that is current at last
    answer = loaded.post("/jobs", json=[{"start": None, "end": None}, {"analysis": "sleep", "params": {"seconds": 0}}])
    assert answer.status_code == 202
    assert [job["dataset"] for job in answer.json] == [version(loaded), None]
    assert len(changes) == 20
    # but a dataset with other columns is another one
    changes.clear()

    def load_and_add(*arguments):
        if not changes:
            changes.append(loaded.post("/data", data="id,other\n1,2\n", content_type="text/csv").json)
        return add(*arguments)

    monkeypatch.setattr(jobs, "add_jobs", load_and_add)
    answer = loaded.post("/jobs", json={"analysis": "histogram", "params": {"column": "depth"}})
    assert faults(answer) == ["/params/column"]


TEXTS = st.text(max_size=5) | st.sampled_from(
    ["2018-01-31", "12:00", "1e999", "-0", "NaN", "yes", "5%", "1,5", "q2", "9" * 30]
)
NUMBERS = st.integers() | st.integers(-(10**400), 10**400) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2))
RECORDS = st.dictionaries(st.sampled_from([*FIRST, "nope"]), VALUES, max_size=7)
BODIES = RECORDS | st.lists(RECORDS | VALUES, max_size=3) | VALUES
REQUESTS = st.tuples(
    st.sampled_from(["POST", "PUT", "PATCH", "DELETE"]),
    st.sampled_from(["q2", "q3", "a/b", "%00", "\n", "%F0%9F%98%80", "%ff", " ", "x" * 300])
    | st.text(min_size=1, max_size=3),
    BODIES,
    st.none() | st.sampled_from(["*", '"x"', "x", 'W/"x"', '"', ",,", "ü"]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(REQUESTS, max_size=6))
def test_no_request_fails_and_records_stay_readable(requests):
    # Given a dataset
    client = create_app(redis_client=fakeredis.FakeRedis(server=fakeredis.FakeServer())).test_client()
    client.post("/data", data=QUAKES, content_type="text/csv")
    # when anything is sent
    for method, name, body, tag in requests:
        path = "/data/records" if method == "POST" else f"/data/{name}"
        headers = {} if tag is None else {"If-Match": tag.encode("utf-8").decode("latin-1")}
        answer = client.open(path, method=method, data=json.dumps(body).encode(), headers=headers)
        assert answer.status_code in (200, 201, 204, 400, 404, 405, 412, 415, 422), (method, path, body, answer.data)
    # then every record is found by its identifier, and the description is true
    page = client.get("/data?limit=1000").json
    assert page["dataset"]["count"] == page["total"] == len(page["records"])
    assert len({record["id"] for record in page["records"]}) == page["total"]
    for record in page["records"]:
        assert list(record) == list(FIRST)
        if record["id"] not in (".", ".."):
            assert client.get(f"/data/{quote(record['id'], safe='')}").json == record
    for column in page["dataset"]["columns"]:
        assert column["missing"] == sum(record[column["name"]] is None for record in page["records"])
    times = [record["time"] for record in page["records"] if record["time"]]
    assert (page["dataset"]["first"] is None) == (not times)
