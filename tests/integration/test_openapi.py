"""A running service does what its OpenAPI document describes: examples, a generated client, generated requests."""

from __future__ import annotations

import copy
import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from openapi_schema_validator import OAS31Validator

from tests.conftest import ROOT, Api, Process, Server, eventually

HISTOGRAM = {"analysis": "histogram", "params": {"column": "magnitude"}}
NAP = {"analysis": "sleep", "params": {"seconds": 0}}
LONG_NAP = {"analysis": "sleep", "params": {"seconds": 60}}
SAMPLES = ROOT / "samples"


@pytest.fixture
def api(live: Server, shared_api: Api, start_worker: Callable[..., Process]) -> httpx.Client:
    start_worker()
    return shared_api.client


# Examples


def strict(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with no other members in answers than those that it describes."""
    document = copy.deepcopy(document)
    for schema in document["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return document


def examples(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return requests of an operation: with each example of a body, and with each example of a parameter."""
    content = operation.get("requestBody", {}).get("content", {})
    bodies: list[dict[str, Any]] = [
        {
            "content": each["value"] if isinstance(each["value"], str) else json.dumps(each["value"]),
            "headers": {"Content-Type": media_type},
        }
        for media_type, about in content.items()
        for each in about.get("examples", {}).values()
    ] or [{"headers": {}}]
    given = [each for each in operation["parameters"] if "example" in each]
    yield from bodies if content or not given else []
    for each in given:
        if each["in"] == "header":
            yield {**bodies[0], "headers": {**bodies[0]["headers"], each["name"]: each["example"]}}
        else:
            value = each["example"] if isinstance(each["example"], dict) else {each["name"]: each["example"]}
            yield {**bodies[0], "params": value}


def ended(api: httpx.Client, job: dict[str, Any]) -> str:
    made = api.post("/jobs", json=job).json()["id"]
    eventually(lambda: api.get(f"/jobs/{made}?wait=10").json()["ended"])
    return str(made)


def fill(api: httpx.Client, method: str, path: str) -> str:
    """Return a path to something that exists and that the method can be applied to."""
    jid = oid = ""
    match method, path:
        case _, path if "{oid}" in path:
            api.post("/jobs", json=[{**NAP, "delay": 60, "tags": ["many"]}] * 1001)
            started = api.post("/jobs/cancel?tag=many")
            oid = started.headers["Location"].rpartition("/")[2]
        case "post", "/jobs/{jid}/cancel":
            jid = api.post("/jobs", json=LONG_NAP).json()["id"]
        case "delete", "/jobs/{jid}":
            jid = ended(api, NAP)
        case _, path if "{jid}" in path:
            jid = ended(api, HISTOGRAM)
    name = "plot.png" if "results" in path else "summary"
    return path.format(jid=jid, oid=oid, id="q1", name=name, slug="invalid")


def test_each_example_is_accepted_and_answered_as_described(api):
    # Given the document, and the dataset of its examples
    document = strict(api.get("/openapi.json").json())
    dataset = document["paths"]["/data"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    [rows] = [each["value"] for each in dataset.values()]
    api.post("/data", json=rows)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            for request in examples(operation):
                api.post("/data", json=rows)
                # when its examples are sent
                with api.stream(method, fill(api, method, path), **request) as answer:
                    # then each is accepted, with an answer that is described
                    assert answer.status_code < 400, (method, path, request, answer.read())
                    described = operation["responses"][str(answer.status_code)]
                    media_type = answer.headers.get("Content-Type", "").partition(";")[0]
                    assert media_type in described.get("content", {"": {}}), (method, path, media_type)
                    if media_type == "application/json":
                        schema = described["content"][media_type]["schema"]
                        OAS31Validator({**schema, "components": document["components"]}).validate(
                            json.loads(answer.read())
                        )


# The tour of README.md


@pytest.fixture
def made(api, tmp_path, monkeypatch) -> Iterator[SimpleNamespace]:
    """The modules of a client that is generated from the document."""
    document = api.get("/openapi.json").json()
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    (tmp_path / "config.json").write_text(json.dumps({"post_hooks": []}))
    words = "generate --path openapi.json --config config.json --output-path made_client --meta none"
    command = [str(Path(sys.executable).parent / "openapi-python-client"), *words.split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    # Only of the files that a dataset may be, the generator takes no more than a form.
    assert set(re.findall("WARNING parsing (.*) within", done.stdout + done.stderr)) == {"POST /data"}
    monkeypatch.syspath_prepend(tmp_path)
    modules = {
        name: importlib.import_module(f"made_client.{path}{name}")
        for path, names in {
            "": ["models", "types", "client"],
            "api.data.": ["load_data", "list_data"],
            "api.jobs.": ["submit_jobs", "show_job", "show_results", "show_artifact", "cancel_job"],
        }.items()
        for name in names
    }
    yield SimpleNamespace(**modules)
    for name in [name for name in sys.modules if name.split(".")[0] == "made_client"]:
        del sys.modules[name]


@pytest.fixture
def connect(api, made) -> Iterator[Callable[..., Any]]:
    """Open generated clients, with header fields of their own, and close them in the end."""
    with ExitStack() as stack:
        yield lambda **headers: stack.enter_context(
            made.client.Client(base_url=str(api.base_url), headers=headers, raise_on_unexpected_status=True, timeout=40)
        )


def test_a_generated_client_does_the_tour(made, connect):
    models, client = made.models, connect()
    as_csv = connect(Accept="text/csv").get_httpx_client()

    def load(name: str, **options: Any) -> Any:
        with (SAMPLES / name).open("rb") as file:
            upload = made.types.File(payload=file, file_name=name, mime_type="text/csv")
            return made.load_data.sync(client=client, body=models.LoadDataFilesBody(file=upload), **options)

    def submit(**members: Any) -> Any:
        return made.submit_jobs.sync(client=client, body=models.JobRequest(**members))

    # Load a dataset, search it, filter it, export it, and try another one
    assert load("earthquakes.csv").count == 1707
    assert 0 < len(made.list_data.sync(client=client, search="alaska", limit=2).records) <= 2
    filters = models.ListDataFilters.from_dict({"network": "ak", "magnitude.gte": "2"})
    strongest = made.list_data.sync(client=client, filters=filters, sort="-magnitude", limit=2)
    assert strongest.records[0]["magnitude"] >= strongest.records[1]["magnitude"] >= 2
    asked = made.list_data._get_kwargs(filters=filters, fields="time,magnitude,place")
    assert as_csv.request(**asked).text.startswith("time,magnitude,place\n")
    assert load("river.csv", dry_run=models.LoadDataDryRun.YES).notes
    # Submit jobs over a range, over the rows that match, with parameters
    analyses = models.JobRequestAnalysis
    where = models.JobRequestWhereType0.from_dict({"network": "ak", "magnitude": {"gte": 2}})
    assert submit(start="2018-02-01", end="2018-02-03", analysis=analyses.SUMMARY).end == "2018-02-03"
    assert submit(where=where, search="alaska").search == "alaska"
    job = submit(analysis=analyses.HISTOGRAM, params=models.HistogramParams(column="magnitude", bins=30))
    # Wait for one, fetch its results, its plot and its table
    assert made.show_job.sync(job.id, client=client, wait=30).status == models.Status.COMPLETE
    results = made.show_results.sync(job.id, client=client)
    assert "plot.png" in {artifact.name for artifact in results.artifacts}
    assert made.show_artifact.sync_detailed(job.id, "plot.png", client=client).content.startswith(b"\x89PNG")
    assert as_csv.request(**made.show_results._get_kwargs(job.id)).text.count("\n") > 30
    # Start a long one, cancel it, and ask for results that it does not have
    job = submit(analysis=analyses.SLEEP, params=models.SleepParams(seconds=60))
    assert made.cancel_job.sync(job.id, client=client).status == models.Status.CANCELLED
    assert made.show_results.sync(job.id, client=client).type_ == "/problems/job-cancelled"


# Generated requests


@pytest.mark.long
def test_generated_requests_find_no_fault(api, tmp_path):
    # Given a dataset
    sample = (SAMPLES / "earthquakes.csv").read_bytes()
    assert api.post("/data", content=sample, headers={"Content-Type": "text/csv"}).status_code == 201
    # when requests are derived from the document, and so many more per operation are generated
    command = [str(Path(sys.executable).parent / "schemathesis"), "--no-color"]
    command += [
        "--config-file",
        str(Path(__file__).parent / "schemathesis.toml"),
        "run",
        f"{api.base_url}/openapi.json",
    ]
    command += ["--max-examples", os.environ.get("EXAMPLES", "5"), "--generation-database", "none"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    # then all answers pass all checks
    assert done.returncode == 0, done.stdout
