"""What the demo submits and shows."""

import io

from rich.console import Console

from config.settings import Settings
from ops.devserver.client import Api, ApiError
from ops.devserver.console import print_results, show_progress
from ops.devserver.demo import _environ, _required, _submit_one_of_each

COLUMNS = [{"name": "id", "type": "text"}, {"name": "magnitude", "type": "number"}]


class FakeApi(Api):
    """Answers from a table of paths; a list of answers is given one by one."""

    def __init__(self, answers):
        super().__init__(Settings())
        self._answers = answers

    def get(self, path):
        return self._answers[path].pop(0)

    def post(self, path, value):
        if value["analysis"] == "picky":
            raise ApiError(f"POST {path}", 422, "no such column")
        return value

    def fetch(self, path, body=None, media_type="application/json"):
        return self._answers[path]


def console(width=80):
    return Console(file=io.StringIO(), width=width)


def test_required_parameters_are_filled_from_the_schema_and_the_columns():
    schema = {
        "required": ["of", "by", "shade"],
        "properties": {
            "of": {"format": "number-column"},
            "by": {"format": "column"},
            "shade": {"examples": ["red", "blue"]},
            "bins": {"default": 20},
        },
    }

    assert _required(schema, COLUMNS) == {"of": "magnitude", "by": "id", "shade": "red"}


def test_required_lists_choices_and_references_are_filled_too():
    schema = {
        "required": ["columns", "pair", "kind", "mode", "level", "bins", "words"],
        "$defs": {"Mode": {"enum": ["fast", "slow"]}},
        "properties": {
            "columns": {"type": "array", "items": {"format": "column"}},
            "pair": {"type": "array", "items": {"format": "column"}, "minItems": 2},
            "kind": {"const": "plain"},
            "mode": {"$ref": "#/$defs/Mode"},
            "level": {"anyOf": [{"type": "integer"}, {"enum": [0, 1]}]},
            "bins": {"type": "integer"},
            "words": {"type": "array", "items": {"type": "string"}},
        },
    }

    assert _required(schema, COLUMNS) == {
        "columns": ["id"],
        "pair": ["id", "magnitude"],
        "kind": "plain",
        "mode": "fast",
        "level": 0,
    }


def test_an_analysis_without_known_examples_is_left_out_and_named():
    # Given an analysis with a parameter that nothing is known of, one whose values are refused, and one that runs
    spread = {"name": "spread", "params": {"required": ["bins"], "properties": {"bins": {"type": "integer"}}}}
    picky = {"name": "picky", "params": {"required": ["by"], "properties": {"by": {"format": "column"}}}}
    plain = {"name": "plain", "params": {"properties": {}}}
    answers = {
        "/data?limit=1": [{"dataset": {"columns": COLUMNS}}],
        "/analyses": [{"analyses": [spread, picky, plain]}],
    }
    api, out = FakeApi(answers), console(width=200)

    # When one of each is submitted
    submitted = _submit_one_of_each(api, out)

    # Then the first two are left out, each in a line that names it
    assert [job["analysis"] for job in submitted] == ["plain"]
    assert out.file.getvalue().splitlines() == [
        "Left out spread: no example of bins is known.",
        "Left out picky: POST /jobs was answered 422: no such column.",
    ]


def test_the_demo_ignores_the_settings_of_other_stacks():
    environ = _environ({"REDIS_IP": "db.example", "QUEUE_NAME": "real", "DATA_DIR": "/srv", "HOME": "/home/me"}, "/new")

    assert "REDIS_IP" not in environ
    assert "QUEUE_NAME" not in environ
    assert environ["DATA_DIR"] == "/new"
    assert environ["HOME"] == "/home/me"
    assert environ["API_PORT"] != environ["REDIS_PORT"]


def test_a_log_gets_one_line_per_change_of_status():
    submitted = {"id": "1", "analysis": "sleep", "status": "submitted", "progress": 0.0}
    running = submitted | {"status": "in progress", "progress": 0.5}
    complete = submitted | {"status": "complete", "progress": 1.0}
    api = FakeApi({"/jobs/1": [submitted, running, running, complete]})
    out = console()

    jobs = show_progress(out, api, [submitted], lambda: None)

    assert jobs == [complete]
    assert out.file.getvalue().splitlines() == ["sleep: in progress, 50%", "sleep: complete, 100%"]


def test_results_are_printed_with_as_many_columns_as_fit():
    table = b"name,low,a rather long heading\nx,0.123456789,1\na text that is far too long,-2,2\n"
    api = FakeApi({"/jobs/1/results/table.csv": table})
    results = {
        "job": "1",
        "analysis": "summary",
        "count": 2,
        "params": {},
        "result": {"mean": 1.23456, "nested": {}},
        "artifacts": [{"name": "table.csv", "type": "text/csv"}, {"name": "plot.png", "type": "image/png"}],
    }
    out = console(width=38)

    print_results(out, api, results)

    text = out.file.getvalue()
    assert "mean: 1.235" in text
    assert "0.1235" in text
    assert "a text that is far …" in text
    assert "rather" not in text
    assert "0 more lines, 1 more columns" in text


def test_a_refused_call_names_what_was_wrong():
    error = ApiError("POST /jobs", 422, "bins: must be positive")

    assert str(error) == "POST /jobs was answered 422: bins: must be positive"
