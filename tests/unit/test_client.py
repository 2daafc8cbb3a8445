"""The Python client, on the application itself and on answers that are made up."""

import io
import json
import time

import httpx
import pytest

from api import create_app
from client import ApiError, Client

RECORDS = [{"id": f"q{n}", "magnitude": n / 10, "network": "ak" if n % 2 else "us"} for n in range(1, 31)]
NAP = {"analysis": "sleep", "params": {"seconds": 0}}


@pytest.fixture
def api(rd):
    """A client of the application."""
    app = create_app(redis_client=rd)
    with Client("http://localhost", transport=httpx.WSGITransport(app, raise_app_exceptions=False)) as found:
        yield found


@pytest.fixture
def naps(monkeypatch):
    """The seconds that the client paused; none of them passes."""
    clock, found = [0.0], []

    def sleep(seconds):
        found.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    return found


def answering(*answers, **options):
    """Return a client whose requests get these answers in turn, and the requests."""
    left, requests = list(answers), []

    def answer(request):
        requests.append((request.method, request.url.raw_path.decode(), request.read(), request.headers))
        given = left.pop(0)
        if isinstance(given, Exception):
            raise given
        status, body, *headers = given
        return httpx.Response(status, json=body, headers=headers[0] if headers else None)

    return Client("http://api.test", transport=httpx.MockTransport(answer), **options), requests


class Pipe(io.BytesIO):
    """A file that cannot be rewound."""

    def seekable(self):
        return False


# Data


@pytest.mark.parametrize("how", ["bytes", "path", "file", "pipe", "records"])
def test_a_dataset_is_loaded_from_whatever_holds_it(api, tmp_path, how):
    # Given records in a file, in memory, or in a file that cannot be rewound
    text = json.dumps(RECORDS).encode()
    path = tmp_path / "quakes.json"
    path.write_bytes(text)
    pipe = Pipe(text)
    with path.open("rb") as file:
        source = {"bytes": text, "path": path, "file": file, "pipe": pipe, "records": RECORDS}[how]
        # when they are loaded
        loaded = api.load(source)
    # then they are the dataset
    assert loaded["count"] == 30
    assert api.dataset()["version"] == loaded["version"]


def test_options_of_a_load_are_keyword_arguments_and_a_dry_run_changes_nothing(api):
    csv = b"zip;price\n00501;1,5\n00544;2,5\n"
    tried = api.load(csv, media_type="text/csv", dry_run=True, decimal=",", types={"zip": "text"}, header=True)
    assert [column["type"] for column in tried["columns"]] == ["text", "number"]
    assert tried["records"][0] == {"zip": "00501", "price": 1.5}
    assert api.dataset() is None


def test_the_media_type_is_guessed_from_the_name(tmp_path):
    for name, expected in [("a.CSV", "text/csv"), ("a.csv.gz", "application/gzip"), ("a", "application/octet-stream")]:
        (tmp_path / name).write_bytes(b"x")
        api, requests = answering((201, {}))
        api.load(tmp_path / name)
        assert requests[0][3]["Content-Type"] == expected


def test_records_are_iterated_over_all_pages(api, monkeypatch):
    api.load(RECORDS)
    monkeypatch.setattr("client.paging._MAX_PAGE", 7)
    assert [record["id"] for record in api.data()] == [record["id"] for record in RECORDS]
    assert [record["id"] for record in api.data(limit=9, sort="-magnitude")] == [f"q{n}" for n in range(30, 21, -1)]


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ({"network": "ak"}, 15),
        ({"network": ["ak", "us"]}, 0),
        ({"network": {"in": ["ak", "us"]}}, 30),
        ({"magnitude": {"gte": 2, "lt": 2.5}, "network": {"ne": "us"}}, 2),
        ({"magnitude": None}, 0),
    ],
)
def test_filters_have_the_grammar_of_jobs(api, where, count):
    api.load(RECORDS)
    assert len(list(api.data(where))) == count


def test_a_column_named_like_a_parameter_is_reached(api):
    api.load([{"id": 1, "limit": 3, "search": "x"}, {"id": 2, "limit": 5, "search": "y"}])
    assert [record["id"] for record in api.data({"limit": {"gte": 4}, "search": "y"})] == [2]


def test_records_are_exported_as_files(api):
    api.load(RECORDS)
    assert api.export("csv", {"magnitude": {"gte": 3}}, fields=["id"]) == b"id\nq30\n"
    assert json.loads(api.export("ndjson", search="q30")) == RECORDS[-1]
    assert api.export("parquet").startswith(b"PAR1")
    assert next(iter(api.distinct("network"))) == {"value": "ak", "count": 15}


def test_records_are_changed(api):
    api.load(RECORDS)
    api.append({"id": "q/31", "magnitude": 3.1})
    api.change("q/31", {"network": "nc"})
    assert api.record("q/31") == {"id": "q/31", "magnitude": 3.1, "network": "nc"}
    api.replace("q/31", {"magnitude": 4})
    assert api.record("q/31")["network"] is None
    with pytest.raises(ApiError) as refused:
        api.remove("q/31", if_match='"old"')
    assert refused.value.status == 412
    api.remove("q/31")
    assert len(list(api.data())) == 30
    api.clear()
    assert api.dataset() is None


# Jobs


def test_jobs_are_submitted_listed_cancelled_retried_and_deleted(api):
    one = api.submit("sleep", params={"seconds": 0}, tags=["x"])
    two, three = api.submit([NAP, NAP])
    assert api.job(one["id"])["tags"] == ["x"]
    assert [job["id"] for job in api.list(limit=2)] == [three["id"], two["id"]]
    assert [job["id"] for job in api.list(tag="x", status=None)] == [one["id"]]
    assert api.cancel(one["id"])["status"] == "cancelled"
    assert api.wait(one["id"])["status"] == "cancelled"
    assert api.retry(one["id"])["retry_of"] == one["id"]
    api.delete(one["id"])
    with pytest.raises(ApiError) as gone:
        api.job(one["id"])
    assert (gone.value.status, gone.value.type) == (404, "/problems/job-not-found")


def test_of_a_list_the_ids_alone_can_be_asked_for(api):
    first = api.submit_ids([NAP, NAP], idempotency_key="k")
    assert [job["id"] for job in api.list()] == [*reversed(first)]
    assert api.submit_ids([NAP, NAP], idempotency_key="k") == first


def test_a_server_that_ignores_the_preference_for_ids_is_understood():
    api, _ = answering((202, [{"id": "1"}, {"id": "2"}]))
    assert api.submit_ids([NAP, NAP]) == ["1", "2"]


def test_waiting_reports_progress_and_gives_up_in_time(api):
    one, two = api.submit([NAP, NAP])
    seen = []
    with pytest.raises(TimeoutError, match="2 of the jobs had not ended after 0 s"):
        api.wait([one["id"], two["id"]], timeout=0, on_progress=lambda job: seen.append(job["id"]))
    assert seen == [one["id"], two["id"]]
    api.cancel(one["id"])
    api.cancel(two["id"])
    assert [job["status"] for job in api.wait([two["id"], one["id"], two["id"]])] == ["cancelled"] * 3


def test_results_artifacts_and_the_log_are_fetched(api):
    job = api.submit("sleep", params={"seconds": 0})
    assert api.log(job["id"]) == ""
    with pytest.raises(ApiError) as early:
        api.results(job["id"])
    assert early.value.type == "/problems/result-not-ready"
    api, requests = answering((200, {"count": 3}), (200, {}))
    assert api.results("1") == {"count": 3}
    assert api.artifact("1", "a plot.png") == b"{}"
    assert [path for _, path, *_ in requests] == ["/jobs/1/results", "/jobs/1/results/a%20plot.png"]


def test_the_log_is_followed_to_its_end_also_where_its_beginning_was_dropped(naps):
    one, two, ended = ({"status": status} for status in ("in progress", "in progress", "complete"))
    answers = [(200, one), "a\nb\n", (200, one), (200, two), "b\nc\n", (200, two), (200, ended), "b\nc\nd\n"]
    left = list(answers)

    def answer(request):
        given = left.pop(0)
        return httpx.Response(200, text=given) if isinstance(given, str) else httpx.Response(given[0], json=given[1])

    api = Client("http://api.test", transport=httpx.MockTransport(answer))
    assert list(api.follow_log("1")) == ["a\nb\n", "b\nc\n", "d\n"]


def test_of_all_that_match_the_operation_is_waited_for(naps):
    running = {"status": "in progress", "matched": 2000, "done": 5}
    ended = running | {"status": "complete", "done": 1990, "skipped": 10}
    api, requests = answering((202, running, {"Location": "/jobs-api/operations/7"}), (200, running), (200, ended))
    assert api.cancel_all(status="submitted", tag=None) == {"matched": 2000, "done": 1990, "skipped": 10}
    assert [(method, path) for method, path, *_ in requests] == [
        ("POST", "/jobs/cancel?status=submitted"),
        ("GET", "/operations/7"),
        ("GET", "/operations/7"),
    ]


def test_an_operation_that_fails_is_an_error(naps):
    failed = {"status": "failed", "matched": 2000, "done": 5, "skipped": 0}
    api, _ = answering((202, failed, {"Location": "/operations/7"}), (200, failed))
    with pytest.raises(ApiError, match="/operations/7 is failed, with 5 of 2000 jobs done"):
        api.retry_all(status="failed")


def test_analyses_workers_and_statistics_are_read(api, worker):
    assert {about["name"] for about in api.analyses()} >= {"summary", "sleep"}
    assert api.analysis("sleep")["params"]["type"] == "object"
    assert api.workers()[0]["id"] == worker
    assert api.stats()["workers"] == 1


# Errors and repetition


def test_an_error_carries_the_problem(api):
    with pytest.raises(ApiError) as refused:
        api.submit([NAP, NAP | {"priority": "urgent"}])
    error = refused.value
    assert (error.status, error.type) == (422, "/problems/invalid")
    assert error.errors[0]["pointer"] == "/1/priority"
    assert error.request_id
    assert "/1/priority: " in str(error)


def test_an_answer_of_a_proxy_is_an_error_too():
    api = Client(
        "http://x", transport=httpx.MockTransport(lambda request: httpx.Response(502, text="Bad Gateway\n..."))
    )
    with pytest.raises(ApiError) as error:
        api.stats()
    assert str(error.value) == "502: Bad Gateway"


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_api_is_asked_again_after_the_time_that_it_names(naps, status):
    api, requests = answering(
        (status, {}, {"Retry-After": "3"}), (status, {}, {"Retry-After": "2"}), (200, {"workers": 1})
    )
    assert api.stats() == {"workers": 1}
    assert naps == [3.0, 2.0]
    assert len(requests) == 3


def test_a_pause_longer_than_all_tries_may_take_is_an_error_at_once(naps):
    api, _ = answering((429, {"detail": "Too many.", "type": "/problems/too-many-requests"}, {"Retry-After": "3600"}))
    with pytest.raises(ApiError, match="429: Too many"):
        api.stats()
    assert naps == []


def test_a_lost_connection_is_repeated_with_the_same_idempotency_key(naps):
    lost = httpx.ReadError("lost")
    api, requests = answering((200, {}), lost, httpx.RemoteProtocolError("lost"), (202, {"id": "1"}))
    api.stats()
    assert api.submit("sleep") == {"id": "1"}
    keys = {headers["Idempotency-Key"] for _, _, _, headers in requests[1:]}
    assert len(keys) == 1
    assert len(naps) == 2


def test_a_file_is_sent_again_from_its_beginning(naps):
    api, requests = answering((503, {}, {"Retry-After": "1"}), (201, {}))
    pipe = io.BytesIO(b"a,b\n1,2\n")
    api.load(pipe)
    assert [body for _, _, body, _ in requests] == [b"a,b\n1,2\n"] * 2


@pytest.mark.parametrize("failure", [httpx.ReadError("lost"), (503, {"detail": "later"}, {"Retry-After": "1"})])
def test_records_are_not_appended_twice(naps, failure):
    api, requests = answering(failure)
    with pytest.raises(ApiError):
        api.append({"id": 1})
    assert len(requests) == 1
    api, requests = answering(httpx.ConnectError("refused"), (201, {}))
    api.append({"id": 1})
    assert len(requests) == 2


def test_an_api_that_never_answered_is_given_up_soon(naps):
    api, _ = answering(*[httpx.ConnectError("refused")] * 50)
    with pytest.raises(ApiError, match=r"http://api\.test does not answer: refused") as error:
        api.stats()
    assert error.value.status is None
    assert sum(naps) < 2


def test_an_api_that_answered_before_is_waited_for(naps):
    api, requests = answering((200, {}), *[httpx.ConnectError("refused")] * 8, (200, {}))
    api.stats()
    api.stats()
    assert len(requests) == 10
    assert 10 < sum(naps) < 30


# Settings


def test_the_address_and_the_key_come_from_the_environment(monkeypatch):
    # Given an address with a path, and a key read from a file with a line's end
    monkeypatch.setenv("JOBS_API_URL", "jobs.example/jobs-api/")
    monkeypatch.setenv("JOBS_API_KEY", "secret\n")
    requests = []

    def answer(request):
        requests.append(request)
        return httpx.Response(200, json={})

    # when something is asked for
    Client(transport=httpx.MockTransport(answer)).stats()
    # then both are used
    assert str(requests[0].url) == "http://jobs.example/jobs-api/stats"
    assert requests[0].headers["Authorization"] == "Bearer secret"


def test_a_key_that_no_header_can_carry_is_refused_without_being_shown():
    with pytest.raises(ValueError, match="no header can carry") as refused:
        Client(key="geheimnisvolle Schlüssel")
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://[::1"])
def test_an_address_that_cannot_be_one_is_refused(url):
    with pytest.raises(ValueError, match="is not the address of an API"):
        Client(url)
