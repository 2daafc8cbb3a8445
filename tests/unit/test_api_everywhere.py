"""What holds on every route: problems, queries, methods, hosts and origins, bodies, headers."""

import dataclasses
import json
import re

import pytest

import jobs
from api import create_app
from data_views.preconditions import required_version
from submission.data_source import load_posted
from web.problems import PROBLEMS

NAP = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0}}


@pytest.fixture
def client(rd):
    settings = dataclasses.replace(jobs.settings, max_body_bytes=2000, max_jobs_bytes=1000)
    return create_app(settings, redis_client=rd).test_client()


def is_problem(answer, slug):
    """Every error has one shape, and its type's page exists."""
    problem = json.loads(answer.data)
    assert answer.mimetype == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert problem["type"] == f"/problems/{slug}"
    assert problem["status"] == answer.status_code
    assert problem["title"] == PROBLEMS[slug][1]
    assert problem["detail"]
    for error in problem.get("errors", ()):
        assert error.keys() in ({"pointer", "detail"}, {"parameter", "detail"}, {"header", "detail"})
    return problem


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "slug"),
    [
        ("GET", "/nothing", {}, 404, "not-found"),
        ("GET", "/jobs/", {}, 404, "not-found"),
        ("PUT", "/jobs", {}, 405, "method-not-allowed"),
        ("BREW", "/jobs", {}, 405, "method-not-allowed"),
        ("GET", "/jobs/nothing", {}, 404, "job-not-found"),
        ("GET", "/jobs/%ff%00%0a", {}, 404, "job-not-found"),
        ("GET", "/jobs/nothing/results", {}, 404, "job-not-found"),
        ("GET", "/jobs/nothing/results/%ff%00", {}, 404, "job-not-found"),
        ("GET", "/jobs/nothing/log", {}, 404, "job-not-found"),
        ("POST", "/jobs/nothing/cancel", {}, 404, "job-not-found"),
        ("POST", "/jobs/nothing/retry", {}, 404, "job-not-found"),
        ("DELETE", "/jobs/nothing", {}, 404, "job-not-found"),
        ("GET", "/data/%ff%00%0a", {}, 404, "record-not-found"),
        ("GET", "/analyses/nothing", {}, 404, "unknown-analysis"),
        ("GET", "/problems/nothing", {}, 404, "not-found"),
        ("POST", "/jobs", {"data": b"{"}, 400, "malformed"),
        ("POST", "/jobs", {"data": b" "}, 400, "malformed"),
        ("POST", "/jobs", {"data": b'{"a": 1, "a": 2}'}, 400, "malformed"),
        ("POST", "/jobs", {"data": b'{"start": NaN}'}, 400, "malformed"),
        ("POST", "/jobs", {"data": b'{"start": "\xff"}'}, 400, "malformed"),
        ("POST", "/jobs", {"data": rb'{"start": "\ud800"}'}, 400, "malformed"),
        ("POST", "/jobs", {"data": b"1" * 999}, 422, "invalid"),
        ("POST", "/jobs", {"data": b"null"}, 422, "invalid"),
        ("POST", "/jobs", {"data": b"[[]]"}, 422, "invalid"),
        ("POST", "/jobs", {"data": b"[]"}, 422, "invalid"),
        ("POST", "/jobs", {"data": b"1" * 1001}, 413, "too-large"),
        ("POST", "/data", {"data": b"1" * 2001}, 413, "too-large"),
        ("POST", "/data", {"data": b"a\n1", "content_type": "text/html"}, 415, "unsupported-media-type"),
        (
            "POST",
            "/data",
            {"data": b"a\n1", "content_type": "text/csv; charset=x-unknown"},
            415,
            "unsupported-media-type",
        ),
        ("POST", "/data", {"data": b"a", "headers": {"Content-Encoding": "br"}}, 415, "unsupported-media-type"),
    ],
)
def test_each_error_is_a_problem_with_a_type_of_its_own(client, method, path, options, status, slug):
    answer = client.open(path, method=method, **options)
    assert answer.status_code == status
    is_problem(answer, slug)


def test_json_nested_too_deeply_is_malformed(rd):
    client = create_app(redis_client=rd).test_client()
    for deep in (b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000):
        answer = client.post("/jobs", data=deep)
        assert answer.status_code == 400
        is_problem(answer, "malformed")


def test_a_number_with_too_many_digits_is_malformed(rd):
    is_problem(create_app(redis_client=rd).test_client().post("/jobs", data=b"1" * 5000), "malformed")


def test_a_body_that_breaks_off_is_malformed(client):
    broken = {"CONTENT_LENGTH": "10", "wsgi.input_terminated": True}
    answer = client.post("/data", data=b"a\n1\n", content_type="text/csv", environ_overrides=broken)
    assert answer.status_code == 400
    assert client.get("/data").json["dataset"] is None


def test_405_names_what_is_allowed(client):
    allowed = client.put("/jobs").headers["Allow"]
    assert {"GET", "HEAD", "POST"} <= set(allowed.split(", "))


def test_head_answers_as_get_without_the_body(client):
    for path in ("/data", "/jobs", "/health", "/help", "/jobs/nothing"):
        get, head = client.get(path), client.head(path)
        assert head.status_code == get.status_code
        assert head.headers["Content-Type"] == get.headers["Content-Type"]
        assert head.headers["Content-Length"] == get.headers["Content-Length"]
        assert head.data == b""


def test_options_says_what_a_path_takes(client):
    assert "POST" in client.options("/jobs?whatever").headers["Allow"]


def test_every_route_refuses_parameters_that_it_does_not_take(client):
    # Given every route that there is
    for rule in client.application.url_map.iter_rules():
        path = re.sub("<.*?>", "1", rule.rule)
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            # when it is asked with a parameter that nothing knows, then the parameter is named
            answer = client.open(f"{path}?nonsense=1", method=method)
            assert answer.status_code == 422, (method, path)
            assert is_problem(answer, "invalid")["errors"][0]["parameter"] == "nonsense"


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("limit=1.5", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=%00", "cursor"),
        ("cursor=abc", "cursor"),
        ("cursor=", "cursor"),
        ("status=nonsense", "status"),
        ("status=", "status"),
        ("order=sideways", "order"),
        ("created_after=yesterday", "created_after"),
        ("created_before=2026-13-01T00:00:00Z", "created_before"),
        ("created_before=0000-01-01", "created_before"),
        ("tag=%ff", "tag"),
        ("%ff=1", "\ufffd"),
    ],
)
def test_a_bad_parameter_is_named(client, query, parameter):
    answer = client.get(f"/jobs?{query}")
    assert answer.status_code == 422
    assert [error["parameter"] for error in is_problem(answer, "invalid")["errors"]] == [parameter]


def test_a_limit_above_the_most_is_the_most(client):
    client.post("/data", data="[" + ",".join(["{}"] * 2) + "]")
    assert client.get("/jobs?limit=100000").status_code == 200
    assert client.get("/data?limit=99999999999999999999").status_code == 200
    assert client.get(f"/data?limit={'9' * 5000}").status_code == 200


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:5000", "127.0.0.1", "127.0.0.1:8080", "[::1]:5000", "LOCALHOST"]
)
def test_the_names_of_the_loopback_are_hosts(client, host):
    assert client.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["example.org", "localhost.example.org", "example.org:5000", "localhost@example.org", "", "localhost, evil", "::1"],
)
def test_other_hosts_are_forbidden(client, host):
    answer = client.get("/health", headers={"Host": host})
    assert answer.status_code == 403
    is_problem(answer, "forbidden-host")


def test_hosts_can_be_allowed(rd):
    settings = dataclasses.replace(jobs.settings, allowed_hosts="api.example.org, localhost")
    client = create_app(settings, redis_client=rd).test_client()
    assert client.get("/health", headers={"Host": "API.example.org:443"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://example.org"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "http://["},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
def test_other_web_sites_may_not_change_anything(client, method, headers):
    answer = client.open("/data", method=method, data="a\n1", headers=headers)
    assert answer.status_code == 403
    is_problem(answer, "forbidden-origin")
    assert client.get("/data", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://localhost"},
        {"Origin": "http://localhost:5000", "Host": "localhost:5000"},
        {"Origin": "http://localhost:80", "Host": "localhost"},
        {"Origin": "https://localhost", "Host": "localhost:443"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_pages_of_this_server_may(client, headers):
    assert client.post("/jobs", json=NAP, headers=headers).status_code == 202


def test_a_request_without_a_host_is_malformed_unless_it_is_older_than_the_header(client):
    def asked(protocol):
        environ = client.application.test_request_context().request.environ
        del environ["HTTP_HOST"]
        environ |= {"PATH_INFO": "/health", "SERVER_PROTOCOL": protocol}
        return client.application.test_client().run_wsgi_app(environ)[1]

    assert asked("HTTP/1.1") == "400 BAD REQUEST"
    assert asked("HTTP/1.0") == "200 OK"


@pytest.mark.parametrize("content_type", [None, "application/x-www-form-urlencoded", "text/plain", "application/json"])
def test_a_json_body_is_json_whatever_its_type(client, content_type):
    assert client.post("/jobs", data=json.dumps(NAP), content_type=content_type).status_code == 202


def test_nothing_is_stored_by_caches_unless_it_can_be_asked_again(client):
    for path in ("/jobs", "/health", "/analyses", "/", "/help", "/stats"):
        assert client.get(path).headers["Cache-Control"] == "no-store"
    data = client.get("/data")
    assert data.headers["Cache-Control"] == "no-cache"
    assert data.headers["Vary"] == "Accept"
    again = client.get("/data", headers={"If-None-Match": data.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == data.headers["ETag"]
    assert again.headers["Cache-Control"] == "no-cache"


def test_no_answer_allows_other_origins(client):
    answer = client.get("/jobs", headers={"Origin": "http://example.org"})
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


def test_redis_away_is_503_with_a_time_to_come_back(client, rd):
    rd.connection_pool.connection_kwargs["server"].connected = False
    for method, path in (("GET", "/jobs"), ("GET", "/ready"), ("GET", "/data"), ("POST", "/jobs"), ("GET", "/stats")):
        answer = client.open(path, method=method, json=NAP if method == "POST" else None)
        assert answer.status_code == 503, path
        is_problem(answer, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    assert client.get("/health").status_code == 200


def test_redis_full_is_507(client, monkeypatch):
    def refuse(*_):
        raise jobs.RedisFull[0]("OOM command not allowed when used memory > 'maxmemory'.")

    monkeypatch.setattr(jobs, "add_jobs", refuse)
    answer = client.post("/jobs", json=NAP)
    assert answer.status_code == 507
    is_problem(answer, "storage-full")


def test_a_mistake_of_the_server_is_a_problem_too(client, monkeypatch):
    def fail():
        raise ZeroDivisionError

    monkeypatch.setattr(jobs, "get_stats", fail)
    client.application.config["PROPAGATE_EXCEPTIONS"] = False
    answer = client.get("/stats")
    assert answer.status_code == 500
    is_problem(answer, "internal-error")


EVERY_ANSWER = [
    ("GET", "/help", 200),
    ("GET", "/data", 200),
    ("GET", "/nothing", 404),
    ("GET", "/results/nothing", 308),
    ("POST", "/jobs", 400),
    ("PUT", "/jobs", 405),
    ("DELETE", "/data", 204),
    ("OPTIONS", "/jobs", 200),
]


@pytest.mark.parametrize(("method", "path", "status"), EVERY_ANSWER)
def test_every_answer_keeps_to_this_site_and_to_its_type(client, method, path, status):
    answer = client.open(path, method=method)
    assert answer.status_code == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "html" not in answer.headers.get("Content-Type", "")


def test_a_redirect_has_an_address_and_no_page(client):
    for path in ("/results/a%3Fb%C3%A9", "/results/x?wait=1e-3"):
        answer = client.get(path)
        assert (answer.status_code, answer.data) == (308, b"")
        assert "Content-Type" not in answer.headers
    assert client.get("/results/x?wait=5").headers["Location"] == "/jobs/x/results?wait=5"
    assert client.get("/results/a%20%C3%A9").headers["Location"] == "/jobs/a%20%C3%A9/results"


def test_a_redirect_of_the_router_has_no_page_either(rd):
    # Given an application with a route that ends in a slash
    app = create_app(dataclasses.replace(jobs.settings, url_prefix="/below"), redis_client=rd)
    app.add_url_rule("/ui/", "ui", lambda: "page")
    # when it is asked without, then the way there has a path alone, with the prefix
    answer = app.test_client().get("/ui?a=b")
    assert (answer.status_code, answer.headers["Location"], answer.data) == (308, "/below/ui/?a=b", b"")
    assert app.test_client().get("/below/ui").headers["Location"] == "/below/ui/"


def test_a_version_that_is_not_there_any_more_is_not_sent(client):
    client.post("/data", data="id,n\na,1\n", content_type="text/csv")
    for path in ("/data", "/data/a"):
        etag = client.get(path).headers["ETag"]
        for method in ("GET", "HEAD"):
            answer = client.open(path, method=method, headers={"If-Match": '"another", W/"weak"'})
            assert answer.status_code == 412
            assert answer.headers["ETag"] == etag
            if method == "GET":
                is_problem(answer, "precondition-failed")
                assert b"records" not in answer.data
        for matching in (etag, "*", f'"another", {etag}'):
            assert client.get(path, headers={"If-Match": matching}).status_code == 200
            both = {"If-Match": matching, "If-None-Match": etag}
            assert client.get(path, headers=both).status_code == 304


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_dataset_that_is_another_by_now_is_not_replaced(client, method):
    # Given the tag of a dataset that was replaced since
    csv = {"data": "id,n\na,1\n", "content_type": "text/csv"}
    client.post("/data", **csv)
    old = client.get("/data").headers["ETag"]
    client.post("/data", data="id,n\nb,2\n", content_type="text/csv")
    current = client.get("/data").headers["ETag"]

    # then neither that one nor an invented one is taken for it
    for tag in (old, '"zz"', ""):
        answer = client.open("/data", method=method, headers={"If-Match": tag}, **csv)
        is_problem(answer, "precondition-failed")
        assert answer.status_code == 412
        assert client.get("/data").headers["ETag"] == current
    # and its own is
    assert client.open("/data", method=method, headers={"If-Match": current}, **csv).status_code in (201, 204)


@pytest.mark.parametrize("tag", ["*", '"zz"'])
def test_where_there_is_no_dataset_none_matches(client, tag):
    for method in ("POST", "DELETE"):
        answer = client.open("/data", method=method, data="id\n1\n", headers={"If-Match": tag})
        assert answer.status_code == 412
    assert client.get("/data").json["dataset"] is None


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_dataset_that_is_replaced_at_the_same_time_stays(client, monkeypatch, method):
    # Given a request whose dataset is replaced by another one after it was compared
    client.post("/data", data="id,n\na,1\n", content_type="text/csv")
    tag = client.get("/data").headers["ETag"]
    compare = required_version

    def compare_and_lose(store):
        version = compare(store)
        monkeypatch.setattr("api.required_version", compare)
        client.post("/data", data="id,n\nb,2\n", content_type="text/csv")
        return version

    monkeypatch.setattr("api.required_version", compare_and_lose)

    answer = client.open("/data", method=method, data="id,n\nc,3\n", headers={"If-Match": tag})

    assert answer.status_code == 412
    is_problem(answer, "precondition-failed")
    assert client.get("/data").json["records"] == [{"id": "b", "n": 2}]


def test_any_dataset_matches_a_star_also_one_that_was_changed_during_the_upload(client, monkeypatch):
    client.post("/data", data="id,n\na,1\n", content_type="text/csv")
    load = load_posted

    def load_slowly(*arguments):
        monkeypatch.setattr("api.load_posted", load)
        client.post("/data/records", json={"id": "b", "n": 2})
        return load(*arguments)

    monkeypatch.setattr("api.load_posted", load_slowly)

    answer = client.post("/data", data="id,n\nc,3\n", content_type="text/csv", headers={"If-Match": "*"})

    assert answer.status_code == 201
    assert client.get("/data").json["records"] == [{"id": "c", "n": 3}]


@pytest.mark.parametrize("query", ["offset=-1", "offset=x", "limit=0", "limit=x"])
def test_a_place_in_the_list_is_checked_where_there_is_none_too(client, query):
    for accept in ("application/json", "text/csv"):
        answer = client.get(f"/data?{query}", headers={"Accept": accept, "If-Match": '"x"'})
        assert (answer.status_code, answer.json["errors"][0]["parameter"]) == (422, query.partition("=")[0])


@pytest.mark.parametrize(("path", "host", "status"), [("/nothing", "localhost", 404), ("/jobs", "evil.com", 403)])
def test_an_error_that_answers_options_is_a_problem_too(client, path, host, status):
    answer = client.options(path, headers={"Host": host})
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")


CROSS_SITE = {"Sec-Fetch-Site": "cross-site"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
        {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
        {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
        {"Sec-Fetch-Mode": "NAVIGATE", "Sec-Fetch-Dest": "object"},
    ],
)
def test_pages_of_other_sites_load_nothing_that_costs(client, headers):
    paths = (
        "/",
        "/ui/jobs",
        "/data",
        "/data?search=a",
        "/jobs",
        "/jobs/x?wait=60",
        "/jobs/x/results",
        "/stats",
        "/nothing",
    )
    for path in paths:
        for method in ("GET", "HEAD"):
            answer = client.open(path, method=method, headers={**CROSS_SITE, **headers})
            assert answer.status_code == 403, path
    is_problem(client.get("/data", headers={**CROSS_SITE, **headers}), "forbidden-origin")
    assert client.get("/health", headers={**CROSS_SITE, **headers}).status_code == 200
    assert client.get("/data?search=a", headers=CROSS_SITE).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {**CROSS_SITE, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-User": "?1"},
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
        {},
    ],
)
def test_links_from_other_sites_work_and_own_pages_load(client, headers):
    for path in ("/", "/data?search=a", "/jobs", "/stats"):
        assert client.get(path, headers={"Accept": "text/html, */*;q=0.8", **headers}).status_code == 200


@pytest.mark.parametrize("limit", ["10.0", "10", "+010", "10.00"])
def test_a_whole_number_may_have_a_fraction_of_zero(client, limit):
    assert client.get("/jobs", query_string={"limit": limit}).status_code == 200


def test_no_more_than_a_hundred_faults_of_a_query_are_told(client):
    answer = client.get("/jobs?" + "&".join(f"x{number}" for number in range(1000)))
    assert len(is_problem(answer, "invalid")["errors"]) == 100
