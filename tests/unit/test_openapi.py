"""The OpenAPI document agrees with the routes, and its page loads nothing from elsewhere."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import get_args
from unittest.mock import Mock

import pytest
from openapi_spec_validator import validate

import dataset.types.type_inference
import jobs
from analyses import get_analyses
from api import create_app
from tests.keys import line_of, write_keys
from web.openapi import routes
from web.openapi.document import build_document, described_routes, key_of
from web.openapi.operations import OPERATIONS
from web.openapi.schemas import ColumnType, Job, Results
from web.problems import PROBLEMS

STATIC = Path(routes.__file__).parent / "static"


@pytest.fixture
def client(rd):
    return create_app(redis_client=rd).test_client()


@pytest.fixture
def document(client):
    return client.get("/openapi.json").json


def operations(document):
    return [(path, method, about) for path, item in document["paths"].items() for method, about in item.items()]


def test_the_document_is_valid(document):
    assert document["openapi"].startswith("3.1.")
    validate(document)


def test_each_route_is_described_and_each_operation_has_a_route(client, document):
    # Given all routes but the pages for people
    app = client.application
    found = list(described_routes(app))
    # then the table has an entry for each, and no others
    assert {key_of(rule, method) for rule, method in found} == OPERATIONS.keys()
    # and the document an operation with a name of its own, whose path and method lead to a view
    names = [about["operationId"] for _, _, about in operations(document)]
    assert len(names) == len(set(names)) == len(found)
    urls = app.url_map.bind("localhost")
    for path, method, about in operations(document):
        assert about["summary"]
        assert about["responses"]
        endpoint, arguments = urls.match(path.replace("{", "").replace("}", ""), method)
        assert endpoint.rpartition(".")[2] == about["operationId"]
        assert list(arguments) == [each["name"] for each in about["parameters"] if each["in"] == "path"]


def test_the_cookie_of_sessions_is_the_one_that_signing_in_sets(rd, tmp_path):
    keys = write_keys(tmp_path / "keys", line_of("ann", "read"))
    client = create_app(dataclasses.replace(jobs.settings, api_keys_file=str(keys)), redis_client=rd).test_client()
    client.post("/ui/sign-in", data={"key": "ann"})
    schemes = client.get("/openapi.json").json["components"]["securitySchemes"]
    assert client.get_cookie(schemes["session"]["name"])


def test_pages_for_people_are_the_only_routes_that_are_not_described(client):
    described = {rule.rule for rule, _ in described_routes(client.application)}
    left = {rule.rule for rule in client.application.url_map.iter_rules()} - described
    assert {path for path in left if not path.startswith(("/ui", "/docs"))} == set()


def test_each_parameter_is_described(document):
    for path, method, about in operations(document):
        for each in about["parameters"]:
            assert each["in"] == "path" or each["description"], (path, method, each["name"])


def test_each_problem_is_described_by_its_status(document):
    described = " ".join(each["description"] for each in document["components"]["responses"].values())
    # Except what no request can cause, and what the router answers where there is no operation
    assert [slug for slug in PROBLEMS if f"/problems/{slug}`" not in described] == [
        "method-not-allowed",
        "internal-error",
    ]


def test_each_operation_answers_its_errors_as_problems(document):
    for path, method, about in operations(document):
        errors = {status: each for status, each in about["responses"].items() if status >= "400"}
        assert errors, (path, method)
        for status, each in errors.items():
            assert each == {"$ref": f"#/components/responses/Problem{status}"}
    for each in document["components"]["responses"].values():
        assert list(each["content"]) == ["application/problem+json"]


def test_the_members_of_jobs_and_results_are_those_of_the_code(client, worker):
    job = client.post("/jobs", json={"analysis": "sleep", "params": {"seconds": 0}}).json
    optional = {name for name, field in Job.model_fields.items() if not field.is_required()}
    assert job.keys() == Job.model_fields.keys() - optional
    assert optional == {*jobs.SELECTION_FIELDS, "attempts"}
    assert {"job", "result", "artifacts"} <= Results.model_fields.keys()


def test_the_types_of_columns_are_those_of_datasets():
    assert set(get_args(ColumnType)) == set(get_args(dataset.types.type_inference.ColumnType))


def test_parameters_of_analyses_are_the_alternatives_of_params(document):
    posted = document["components"]["schemas"]["JobRequest"]["properties"]
    references = [each["$ref"].rpartition("/")[2] for each in posted["params"]["anyOf"]]
    assert posted["analysis"]["enum"] == list(get_analyses())
    for name, reference in zip(get_analyses(), references, strict=True):
        ours = document["components"]["schemas"][reference]
        assert ours["properties"].keys() == get_analyses()[name].params_schema()["properties"].keys()


def test_the_document_is_built_once_and_again_after_analyses_have_changed(client, drop_in, monkeypatch):
    build = Mock(wraps=build_document)
    monkeypatch.setattr("web.openapi.routes.build_document", build)
    # Given a document that was asked for twice
    first = client.get("/openapi.json")
    assert client.get("/openapi.json").data == first.data
    assert build.call_count == 1
    # when an analysis is added, then it is described
    drop_in("größe", '"""Measure."""\ndef run() -> dict:\n    return {}\n')
    again = client.get("/openapi.json")
    assert build.call_count == 2
    assert "größe" in again.json["components"]["schemas"]["JobRequest"]["properties"]["analysis"]["enum"]
    assert again.headers["ETag"] != first.headers["ETag"]
    validate(again.json)


def test_the_document_is_asked_again_by_tag(client):
    tag = client.get("/openapi.json").headers["ETag"]
    assert client.get("/openapi.json", headers={"If-None-Match": tag}).status_code == 304


def test_the_document_names_the_path_prefix(rd):
    client = create_app(dataclasses.replace(jobs.settings, url_prefix="/jobs-api"), redis_client=rd).test_client()
    for path in ("/openapi.json", "/jobs-api/openapi.json"):
        assert client.get(path).json["servers"] == [{"url": "/jobs-api"}]


def test_the_page_and_all_its_files_are_served_from_here(client):
    page = client.get("/docs")
    assert (page.status_code, page.mimetype) == (200, "text/html")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert named[0] == "data:,"
    for address in named[1:]:
        answer = client.get(f"/{address}")
        assert answer.status_code == 200, address
        assert answer.data == (STATIC / address.rpartition("/")[2]).read_bytes()
        assert client.get(f"/{address}", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    assert "http" not in page.text + (STATIC / "start.js").read_text()


@pytest.mark.parametrize("name", ["LICENSE", "docs.html", "..%2froutes.py", "nothing"])
def test_no_other_files_are_served(client, name):
    answer = client.get(f"/docs/{name}")
    assert answer.status_code == 404
    assert json.loads(answer.data)["type"] == "/problems/not-found"


def test_the_files_of_the_page_are_kept_with_their_license_and_version():
    assert (STATIC / "LICENSE").read_text().split()[:2] == ["Apache", "License"]
    page = (Path(__file__).parents[2] / "docs" / "dependencies.md").read_text()
    version = re.search(r"\| swagger-ui-dist (\S+) \|", page)[1]
    assert version in (STATIC / "swagger-ui-bundle.js").read_text()
