"""Trials of the API: it is killed at a step of a request, and the client repeats the request."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from flask.testing import FlaskClient

import api
import jobs
from tests.faults.trials.harness import Harness, Verdict

__all__ = ["change", "data", "post"]

_KEY = {"Idempotency-Key": "the-same"}


def post(harness: Harness, verdict: Verdict) -> None:
    """Submit one job or a list under an idempotency key: all of them exist, once, or none."""
    many = harness.dice.choice([1, 5])
    asked = [{"start": None, "end": None, "analysis": "sleep", "params": {"seconds": 0}} for _ in range(many)]
    first, second = (
        _ask(harness, lambda client: client.post("/jobs", json=asked if many > 1 else asked[0], headers=_KEY))
        for _ in range(2)
    )
    if second is None or second[0] != 202:
        verdict.unexpected.append(f"the second response was {second}")
    elif first is not None and _ids(first[1]) != _ids(second[1]):
        verdict.two_results.append("two requests with one key added different jobs")
    else:
        harness.ids = _ids(second[1])
    if jobs.get_jobs().total != many:
        verdict.lost.append(f"{many} jobs were submitted, {jobs.get_jobs().total} exist")
    harness.start_worker()
    harness.check(verdict, max_charged=0)


def change(harness: Harness, verdict: Verdict) -> None:
    """Cancel, retry or delete a job."""
    verb = harness.dice.choice(["cancel", "retry", "delete"])
    jid = harness.add({}, delay=100)[0]
    if verb != "cancel":
        jobs.cancel_job(jid)

    def ask(client: FlaskClient) -> Any:
        if verb == "delete":
            return client.delete(f"/jobs/{jid}")
        return client.post(f"/jobs/{jid}/{verb}", headers=_KEY if verb == "retry" else {})

    first, second = (_ask(harness, ask) for _ in range(2))
    expected = {"cancel": [200], "retry": [202], "delete": [204, 404]}[verb]
    for answer in (first, second):
        if answer is not None and answer[0] not in expected:
            verdict.unexpected.append(f"{verb} got {answer}")
    harness.ids = [job["id"] for job in jobs.get_jobs().jobs]
    if len(harness.ids) != {"cancel": 1, "retry": 2, "delete": 0}[verb]:
        verdict.unexpected.append(f"after {verb} there are {len(harness.ids)} jobs")
    harness.start_worker()
    harness.check(verdict, max_charged=0)


def data(harness: Harness, verdict: Verdict) -> None:
    """Replace or delete the dataset while a job waits for the old one."""
    deletes = harness.dice.random() < 0.3
    csv = {"Content-Type": "text/csv"}
    _ask(harness, lambda client: client.post("/data", data="id,x\n1,2\n", headers=csv), cue=False)
    old = (jobs.rd.get("data.current") or b"").decode()
    job = jobs.add_job(None, None, "summary", dataset=old)
    harness.ids.append(job["id"])
    again = "id,x\n" + "\n".join(f"{n},{n * n}" for n in range(200))

    def ask(client: FlaskClient) -> Any:
        if deletes:
            return client.delete("/data")
        return client.post("/data", data=again, headers=csv)

    _ask(harness, ask)
    second = _ask(harness, ask)
    if second is None or second[0] != (204 if deletes else 201):
        verdict.unexpected.append(f"the second response was {second}")
    harness.start_worker()
    harness.check(verdict, max_charged=0)
    if not deletes and (jobs.rd.get("data.current") or b"").decode() != second[1]["version"]:
        verdict.unexpected.append("the dataset is not the one in the response")
    if jobs.rd.exists(f"data.{old}"):
        verdict.unexpected.append("the old dataset still exists although no job needs it")
    if harness.status(job["id"]) != "complete":
        verdict.unexpected.append(f"the job on the old dataset is {harness.status(job['id'])}")


def _ask(harness: Harness, ask: Callable[[FlaskClient], Any], *, cue: bool = True) -> tuple[int, Any] | None:
    """Run a request in a process of the API; return status and body, None if it died before."""
    answered = harness.folder / "answered"
    answered.unlink(missing_ok=True)

    def play() -> None:
        client = api.create_app().test_client()
        if cue:
            harness.counter.cue()
        answer = ask(client)
        answered.write_text(json.dumps([answer.status_code, answer.get_json(silent=True)]))

    pid = harness.fork_api(play)
    harness.wait(lambda: not harness.is_alive(pid))
    if not answered.exists():
        return None
    status, body = json.loads(answered.read_text())
    return status, body


def _ids(body: Any) -> list[str]:
    made = body if isinstance(body, list) else [body]
    return [job["id"] for job in made]
