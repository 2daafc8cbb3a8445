"""The form of a new job: every analysis' parameters, the rows, errors next to their fields, and hostile names."""

from __future__ import annotations

import hashlib
import json
from html.parser import HTMLParser

import pytest

import jobs
from analyses import get_analyses
from api import create_app
from config.settings import Settings

HTML = {"Accept": "text/html"}
COLUMNS = ("id", "time", "magnitude", "stations", "place", "felt", "lon", "lat")
ROWS = [
    dict(zip(COLUMNS, row, strict=True))
    for row in (
        ("q1", "2026-11-24T02:00:00.500Z", 2.5, 3, "Alaska", True, -178.5, 60),
        ("q2", "2026-11-25T11:15:00Z", 4.5, 9, "Fiji", False, 178.25, -18),
    )
]
# Parameters that fill in each kind of field of the present analyses.
PARAMS = {
    "correlation": {"columns": ["magnitude", "stations"], "method": "spearman"},
    "groups": {
        "by": ["place", "felt"],
        "column": "magnitude",
        "aggregates": ["mean", "std"],
        "sort": "mean",
        "descending": False,
        "top": 7,
        "compare": {"column": "felt", "values": [True, False]},
    },
    "histogram": {"column": "stations", "bins": 3, "compare": {"column": "stations", "values": [3, None]}},
    "map": {"longitude": "magnitude", "latitude": "stations", "color": "stations", "size": "magnitude", "show": "heat"},
    "outliers": {"index": "time", "column": "magnitude", "method": "robust-z", "factor": 2.5, "top": 0},
    "sleep": {"seconds": 0.5},
    "summary": {"columns": ["place", "id"], "top": 1},
    "timeseries": {"index": "magnitude", "every": 0.25, "column": "stations", "aggregate": "max"},
    "trend": {"x": "time", "y": "stations", "method": "theil-sen", "confidence": 0.9},
}
PARAMS_OF = list(PARAMS.items())
PARAMS_OF += [(name, {}) for name in PARAMS] + [("timeseries", {"every": "6h"})]


class FormReader(HTMLParser):
    """Reads what a browser without scripts would send when the form is submitted as it is shown."""

    def __init__(self, text):
        super().__init__()
        self.sent, self.invalid, self._select, self._area = {}, [], None, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        name = given.get("name")
        if "aria-invalid" in given:
            self.invalid.append(name)
        if tag == "select":
            self._select, self._first = name, True
        elif tag == "option" and self._select is not None:
            self._option, self._chosen, self._text = given.get("value"), "selected" in given, ""
            self._is_open = True
        elif tag == "textarea":
            self._area, self._text = name, ""
        elif tag == "input" and name and (given.get("type") not in ("checkbox", "file") or "checked" in given):
            self.sent.setdefault(name, []).append(given.get("value", ""))

    def handle_data(self, data):
        self._text = getattr(self, "_text", "") + data

    def handle_endtag(self, tag):
        if tag == "option" and self._select is not None:
            value = self._text if self._option is None else self._option
            if self._first:
                self.sent.setdefault(self._select, []).append(value)
            elif self._chosen:
                self.sent[self._select][-1] = value
            self._first = False
        elif tag == "select":
            self._select = None
        elif tag == "textarea":
            self.sent.setdefault(self._area, []).append(self._text.removeprefix("\n"))


@pytest.fixture
def client(rd):
    client = create_app(redis_client=rd).test_client()
    assert client.post("/data", data=json.dumps(ROWS)).status_code == 201
    return client


def posted(client, job):
    answer = client.post("/jobs", json=job)
    assert answer.status_code == 202, answer.text
    return answer.json


def form_of(client, query):
    answer = client.get(f"/ui/new?{query}", headers=HTML)
    assert answer.status_code == 200
    return FormReader(answer.text).sent


def submitted(client, form):
    answer = client.post("/ui/new", data=form, headers=HTML)
    assert answer.status_code == 303, answer.text
    assert answer.headers["Location"].startswith("/ui/jobs/")
    return jobs.get_job_by_id(answer.headers["Location"].rpartition("/")[2].partition("?")[0])


def same(one, other):
    varying = {"id", "created", "links", "request_id"}
    return {k: v for k, v in one.items() if k not in varying} == {k: v for k, v in other.items() if k not in varying}


def test_every_analysis_is_tried():
    assert PARAMS.keys() == get_analyses().keys()


@pytest.mark.parametrize(("analysis", "params"), PARAMS_OF)
def test_the_form_of_a_job_submits_the_same_job(client, analysis, params):
    # Given a job of POST /jobs
    job = posted(client, {"analysis": analysis, "params": params})
    # when the form that is filled in like it is sent as it is
    again = submitted(client, form_of(client, f"from={job['id']}"))
    # then it makes the same job
    assert same(job, again)


@pytest.mark.parametrize("name", PARAMS)
def test_an_empty_form_submits_the_example_of_an_analysis(client, name):
    job = posted(client, {"analysis": name, "params": get_analyses()[name].example_params()})
    assert same(job, submitted(client, form_of(client, f"analysis={name}")))


@pytest.mark.parametrize(
    "members",
    [
        {"start": "2026-11-24T02:00:00.500Z", "end": "2026-11-25T00:00:00Z"},
        {"start": "2026-11-24", "end": "2026-11-24"},
        {"index": "magnitude", "start": 2, "end": 3.5},
        {"index": "place", "start": "A", "end": "G"},
        {"where": {"place": "Fiji", "magnitude": {"gte": 1, "lt": 5.5}, "felt": True, "id": {"in": ["q1", "a,b"]}}},
        {"where": {"place": {"contains": "i", "ne": None}, "stations": None}},
        {"search": " fiji", "tags": ["nightly", 'a "quoted", tag'], "priority": "high"},
        {"timeout": 12.5, "max_attempts": 1},
    ],
)
def test_a_job_with_other_members_is_filled_in_and_submitted_again(client, members):
    job = posted(client, {"analysis": "summary", **members})
    assert same(job, submitted(client, form_of(client, f"from={job['id']}")))


def test_a_time_without_an_offset_is_utc(client):
    job = submitted(client, {"/analysis": "summary", "/start": "2026-11-24T03:00", "/end": "2026-11-25T12:00:00.250"})
    assert (job["start"], job["end"]) == ("2026-11-24T03:00Z", "2026-11-25T12:00:00.250Z")


def test_the_range_is_picked_on_the_ends_of_the_data(client):
    page = client.get("/ui/new", headers=HTML).text
    assert 'min="2026-11-24T02:00:00.500"' in page
    assert 'max="2026-11-25T11:15:00.000"' in page
    page = client.post("/ui/new", data={"/index": "stations", "choose": "index"}, headers=HTML).text
    assert 'type="number"' in page
    assert 'min="3" max="9"' in page


def test_errors_stand_next_to_their_fields_and_what_was_typed_stays(client):
    # Given a form with faults in parameters, a nested one, the range and a filter
    form = {
        "/analysis": "groups",
        "/params/top": "many",
        "/params/compare/column": "felt",
        "/start": "2026-11-25T00:00",
        "/end": "2026-11-24T00:00",
        "where.column": "magnitude",
        "where.operator": "lt",
        "where.value": "high",
        "/max_attempts": "0",
    }
    # when it is submitted
    answer = client.post("/ui/new", data=form, headers=HTML)
    # then it is shown again, with the faults of the job marked
    assert answer.status_code == 422
    assert "/max_attempts" in FormReader(answer.text).invalid
    answer = client.post("/ui/new", data=form | {"/max_attempts": ""}, headers=HTML)
    shown = FormReader(answer.text)
    assert {"/params/top", "/params/compare/values", "/start", "where.value"} <= set(shown.invalid)
    assert shown.sent["/params/top"] == ["many"]
    assert shown.sent["where.value"][0] == "high"
    assert jobs.get_jobs().jobs == []


@pytest.mark.parametrize(("setting", "status"), [("max_queued_jobs", 507), ("max_unfinished_jobs", 429)])
def test_what_was_typed_stays_where_too_many_jobs_are_unfinished(rd, tmp_path, setting, status):
    # Given an API that takes one unfinished job, in all or of a key
    keys = tmp_path / "keys"
    keys.write_text(f"ann submit {hashlib.sha256(b'key').hexdigest()}\n")
    keys.chmod(0o600)
    settings = Settings(**{setting: 1}, api_keys_file=keys)
    client = create_app(settings, redis_client=rd).test_client()
    headers = HTML | {"Authorization": "Bearer key"}
    form = {"/analysis": "sleep", "/params/seconds": "3", "/tags": "a, b"}
    assert client.post("/ui/new", data=form, headers=headers).status_code == 303

    # when another is submitted, then the form is shown again as it was filled in
    answer = client.post("/ui/new", data=form, headers=headers)
    assert answer.status_code == status
    assert "None was accepted" in answer.text
    shown = FormReader(answer.text).sent
    assert (shown["/params/seconds"], shown["/tags"]) == (["3"], ["a, b"])
    assert len(jobs.get_jobs().jobs) == 1


def test_a_job_made_of_one_that_has_ended_names_it(client):
    old = submitted(client, {"/analysis": "sleep"})
    assert submitted(client, {"/analysis": "sleep", "from": old["id"]})["retry_of"] is None  # it may still run
    jobs.cancel_job(old["id"])
    assert submitted(client, {"/analysis": "sleep", "from": old["id"]})["retry_of"] == old["id"]
    assert submitted(client, {"/analysis": "sleep", "from": "gone"})["retry_of"] is None


def test_two_filters_that_one_object_cannot_hold_are_refused(client):
    form = {"where.column": ["place"] * 2, "where.operator": ["ne"] * 2, "where.value": ["Fiji", "Alaska"]}
    answer = client.post("/ui/new", data=form, headers=HTML)
    assert answer.status_code == 422
    assert "already" in answer.text
    # while a value and a list of values are one list
    form["where.operator"] = ["", "in"]
    assert submitted(client, form)["where"] == {"place": {"in": ["Fiji", "Alaska"]}}


def test_another_analysis_keeps_what_is_filled_in_and_submits_nothing(client):
    form = {"/analysis": "histogram", "/tags": "a", "/params/top": "3", "choose": "analysis"}
    answer = client.post("/ui/new", data=form, headers=HTML)
    assert answer.status_code == 200
    shown = FormReader(answer.text).sent
    assert "/params/bins" in shown
    assert "/params/top" not in shown
    assert shown["/tags"] == ["a"]
    assert jobs.get_jobs().jobs == []


def test_another_filter_is_one_more_row(client):
    form = {"where.column": ["place", ""], "where.operator": ["", ""], "where.value": ["Fiji", ""], "choose": "filter"}
    shown = FormReader(client.post("/ui/new", data=form, headers=HTML).text).sent
    assert shown["where.column"] == ["place", "", ""]


HOSTILE = [
    "__proto__",
    "constructor",
    "a.b/c~d",
    "\"'><script>alert(1)</script>",
    "🌋 ünï",
    "=1+1",
    "{{7*7}}",
    " padded ",
]


def test_hostile_names_of_columns_are_escaped_and_usable(client):
    # Given columns of odd names, all of numbers
    assert client.post("/data", json=[dict.fromkeys(HOSTILE, n) for n in (1, 2)]).status_code == 201
    columns = [column["name"] for column in client.get("/data").json["dataset"]["columns"]]
    for name in columns:
        # when each is chosen as a parameter, in a comparison, as the index and in a filter
        params = {"column": name, "compare": {"column": name, "values": [1, 2]}}
        job = {"analysis": "histogram", "params": params, "index": name, "start": 0, "where": {name: {"gte": 1}}}
        job = posted(client, job)
        again = submitted(client, form_of(client, f"from={job['id']}"))
        # then the job is the same, and the page shows names as text
        assert same(job, again)
    page = client.get("/ui/new?analysis=correlation", headers=HTML).text
    assert "<script>alert" not in page
    assert "{{7*7}}" in page


def test_texts_of_several_lines_and_quotes_are_kept(client):
    values = ['"quoted"', "two\nlines", "", "7", "true", None]
    client.post("/data", json=[{"a": value, "n": n} for n, value in enumerate(values)])
    params = {"compare": {"column": "a", "values": [value for value in values if value != ""]}}
    job = posted(client, {"analysis": "histogram", "params": params})
    assert same(job, submitted(client, form_of(client, f"from={job['id']}")))


def test_a_column_that_is_gone_is_shown_and_refused(client):
    job = posted(client, {"analysis": "histogram", "params": {"column": "stations"}, "where": {"place": "Fiji"}})
    client.post("/data", json=[{"other": 1}, {"other": 2}])
    form = form_of(client, f"from={job['id']}")
    assert form["/params/column"] == ["stations"]
    answer = client.post("/ui/new", data=form, headers=HTML)
    assert answer.status_code == 422
    assert {"/params/column", "where.value"} <= set(FormReader(answer.text).invalid)


def test_without_a_dataset_only_what_reads_none_is_submitted(rd):
    client = create_app(redis_client=rd).test_client()
    assert "none is loaded" in client.get("/ui/new", headers=HTML).text
    answer = client.post("/ui/new", data={"/analysis": "summary"}, headers=HTML)
    assert answer.status_code == 409
    assert "load one by POST /data" in answer.text
    assert submitted(client, {"/analysis": "sleep", "/params/seconds": "1"})["params"] == {"seconds": 1}


def test_an_unknown_and_a_broken_analysis_are_named(client, drop_in):
    drop_in("broken_one", "def run(nonsense): ...")
    assert "There is no such analysis." in client.get("/ui/new?analysis=nothing", headers=HTML).text
    assert "broken_one.py" in client.get("/ui/new?analysis=broken_one", headers=HTML).text
    assert client.post("/ui/new", data={"/analysis": "broken_one"}, headers=HTML).status_code == 422


def test_an_analysis_of_other_kinds_of_parameters_gets_a_form(client, drop_in):
    drop_in(
        "odd_one",
        '''"""Odd."""
from typing import Literal
from analyses.kit import NumberColumn, Params

class OddParams(Params):
    needed: NumberColumn
    level: Literal[1, 2] = 1
    weights: list[float] | None = None
    deep: dict[str, list[int]] = {}
    mixed: bool | list[str] | None = None

def run(rows, params: OddParams):
    return {}
''',
    )
    params = {"needed": "stations", "level": 2, "weights": [0.5, 1], "deep": {"a": [1]}, "mixed": ["x", "y"]}
    job = posted(client, {"analysis": "odd_one", "params": params})
    assert same(job, submitted(client, form_of(client, f"from={job['id']}")))
    answer = client.post("/ui/new", data={"/analysis": "odd_one", "/params/deep": "{"}, headers=HTML)
    assert {"/params/needed", "/params/deep"} <= set(FormReader(answer.text).invalid)


def test_links_lead_below_the_prefix(rd):
    from dataclasses import replace

    client = create_app(replace(jobs.settings, url_prefix="/below"), redis_client=rd).test_client()
    page = client.get("/ui/new?analysis=sleep", headers=HTML).text
    assert 'action="/below/ui/new"' in page
    assert 'hx-post="/below/ui/new"' in page
    answer = client.post("/below/ui/new", data={"/analysis": "sleep"}, headers=HTML)
    assert answer.headers["Location"].startswith("/below/ui/jobs/")
