"""What the demo submits and shows."""

import io

from rich.console import Console

from ops.settings import Settings
from stack.client import Api, ApiError
from stack.demo import _environ, _required
from stack.report import print_results, show_progress

COLUMNS = [{"name": "id", "type": "text"}, {"name": "magnitude", "type": "number"}]


class FakeApi(Api):
    """Answers from a table of paths; a list of answers is given one by one."""

    def __init__(self, answers):
        super().__init__(Settings())
        self._answers = answers

    def get(self, path):
        return self._answers[path].pop(0)

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
