"""Results, artifacts, logs, and waiting for them."""

import json
import threading

import pytest

import jobs
from api import create_app
from web.long_polling import LongPolling

NAP = {"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0}}
PNG, SVG, CSV = b"\x89PNG", b"<svg/>", "bin,Ω\n".encode()
ARTIFACTS = {"plot.png": ("image/png", PNG), "plot.svg": ("image/svg+xml", SVG), "a b/c.csv": ("text/csv", CSV)}


@pytest.fixture
def client(rd, worker, monkeypatch):
    monkeypatch.setattr(jobs, "open_pubsub", rd.pubsub)
    return create_app(redis_client=rd).test_client()


def complete(job, artifacts=ARTIFACTS):
    """End a job as a worker would."""
    document = {
        "job": job.id,
        "result": {"slept": 0, "mean": None},
        "artifacts": [{"name": name, "type": type_, "bytes": len(c)} for name, (type_, c) in artifacts.items()],
    }
    jobs.q.defer_complete(job, json.dumps(document), [(name, c) for name, (_, c) in artifacts.items()], "it ran\n")
    assert jobs.q.flush() == "complete"


@pytest.fixture
def done(client):
    """The address of a complete job."""
    own = client.post("/jobs", json=NAP).headers["Location"]
    complete(jobs.q.get())
    return own


def type_of(answer):
    return json.loads(answer.data)["type"]


def test_results_come_with_the_addresses_of_their_artifacts(client, done):
    answer = client.get(f"{done}/results")
    assert answer.status_code == 200
    assert answer.json["result"] == {"slept": 0, "mean": None}
    for artifact in answer.json["artifacts"]:
        media_type, content = ARTIFACTS[artifact["name"]]
        got = client.get(artifact["url"])
        assert (got.status_code, got.mimetype, got.data) == (200, media_type, content)
        assert got.headers["Cache-Control"] == "no-cache"
        assert client.get(artifact["url"], headers={"If-None-Match": got.headers["ETag"]}).status_code == 304


def test_results_are_asked_again_by_tag(client, done):
    answer = client.get(f"{done}/results")
    assert (answer.headers["Cache-Control"], answer.headers["Vary"]) == ("no-cache", "Accept")
    again = client.get(f"{done}/results", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data, again.headers["Vary"]) == (304, b"", "Accept")


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("text/html, */*;q=0.1", "application/json"),
        ("application/json, image/png", "application/json"),
        ("image/png", "image/png"),
        ("IMAGE/PNG", "image/png"),
        ("image/*", "image/png"),
        ("image/svg+xml", "image/svg+xml"),
        ("text/csv", "text/csv"),
        ("image/avif, image/*, */*;q=0.8", "image/png"),
        ("application/json;q=0.5, text/csv;q=0.9", "text/csv"),
        ("image/png, */*", "image/png"),
        ("image/png;q=0, image/*", "image/svg+xml"),
    ],
)
def test_accept_chooses_the_results_or_an_artifact(client, done, accept, media_type):
    answer = client.get(f"{done}/results", headers={} if accept is None else {"Accept": accept})
    assert (answer.status_code, answer.mimetype) == (200, media_type)
    assert answer.headers["Vary"] == "Accept"


@pytest.mark.parametrize("accept", ["text/html", "image/gif", "*/*;q=0", "video/*"])
def test_nothing_acceptable_is_406(client, done, accept):
    answer = client.get(f"{done}/results", headers={"Accept": accept})
    assert (answer.status_code, type_of(answer)) == (406, "/problems/not-acceptable")


@pytest.mark.parametrize("accept", [";;q=x", "\xff", "image/png;q=nan", "a/b/c", ","])
def test_a_broken_accept_is_no_mistake_of_the_server(client, done, accept):
    assert client.get(f"{done}/results", headers={"Accept": accept}).status_code in (200, 406)


def test_a_figure_cannot_run_scripts(client, done):
    headers = client.get(f"{done}/results/plot.svg").headers
    assert "sandbox" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["nope.png", "%ff", "%00", "plot.png%0a", "..", "document"])
def test_an_artifact_that_is_not_there_is_404(client, done, name):
    answer = client.get(f"{done}/results/{name}")
    assert (answer.status_code, type_of(answer)) == (404, "/problems/artifact-not-found")


def test_results_that_are_not_ready_are_404_with_a_time_to_come_back(client):
    own = client.post("/jobs", json=NAP).headers["Location"]
    for path in ("results", "results?wait=0.01", "results/plot.png"):
        answer = client.get(f"{own}/{path}")
        assert (answer.status_code, type_of(answer)) == (404, "/problems/result-not-ready")
        assert answer.headers["Retry-After"] == "1"
    jobs.q.get()
    assert type_of(client.get(f"{own}/results")) == "/problems/result-not-ready"


def test_a_cancelled_job_has_no_results(client):
    own = client.post("/jobs", json=NAP).headers["Location"]
    client.post(f"{own}/cancel")
    answer = client.get(f"{own}/results")
    assert (answer.status_code, type_of(answer)) == (409, "/problems/job-cancelled")
    assert "error" in json.loads(answer.data)


def test_a_failed_job_tells_its_error(client):
    # Given a job that may be tried once, and fails
    own = client.post("/jobs", json={**NAP, "max_attempts": 1}).headers["Location"]
    error = {"type": "ValueError", "message": "no", "reason": "error"}
    jobs.q.defer_release(jobs.q.get(), "error", json.dumps(error), "it failed\n")
    jobs.q.flush()
    # when its results are asked for, then its error comes
    for path in ("results", "results/plot.png"):
        answer = client.get(f"{own}/{path}")
        assert (answer.status_code, type_of(answer)) == (409, "/problems/job-failed")
        assert json.loads(answer.data)["error"] == error == client.get(own).json["error"]


def test_the_log_is_text(client, done):
    answer = client.get(f"{done}/log")
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    assert "it ran" in answer.text
    assert client.get(client.post("/jobs", json=NAP).headers["Location"] + "/log").text == ""


def test_retry_after_only_while_unfinished(client, done):
    assert "Retry-After" not in client.get(done).headers
    own = client.post("/jobs", json=NAP).headers["Location"]
    assert client.get(own).headers["Retry-After"] == "1"


@pytest.mark.parametrize("wait", ["", "-1", "nan", "inf", "1e3", "x", "1_0", "%00", "5&wait=5"])
def test_a_bad_wait_is_invalid(client, done, wait):
    for path in (done, f"{done}/results"):
        answer = client.get(f"{path}?wait={wait}")
        assert answer.status_code == 422
        assert json.loads(answer.data)["errors"][0]["parameter"] == "wait"


@pytest.mark.parametrize("wait", ["0", "0.5", "60", "99999"])
def test_nobody_waits_for_what_has_ended(client, done, wait):
    assert client.get(f"{done}?wait={wait}").json["status"] == "complete"
    assert client.get(f"{done}/results?wait={wait}").status_code == 200


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("wait=5", "wait=5"),
        ("respond-async, WAIT = 100; x=y", "wait=60"),
        ('wait="7"', "wait=7"),
        ("wait=x", None),
        ("wait=-5", None),
        ("\xff,,=", None),
    ],
)
def test_a_preference_to_wait_is_answered(client, done, prefer, applied):
    for path in (done, f"{done}/results"):
        assert client.get(path, headers={"Prefer": prefer}).headers.get("Preference-Applied") == applied


# Long polling itself


class Waiter(threading.Thread):
    def __init__(self, client, path):
        super().__init__()
        self.client, self.path = client.application.test_client(), path
        self.start()

    def run(self):
        self.answer = self.client.get(self.path)

    def answered(self):
        self.join(30)
        return self.answer


def until_waiting(waiting, count):
    """Return once so many wait."""
    pause = threading.Event()
    while waiting._count != count:
        pause.wait(0.005)


def test_who_waits_is_answered_when_the_job_ends(client):
    # Given two who wait for a job, and one for its results
    own = client.post("/jobs", json=NAP).headers["Location"]
    waiters = [Waiter(client, f"{own}{path}?wait=60") for path in ("", "", "/results")]
    until_waiting(client.application.extensions["waiting"], 3)
    # when it ends, then all are answered with its end
    complete(jobs.q.get())
    first, second, results = [waiter.answered() for waiter in waiters]
    assert first.json["status"] == second.json["status"] == "complete"
    assert results.status_code == 200
    assert client.application.extensions["waiting"]._watched == {}


def test_who_waits_for_a_job_that_is_deleted_learns_it(client):
    own = client.post("/jobs", json=NAP).headers["Location"]
    waiter = Waiter(client, f"{own}?wait=60")
    until_waiting(client.application.extensions["waiting"], 1)
    client.post(f"{own}/cancel")
    client.delete(own)
    assert waiter.answered().status_code in (200, 404)


def test_a_drain_answers_all_who_wait_and_nobody_waits_after_it(client):
    own = client.post("/jobs", json=NAP).headers["Location"]
    waiter = Waiter(client, f"{own}?wait=60")
    waiting = client.application.extensions["waiting"]
    until_waiting(waiting, 1)
    waiting.drain()
    assert waiter.answered().json["status"] == "submitted"
    assert client.get(f"{own}?wait=60").json["status"] == "submitted"


def test_with_all_places_taken_the_answer_comes_at_once(client):
    own = client.post("/jobs", json=NAP).headers["Location"]
    client.application.extensions["waiting"] = waiting = LongPolling(1)
    waiter = Waiter(client, f"{own}?wait=60")
    until_waiting(waiting, 1)
    assert client.get(f"{own}?wait=60").json["status"] == "submitted"
    waiting.drain()
    waiter.answered()


@pytest.mark.parametrize("wait", ["0.5", "1e-3", "1e-05", "1E-9", "0.0", "007"])
def test_seconds_may_be_written_as_programs_write_them(client, done, wait):
    assert client.get(f"{done}?wait={wait}").status_code == 200
    assert client.get(f"{done}/results?wait={wait}").status_code == 200


def test_the_wait_is_over_in_time(client):
    own = client.post("/jobs", json=NAP).headers["Location"]
    assert client.get(f"{own}?wait=0.05").json["status"] == "submitted"
