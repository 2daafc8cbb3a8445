"""The command line, in this process, on the application itself and on answers that are made up."""

import json
from pathlib import Path

import httpx
import pytest
from typer.main import get_command
from typer.testing import CliRunner

import jobs
from api import create_app
from cli.app import app
from cli.session import ExitStatus, session
from cli.values import read_pair, read_params, read_where
from client import Client
from dataset import OPTION_NAMES

CSV = "id,magnitude,network\n" + "".join(f"q{n},{n / 10},{'ak' if n % 2 else 'us'}\n" for n in range(1, 31))
ROOT = Path(__file__).parents[2]
PAST = "2020-01-01T00:00:00Z"


class Run:
    """Runs of ``jobs``, one after another, with the same API."""

    def __init__(self, monkeypatch, transport):
        connect = lambda: Client(session.url or "http://localhost", transport=transport, retry_seconds=0)  # noqa: E731
        monkeypatch.setattr(session, "connect", connect)

    def __call__(self, *words, status=0, stdin=None):
        """Return what was printed; ``error`` is what standard error got."""
        done = CliRunner().invoke(app, list(words), input=stdin)
        self.error = done.stderr
        assert done.exit_code == status, (words, done.stdout, done.stderr, done.exception)
        return done.stdout

    def json(self, *words, **options):
        """Return the document that was printed: nothing else is on standard output."""
        return json.loads(self(*words, "--json", **options))


@pytest.fixture
def run(rd, monkeypatch):
    return Run(monkeypatch, httpx.WSGITransport(create_app(redis_client=rd), raise_app_exceptions=False))


@pytest.fixture
def loaded(run):
    run("load", "-", "--media-type", "text/csv", stdin=CSV)
    return run


@pytest.fixture
def answers(monkeypatch):
    """Runs on answers that are made up, by method and address, and the requests that were sent."""
    requests = []

    def make(given):
        def answer(request):
            requests.append((request.method, str(request.url.raw_path.decode())))
            status, body, *headers = given[requests[-1]]
            return httpx.Response(status, json=body, headers=headers[0] if headers else None)

        return Run(monkeypatch, httpx.MockTransport(answer)), requests

    return make


# The page


def test_the_page_has_each_command_with_its_options():
    rows = []
    for name, command in vars(get_command(app))["commands"].items():
        named = [each for each in command.params if each.name != "json"]
        words = [each.metavar or each.name for each in named if each.param_type_name == "argument"]
        options = [
            f"`{each.opts[-1] if each.opts[-1].startswith('--') else each.opts[0]}`"
            for each in named
            if each.param_type_name == "option"
        ]
        rows.append(f"| `{' '.join([name, *words])}` | {' '.join(options)} |")
    assert "\n".join(rows) in (ROOT / "docs" / "command-line.md").read_text()


@pytest.mark.parametrize("status", [member for member in ExitStatus if member])
def test_the_page_has_each_exit_status(status):
    assert f"\n| {int(status)} |" in (ROOT / "docs" / "command-line.md").read_text()


# load, data


def test_every_option_of_a_load_is_one_of_the_command(run):
    page = run("load", "--help")
    assert [name for name in (*OPTION_NAMES, "type", "dry-run") if f"--{name} " not in page] == []


def test_a_dry_run_prints_how_a_file_is_read(run, tmp_path):
    # Given a file with decimal commas and a title
    path = tmp_path / "prices.csv"
    path.write_text("Prices of 2020;;\nzip;price;name\n00501;1,5;a\n00544;2,5;b\n")
    # when it is tried
    page = run("load", str(path), "--dry-run", "--type", "zip=text")
    # then columns, notes and first records are printed, and nothing was loaded
    assert "2 records, identified by" in page
    assert "Note: price: Read as numbers with a decimal comma." in page
    assert "00501" in page
    assert run.json("data") == []


def test_records_are_printed_as_a_table_as_json_and_as_files(loaded, tmp_path):
    query = ("--where", "magnitude.gte=2.9", "--sort=-magnitude", "--fields", "id,magnitude")
    assert loaded.json("data", *query) == [{"id": "q30", "magnitude": 3.0}, {"id": "q29", "magnitude": 2.9}]
    assert "q29" in loaded("data", *query)
    assert loaded("data", *query, "--format", "csv") == "id,magnitude\nq30,3.0\nq29,2.9\n"
    path = tmp_path / "out.parquet"
    assert loaded("data", "--format", "parquet", "-o", str(path)) == ""
    assert path.read_bytes().startswith(b"PAR1")
    assert loaded.json("data", "--distinct", "network", "--limit", "1") == [{"value": "ak", "count": 15}]
    assert loaded.json("data", "--search", "q17", "--fields", "id") == [{"id": "q17"}]


def test_a_table_shows_the_first_records_and_how_to_see_more(loaded):
    assert "q20" in loaded("data")
    assert loaded.error == "The first 20 records; --limit prints more.\n"
    assert "q21" in loaded("data", "--limit", "21")
    loaded("data", "--where", "id=nothing")
    assert loaded.error == "No records.\n"


# jobs


def test_a_job_is_submitted_with_everything_that_it_may_have(loaded):
    words = [
        "submit",
        "histogram",
        "-p",
        "column=magnitude",
        "-p",
        "bins=7",
        "--tag",
        "a",
        "--tag",
        "b",
        "--start",
        "q1",
    ]
    words += ["--where", "network=ak", "--where", "magnitude.gte=1", "--search", "q", "--priority", "high"]
    job = loaded.json(*words, "--timeout", "60", "--delay", "5", "--max-attempts", "2")
    assert job["params"] == {"column": "magnitude", "bins": 7}
    assert job["where"] == {"network": {"in": ["ak"]}, "magnitude": {"gte": "1"}}
    assert (job["tags"], job["start"], job["search"]) == (["a", "b"], "q1", "q")
    assert (job["priority"], job["timeout"], job["max_attempts"], job["status"]) == ("high", 60, 2, "scheduled")


def test_all_parameters_come_from_json_or_a_file(loaded, tmp_path):
    (tmp_path / "params.json").write_text('{"column": "magnitude", "bins": 3}')
    job = loaded.json("submit", "histogram", "--params", f"@{tmp_path}/params.json", "-p", "bins=4")
    assert job["params"] == {"column": "magnitude", "bins": 4}
    loaded("submit", "histogram", "--params", "[1]", status=2)
    loaded("submit", "histogram", "--params", "@nothing", status=2)


def test_a_plain_submission_prints_the_id_alone_and_its_beginning_is_enough(loaded):
    number = loaded("submit", "sleep").strip()
    assert loaded.json("show", number[:6])["id"] == number
    assert number in loaded("list", "--tag", "x") + loaded("list")
    assert loaded("cancel", number[:8]).strip() == number
    assert loaded.json("list", "--status", "cancelled")[0]["id"] == number
    assert loaded("show", number).count("cancelled") == 1


def test_a_beginning_of_several_ids_is_refused(loaded):
    for _ in range(17):
        jobs.add_job(None, None, "sleep", params={"seconds": 0})
    firsts = [job["id"][0] for job in loaded.json("list")]
    ambiguous = next(first for first in firsts if firsts.count(first) > 1)
    loaded("show", ambiguous, status=2)
    assert "write more of it" in loaded.error


def test_waiting_for_a_job_that_was_cancelled_is_status_1(loaded):
    one, two = loaded("submit", "sleep").strip(), loaded("submit", "sleep").strip()
    loaded("cancel", one, two)
    assert loaded("wait", one, two, status=1) == f"{one} cancelled\n{two} cancelled\n"
    assert [job["status"] for job in loaded.json("wait", one, two, status=1)] == ["cancelled"] * 2
    assert loaded.error == ""
    assert loaded.json("retry", one)["retry_of"] == one
    assert loaded.json("delete", one) == {"id": one}
    assert loaded.json("logs", two) == {"job": two, "log": ""}


def test_waiting_ends_in_time(loaded):
    number = loaded("submit", "sleep").strip()
    loaded("wait", number, "--timeout", "0", status=4)
    assert "had not ended after 0 s" in loaded.error


def test_results_are_printed_saved_and_given_as_they_are(answers, tmp_path):
    document = {
        "job": "1" * 36,
        "analysis": "groups",
        "params": {},
        "count": 1234,
        "result": {"mean": 1.23456, "columns": {"a": {"count": 3}, "b": {"count": 4, "least": [1]}}},
        "artifacts": [{"name": "../table.csv", "type": "text/csv"}, {"name": "plot.png", "type": "image/png"}],
    }
    own = f"/jobs/{document['job']}/results"
    given = {
        ("GET", own): (200, document),
        ("GET", f"{own}/..%2Ftable.csv"): (200, 1),
        ("GET", f"{own}/plot.png"): (200, 2),
    }
    run, _ = answers(given)
    assert run.json("results", document["job"]) == document
    page = run("results", document["job"], "--save", str(tmp_path / "new" / "folder"))
    assert "groups of 1,234 records" in page
    assert "mean: 1.235" in page
    # then no name leads out of the folder
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == [
        "plot.png",
        "results.json",
        "table.csv",
    ]
    assert run("results", document["job"], "--artifact", "plot.png") == "2"
    document["artifacts"] = []
    assert "least" in run("results", document["job"])


def test_all_that_match_are_acted_on(answers):
    counts = {"matched": 1200, "done": 1199, "skipped": 1}
    run, requests = answers(
        {
            ("POST", "/jobs/cancel?status=submitted&tag=x"): (200, counts),
            ("POST", "/jobs/retry?status=failed"): (202, {}, {"Location": "/operations/7"}),
            ("GET", "/operations/7"): (200, counts | {"status": "complete"}),
            ("DELETE", f"/jobs?created_before={PAST.replace(':', '%3A')}"): (200, counts),
        }
    )
    assert run.json("cancel", "--all", "--status", "submitted", "--tag", "x") == counts
    assert run("retry", "--all", "--status", "failed") == "1,200 matched, 1,199 submitted again, 1 skipped\n"
    assert run("delete", "--all", "--created-before", PAST).startswith("1,200 matched, 1,199 deleted")
    assert len(requests) == 4


@pytest.mark.parametrize(
    "words",
    [
        ["cancel"],
        ["cancel", "1", "--all"],
        ["cancel", "1", "--status", "submitted"],
        ["delete", "--all"],
        ["load"],
        ["load", "nothing.csv"],
        ["load", "-", "--from-source"],
        ["data", "--where", "magnitude"],
        ["data", "--distinct", "a", "--sort", "a"],
        ["data", "--format", "csv", "--limit", "1001"],
        ["submit"],
        ["submit", "sleep", "-p", "seconds"],
        ["--url", "ftp://x", "list"],
        ["nothing"],
    ],
)
def test_a_call_that_cannot_be_meant_is_status_2(words):
    result = CliRunner().invoke(app, words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr


# analyses, top


def test_analyses_are_printed(run):
    assert "Histogram of a column" in run("analyses")
    assert "bins" in run("analyses", "histogram")
    assert run.json("analyses", "sleep")["name"] == "sleep"
    assert len(run.json("analyses")) > 5


def test_top_prints_one_look_where_there_is_no_terminal(run, worker):
    run("submit", "sleep")
    assert "1 waiting" in run("top")
    assert jobs.q.get()
    looked = run.json("top")
    assert (looked["stats"]["workers"], looked["workers"][0]["id"]) == (1, worker)
    assert looked["jobs"][0]["status"] == "in progress"


# errors


def test_what_the_api_refuses_is_status_3(run):
    run("submit", "nothing", status=3)
    assert run.error.startswith("Error 422: Nothing was queued.")
    # each invalid value is named once
    assert run.error.count("Expected one of") == 1
    assert run("submit", "nothing", "--json", status=3) == ""
    assert json.loads(run.error)["type"] == "/problems/unknown-analysis"
    run("show", "1", status=3)


@pytest.mark.parametrize("status", [500, 503])
def test_an_api_that_cannot_serve_is_status_4(answers, status):
    run, _ = answers(
        {("GET", "/analyses"): (status, {"detail": "Down.", "type": "/problems/unavailable", "status": status})}
    )
    run("analyses", status=4)
    assert f"{status}: Down." in run.error


def test_a_missing_key_is_status_3_with_the_variable_that_holds_it(answers):
    run, _ = answers({("GET", "/jobs?limit=20"): (401, {"detail": "Send a key.", "status": 401})})
    run("list", status=3)
    assert run.error == "Error 401: Send a key. This command reads the key from JOBS_API_KEY.\n"


def test_a_file_that_cannot_be_read_is_status_2(run, tmp_path):
    run("load", str(tmp_path / "absent.csv"), status=2)
    assert run.error == f"Error: {tmp_path / 'absent.csv'}: No such file or directory.\n"


def test_a_narrow_terminal_shows_the_beginnings_of_ids(loaded, monkeypatch):
    jid = loaded("submit", "summary").strip()
    assert jid in loaded("list")
    monkeypatch.setattr("cli.session._PIPED_WIDTH", 80)
    lines = [line for line in loaded("list").splitlines() if line.strip()]
    assert lines[0].split() == ["id", "analysis", "status", "progress", "created", "tags"]
    assert lines[2].split()[:4] == [jid[:8], "summary", "submitted", "0%"]


def test_an_api_that_is_not_there_is_status_4(monkeypatch):
    def refuse(request):
        raise httpx.ConnectError("refused")

    run = Run(monkeypatch, httpx.MockTransport(refuse))
    run("list", status=4)
    assert run.error == "Error: http://localhost does not answer: refused\n"
    assert run("--json", "list", status=4) == ""
    assert json.loads(run.error)["status"] is None


# values

SCHEMA = {
    "$defs": {"Near": {"type": "object"}, "Mode": {"enum": ["fast", "slow"]}},
    "properties": {
        "bins": {"type": "integer"},
        "factor": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "name": {"type": "string"},
        "on": {"type": "boolean"},
        "by": {"type": ["array", "string", "null"], "items": {"type": "string"}},
        "sizes": {"type": "array", "items": {"type": "integer"}},
        "near": {"anyOf": [{"$ref": "#/$defs/Near"}, {"type": "null"}]},
        "mode": {"$ref": "#/$defs/Mode"},
        "every": {"anyOf": [{"type": "string"}, {"type": "number"}]},
    },
}


@pytest.mark.parametrize(
    ("texts", "params"),
    [
        (["bins=7"], {"bins": 7}),
        (["bins=7.5"], {"bins": "7.5"}),
        (["factor=7"], {"factor": 7.0}),
        (["factor=1e-3"], {"factor": 0.001}),
        (["factor=null"], {"factor": None}),
        (["name=7"], {"name": "7"}),
        (["name=a=b"], {"name": "a=b"}),
        (["name=null"], {"name": "null"}),
        (["on=yes"], {"on": True}),
        (["on=FALSE"], {"on": False}),
        (["by=a"], {"by": "a"}),
        (["by=a,b"], {"by": ["a", "b"]}),
        (["by=a", "by=b"], {"by": ["a", "b"]}),
        (['by=["a,b"]'], {"by": ["a,b"]}),
        (["sizes=1"], {"sizes": [1]}),
        (["sizes=1, 2", "sizes=3"], {"sizes": [1, 2, 3]}),
        (['near={"x": 1}'], {"near": {"x": 1}}),
        (["near={x"], {"near": "{x"}),
        (["mode=fast"], {"mode": "fast"}),
        (["every=6h"], {"every": "6h"}),
        (["every=6"], {"every": 6.0}),
        (["other=7"], {"other": 7}),
        (["other=x"], {"other": "x"}),
    ],
)
def test_parameters_have_the_types_of_the_schema(texts, params):
    assert repr(read_params(map(read_pair, texts), SCHEMA)) == repr(params)


@pytest.mark.parametrize(
    ("texts", "where"),
    [
        (["a=1"], {"a": {"in": ["1"]}}),
        (["a=1", "a=2", "a.ne=3"], {"a": {"in": ["1", "2"], "ne": "3"}}),
        (["a.in=1,2"], {"a": {"in": ["1", "2"]}}),
        (["a="], {"a": {"in": [None]}}),
        (["a.gte=1", "a.lt=9"], {"a": {"gte": "1", "lt": "9"}}),
        (["field.limit.gte=1"], {"limit": {"gte": "1"}}),
        (["field.in=1"], {"field": {"in": ["1"]}}),
        (["geometry.lat=1"], {"geometry.lat": {"in": ["1"]}}),
        (['{"a": 1}', "b=2"], {"a": 1, "b": {"in": ["2"]}}),
    ],
)
def test_filters_are_read_as_where(texts, where):
    assert read_where(texts) == where


def test_parameters_are_read_from_standard_input(loaded):
    assert loaded.json("submit", "sleep", "--params", "@-", stdin='{"seconds": 1}')["params"] == {"seconds": 1}
