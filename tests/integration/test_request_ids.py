"""Request ids, also of requests that no route sees, and the lines that API and worker log for them."""

from __future__ import annotations

import json
import re
import shutil
from typing import Any

import pytest

import jobs
from tests.conftest import ROOT, Server, eventually
from tests.faults.raw_http import RawConnection
from tests.keys import bearer, line_of, write_keys

LONG = b"X-Long: " + b"x" * 9000
REFUSED = {
    "an invalid length": (400, b"GET /jobs HTTP/1.1\r\nHOST\r\nID\r\nContent-Length: x\r\n\r\n"),
    "a line that is no header": (400, b"GET /jobs HTTP/1.1\r\nHOST\r\nID\r\nno header\r\n\r\n"),
    "a body that is not JSON": (400, b"POST /jobs HTTP/1.1\r\nHOST\r\nID\r\nContent-Length: 1\r\n\r\n{"),
    "a body above the limit": (413, b"POST /jobs HTTP/1.1\r\nHOST\r\nID\r\nContent-Length: 99999999\r\n\r\n"),
    "a long header": (431, b"GET /jobs HTTP/1.1\r\nHOST\r\nID\r\n" + LONG + b"\r\n\r\n"),
    "a long header first": (431, b"GET /jobs HTTP/1.1\r\nHOST\r\n" + LONG + b"\r\nID\r\n\r\n"),
    "an unknown coding": (501, b"GET /jobs HTTP/1.1\r\nHOST\r\nID\r\nTransfer-Encoding: x\r\n\r\n"),
}


@pytest.fixture
def api(live, shared_api):
    return shared_api.client.base_url.port, shared_api.process.log


def ask(port: int, request: bytes, request_id: bytes) -> Any:
    with RawConnection(port) as connection:
        return connection.send(request.replace(b"\r\nID\r\n", b"\r\nX-Request-Id: " + request_id + b"\r\n")).answer()


def test_a_refused_request_has_its_id_in_the_answer_and_in_the_log(api):
    port, log = api
    for number, (what, (status, request)) in enumerate(REFUSED.items()):
        own = f"refused-{number}"
        answer = ask(port, request, own.encode())
        assert answer.status == status, what
        assert answer.headers["x-request-id"] == json.loads(answer.body)["request_id"] == own, what
        lines = eventually(lambda own=own: re.findall(rf"^.* request_id={own}$", log.read_text(), re.M))
        assert all(f"status={status}" in line for line in lines), what


@pytest.mark.parametrize("given", [b"two words", b"x" * 129, b"\xe4", b""])
def test_an_id_that_cannot_be_used_is_replaced(api, given):
    port, log = api
    made = set()
    for status, request in REFUSED.values():
        answer = ask(port, request, given)
        assert answer.status in (status, 400)
        own = answer.headers["x-request-id"]
        assert re.fullmatch("[0-9a-f]{32}", own)
        assert json.loads(answer.body)["request_id"] == own
        eventually(lambda own=own: f"request_id={own}\n" in log.read_text())
        made.add(own)
    assert len(made) == len(REFUSED)


@pytest.mark.long
def test_a_slow_request_has_its_id_in_the_answer(api):
    port, log = api
    with RawConnection(port, 60) as connection:
        answer = connection.send(
            b"POST /jobs HTTP/1.1\r\nHOST\r\nX-Request-Id: slow\r\nContent-Length: 9\r\n\r\n{"
        ).answer()
    assert answer.status == 408
    assert answer.headers["x-request-id"] == json.loads(answer.body)["request_id"] == "slow"
    eventually(lambda: "status=408 request_id=slow\n" in log.read_text())


FAILS = '''
"""Fails, and quotes its parameters."""

import logging

from analyses.kit import Params, Progress


class FailsParams(Params):
    text: str = "none"


def run(params: FailsParams, progress: Progress) -> dict[str, int]:
    logging.getLogger(__name__).warning("the text is %s", params.text)
    logging.warning("and it is %s", params.text)
    raise ValueError(f"{params.text} is wrong")
'''
SECRET = "do-not-log"


@pytest.fixture
def with_fails(tmp_path) -> dict[str, Any]:
    """The settings of a worker that knows one more analysis, which quotes its parameters in its log and its error."""
    folder = tmp_path / "service"
    shutil.copytree(ROOT / "analyses", folder / "analyses")
    (folder / "analyses" / "fails.py").write_text(FAILS)
    for module in [*ROOT.glob("*.py"), *(file.parent for file in ROOT.glob("*/__init__.py"))]:
        if module.name != "analyses":
            (folder / module.name).symlink_to(module)
    return {"PYTHONPATH": folder, "PYTHONSAFEPATH": "1"}


@pytest.mark.parametrize("format", ["text", "json"])
def test_neither_secrets_nor_parameters_are_logged(start, start_api, start_worker, with_fails, tmp_path, format):
    # Given a service with keys and a dataset
    keys = write_keys(tmp_path / "keys", line_of("root", "admin", f"{SECRET}-key"))
    log = {"LOG_FORMAT": format, "LOG_LEVEL": "INFO"}
    start_worker(1, **with_fails, **log)
    api = start_api(API_KEYS_FILE=keys, **log)
    api.headers.update(bearer(f"{SECRET}-key") | {"X-Request-Id": "leaks"})
    data = f"id,place,magnitude\n1,{SECRET},5\n2,elsewhere,4\n"
    assert api.post("/data", content=data, headers={"Content-Type": "text/csv"}).status_code == 201

    # when jobs have secret parameters, selections and tags, one of which quotes them, and others are refused
    def end(jid: str) -> Any:
        return api.get(f"/jobs/{jid}?wait=30").json()

    options: dict[str, Any] = {"params": {"text": SECRET}, "tags": (SECRET,), "request_id": "leaks"}
    failed = end(jobs.add_job(None, None, "fails", max_attempts=1, **options)["id"])
    assert failed["error"]["message"] == f"{SECRET} is wrong"
    chosen = {"where": {"place": {"contains": SECRET}}, "search": SECRET, "tags": [SECRET]}
    accepted = api.post("/jobs", json=chosen, headers={"Idempotency-Key": f"{SECRET}-once"})
    assert end(accepted.json()["id"])["status"] == "complete"
    refused = [
        api.post("/jobs", json={"analysis": "histogram", "params": {"column": SECRET}}),
        api.post("/jobs", json={"analysis": "sleep", SECRET: SECRET}),
        api.post("/jobs", content=f'{{"analysis": "{SECRET}'),
        api.get("/data", params={"search": SECRET, SECRET: SECRET}),
        api.get("/jobs", params={"tag": SECRET, "cursor": SECRET}),
        api.post("/data", content=f'id\n"{SECRET}', headers={"Content-Type": f"text/{SECRET}"}),
        api.get("/jobs", headers=bearer(f"{SECRET}-wrong")),
        api.get("/jobs", headers={"Authorization": f"Basic {SECRET}"}),
        api.post("/ui/sign-in", data={"key": SECRET}, headers={"Authorization": "", "Cookie": f"session={SECRET}"}),
        api.get("/jobs", headers={"Cookie": f"{SECRET}={'x' * 9000}"}),
    ]
    assert {answer.status_code for answer in refused} <= {400, 401, 403, 415, 422, 431}
    with RawConnection(api.base_url.port) as connection:
        head = f"GET /jobs?tag={SECRET} HTTP/1.1\r\nHOST\r\nAuthorization {SECRET}\r\n\r\n"
        assert connection.send(head.encode()).answer().status == 400

    # then all of it is logged, without them
    logs = [process.log for process in start.started]
    eventually(lambda: all("leaks" in log.read_text() for log in logs))
    written = "".join(log.read_text() for log in logs)
    assert "job failed" in written
    assert "ValueError" in written
    assert SECRET not in written


def test_the_log_of_a_job_has_the_id_of_its_request(start_api, start_worker, with_fails):
    worker = start_worker(1, **with_fails)
    api = start_api()

    jid = jobs.add_job(None, None, "fails", max_attempts=1, request_id="one")["id"]
    job = api.get(f"/jobs/{jid}?wait=30").json()

    assert (job["request_id"], job["error"]["message"]) == ("one", "none is wrong")
    log = api.get(f"/jobs/{jid}/log").text
    assert log.startswith("--- attempt 1 request_id=one ---\nWARNING analyses.fails the text is none\n")
    assert "ERROR root the analysis raised\n" in log
    assert "ValueError: none is wrong" in log
    lines = eventually(lambda: re.findall(r"^.* job (?:started|failed) .*$", worker.log.read_text(), re.M))
    assert all("request_id=one" in line for line in lines)


@pytest.mark.parametrize("format", ["text", "json"])
def test_the_password_of_redis_is_not_logged(start, tmp_path, format):
    # Given a server with a password, a worker that has it, and one that has a wrong one
    (tmp_path / "redis").mkdir()
    server = Server(tmp_path / "redis", "--requirepass", SECRET)
    files = [tmp_path / "password", tmp_path / "wrong-password"]
    for file, password in zip(files, (SECRET, f"{SECRET}-either"), strict=True):
        file.write_text(password)
    try:
        right, wrong = (
            start("worker.py", port=server.port, REDIS_PASSWORD_FILE=file, WORKERS=1, LOG_FORMAT=format)
            for file in files
        )
        assert wrong.process.wait(20) == 1
        eventually(lambda: "child registered" in right.log.read_text())
    finally:
        server.stop()
    eventually(lambda: "Redis unavailable" in right.log.read_text())

    assert "REDIS_PASSWORD" in wrong.log.read_text() or "password" in wrong.log.read_text()
    assert SECRET not in right.log.read_text() + wrong.log.read_text()
