"""Keys and roles: without a key nothing is reachable, and each role may do what the contract lists."""

import dataclasses
import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

import jobs
from api import create_app
from tests.keys import bearer, line_of, write_keys
from web.auth import Role

NAP = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0}}
CSV = {"data": "id,n\na,1\nb,2\n", "content_type": "text/csv"}
OPEN = {"/health", "/ready", "/ui/static/<digest>/<name>", "/ui/sign-in"}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW")


@pytest.fixture
def app(rd, tmp_path):
    keys = write_keys(
        tmp_path / "keys",
        line_of("reader", "read"),
        line_of("ann", "submit"),
        line_of("bob", "submit"),
        line_of("root", "admin"),
    )
    return create_app(dataclasses.replace(jobs.settings, api_keys_file=str(keys)), redis_client=rd)


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def call(client):
    """Send a request with a key."""

    def send(key, method, path, **options):
        return client.open(path, method=method, headers={**bearer(key), **options.pop("headers", {})}, **options)

    return send


def test_without_a_key_no_route_answers_with_any_method_and_nothing_leaks(app, client, call):
    # Given a dataset, a job, and what a stranger could learn of them
    call("root", "POST", "/data", **CSV)
    job = call("root", "POST", "/jobs", json=NAP).json
    secrets = (job["id"], "root", "ann", "sleep", '"n"')
    paths = {
        re.sub(r"<(\w+:)?jid>", job["id"], rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.rule not in OPEN and not rule.rule.startswith("/ui/static/")
    }
    paths = {re.sub(r"<(\w+:)?\w+>", "a", path) for path in paths} | {"/nothing", "/jobs/", "/health/x", "/health/"}
    assert len(paths) > 20
    # when each path is asked with each method, without a key or with a wrong one
    for path in sorted(paths):
        for method in METHODS:
            for headers in (
                {},
                bearer("wrong"),
                bearer(""),
                {"Authorization": "Basic cm9vdDpyb290"},
                {"Cookie": "a=b"},
            ):
                answer = client.open(path, method=method, headers=headers)
                # then the answer is the same everywhere
                assert answer.status_code == 401, (method, path)
                assert answer.headers["WWW-Authenticate"] == "Bearer"
                assert not [secret for secret in secrets if secret in answer.text]
                assert "Allow" not in answer.headers
                if method != "HEAD":
                    problem = json.loads(answer.data)
                    assert problem["type"] == "/problems/unauthorized"
    assert call("root", "GET", "/jobs").json["total"] == 1
    assert call("root", "GET", "/data").json["total"] == 2


def test_probes_and_static_files_are_open(client):
    assert client.get("/health").status_code == 200
    assert client.get("/ready").status_code == 200
    assert client.get("/ui/static/nothing.css").status_code == 404


def test_the_scheme_is_read_in_any_case_and_blanks_around_a_key_are_ignored(client):
    for header in ("Bearer root", "bearer root", "BEARER   root  "):
        assert client.get("/jobs", headers={"Authorization": header}).status_code == 200
    for header in ("root", "Bearer", "Bearer root root", "Bearer röot", "Bearer \xff", "Token root"):
        assert client.get("/jobs", headers={"Authorization": header.encode().decode("latin-1")}).status_code == 401


def test_a_host_that_is_not_ours_is_refused_before_its_key_is_read(client):
    assert client.get("/jobs", headers={**bearer("root"), "Host": "example.org"}).status_code == 403


READS = [
    ("GET", "/"),
    ("GET", "/data"),
    ("GET", "/data/a"),
    ("GET", "/jobs"),
    ("GET", "/jobs/{ann}"),
    ("GET", "/jobs/{ann}/log"),
    ("GET", "/results/{ann}"),
    ("GET", "/analyses"),
    ("GET", "/analyses/sleep"),
    ("GET", "/workers"),
    ("GET", "/stats"),
    ("GET", "/help"),
    ("GET", "/problems/forbidden"),
    ("OPTIONS", "/jobs"),
    ("HEAD", "/jobs"),
]
ALL, SUBMIT, OWN, ADMIN = "reader ann bob root", "ann bob root", "ann root", "root"
RIGHTS = [
    *((method, path, {}, ALL) for method, path in READS),
    ("POST", "/jobs", {"json": NAP}, SUBMIT),
    ("POST", "/jobs", {"json": [NAP, NAP]}, SUBMIT),
    ("POST", "/jobs/{ann}/cancel", {}, OWN),
    ("POST", "/jobs/{ended}/retry", {}, OWN),
    ("DELETE", "/jobs/{ended}", {}, OWN),
    ("POST", "/jobs/{root}/cancel", {}, ADMIN),
    ("POST", "/data?dry_run=yes", CSV, SUBMIT),
    ("POST", "/data", CSV, OWN),
    ("POST", "/data/records", {"json": {"id": "c", "n": 3}}, OWN),
    ("PUT", "/data/a", {"json": {"id": "a", "n": 3}}, OWN),
    ("PATCH", "/data/a", {"json": {"n": 3}}, OWN),
    ("DELETE", "/data/a", {}, OWN),
    ("DELETE", "/data", {}, OWN),
]


@pytest.mark.parametrize("key", ALL.split())
@pytest.mark.parametrize(("method", "path", "options", "allowed"), RIGHTS, ids=lambda value: str(value)[:30])
def test_each_role_may_do_what_is_in_the_table(call, key, method, path, options, allowed):
    # Given a dataset and jobs of Ann, one of which has ended, and a job of an admin
    assert call("ann", "POST", "/data", **CSV).status_code == 201
    ids = {name: call(name, "POST", "/jobs", json=NAP).json["id"] for name in ("ann", "root")}
    ids["ended"] = call("ann", "POST", "/jobs", json=NAP).json["id"]
    assert call("ann", "POST", f"/jobs/{ids['ended']}/cancel").status_code == 200
    # when a key sends the request, then it is allowed or forbidden as in the table
    answer = call(key, method, path.format_map(ids), **options)
    if key in allowed.split():
        assert answer.status_code < 400, answer.text
    else:
        assert (answer.status_code, answer.json["type"]) == (403, "/problems/forbidden")
        assert call("root", "GET", f"/jobs/{ids['ann']}").json["status"] == "submitted"
        assert call("root", "GET", f"/jobs/{ids['ended']}").json["status"] == "cancelled"
        assert call("root", "GET", "/data").json["total"] == 2


def test_every_changing_route_is_forbidden_to_the_role_read(app, call):
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}:
            if rule.rule not in ("/ui/sign-in", "/ui/sign-out"):
                answer = call("reader", method, re.sub(r"<(\w+:)?\w+>", "a", rule.rule))
                assert (answer.status_code, answer.json["type"]) == (403, "/problems/forbidden"), rule


def test_a_job_that_is_not_there_is_not_found_for_every_role_that_may_change_jobs(call):
    for key in ("ann", "root"):
        for method, path in (("POST", "/jobs/x/cancel"), ("POST", "/jobs/x/retry"), ("DELETE", "/jobs/x")):
            assert call(key, method, path).status_code == 404


def test_a_job_has_the_name_of_its_key_as_owner_and_so_has_its_retry_that_of_its_own(call, client, app):
    job = call("ann", "POST", "/jobs", json=NAP).json
    assert job["owner"] == "ann"
    call("root", "POST", f"/jobs/{job['id']}/cancel")
    again = call("root", "POST", f"/jobs/{job['id']}/retry").json
    assert (again["owner"], again["retry_of"]) == ("root", job["id"])
    assert call("reader", "GET", f"/jobs/{job['id']}").json["owner"] == "ann"


def test_idempotency_keys_of_two_keys_are_two(call):
    made = [
        call(key, "POST", "/jobs", json=NAP, headers={"Idempotency-Key": "one"}) for key in ("ann", "bob", "ann", "bob")
    ]
    assert [answer.status_code for answer in made] == [202] * 4
    ids = [answer.json["id"] for answer in made]
    assert ids[0] != ids[1]
    assert ids[:2] == ids[2:]
    assert [answer.json["owner"] for answer in made] == ["ann", "bob", "ann", "bob"]


def test_whoever_loads_the_first_dataset_owns_it_until_it_is_gone(call):
    # Given a dataset of Ann, changed by an admin
    call("ann", "POST", "/data", **CSV)
    assert call("root", "PATCH", "/data/a", json={"n": 9}).status_code == 200
    # then it is still Ann's, even when its content is the same as that of another body
    assert call("ann", "PATCH", "/data/a", json={"n": 1}).status_code == 200
    assert call("bob", "POST", "/data", **CSV).status_code == 403
    # when it is unloaded, then Bob may load one, which is not Ann's
    assert call("ann", "DELETE", "/data").status_code == 204
    assert call("bob", "POST", "/data", **CSV).status_code == 201
    assert call("ann", "DELETE", "/data/a").status_code == 403
    # and one that an admin loads is the admin's
    assert call("root", "POST", "/data", **CSV).status_code == 201
    assert call("bob", "POST", "/data/records", json={"id": "c"}).status_code == 403


def test_a_dataset_that_was_loaded_without_keys_is_for_admins_to_change(rd, call):
    create_app(redis_client=rd).test_client().post("/data", **CSV)
    assert call("ann", "DELETE", "/data").status_code == 403
    assert call("root", "DELETE", "/data").status_code == 204


def test_a_dataset_that_was_replaced_after_the_check_is_not_overwritten(app, rd, call, monkeypatch):
    # Given a request of Ann's that is checked while no dataset is loaded
    def call_root(store):
        monkeypatch.undo()
        # In a thread of its own, as on a server: a request within a request would share its key.
        with ThreadPoolExecutor() as threads:
            assert threads.submit(call, "root", "POST", "/data", **CSV).result().status_code == 201

    monkeypatch.setattr("api.require_writable", call_root)
    # when an admin's dataset is loaded before hers, then that one stays
    assert call("ann", "POST", "/data", data="id\nz\n", content_type="text/csv").status_code == 403
    assert call("root", "GET", "/data").json["total"] == 2


def test_without_keys_everything_is_allowed_and_nobody_owns_anything(rd):
    client = create_app(redis_client=rd).test_client()
    assert client.post("/data", **CSV).status_code == 201
    job = client.post("/jobs", json=NAP, headers=bearer("whatever")).json
    assert job["owner"] is None
    assert client.post(f"/jobs/{job['id']}/cancel").status_code == 200
    assert client.delete("/data").status_code == 204
    assert not [key for key in rd.keys("*") if key.startswith((b"rate", b"session", b"data.owner", b"jobs.unfinished"))]


def test_help_has_a_line_with_the_key_where_keys_are_on(rd, call):
    assert 'curl -H "Authorization: Bearer $JOBS_API_KEY" ' in call("reader", "GET", "/help").text
    assert "JOBS_API_KEY" not in create_app(redis_client=rd).test_client().get("/help").text


def test_the_roles_are_those_of_the_contract():
    assert list(Role) == ["read", "submit", "admin"]
