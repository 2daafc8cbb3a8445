"""Picture, enum and scripts say the same of the states of a job."""

from __future__ import annotations

import re
from contextlib import suppress
from itertools import product
from pathlib import Path

import pytest

import jobs
from jobs import InvalidTransition, Status, Submission

ROOT = Path(__file__).parents[2]
PICTURE = (ROOT / "docs" / "states.md").read_text()
ARROWS = {
    (before, after): by
    for before, after, by in re.findall(r"^    (\[\*\]|[a-z ]+) --> ([a-z ]+): (\w+)$", PICTURE, re.M)
}


def test_the_picture_has_every_status_and_no_other():
    assert {after for _, after in ARROWS} == set(Status)
    assert {before for before, _ in ARROWS} - {"[*]"} == {status for status in Status if not status.ended}


def test_the_page_has_the_sentence_of_every_status():
    source = (ROOT / "jobstore" / "model.py").read_text()
    for status in Status:
        sentence = re.search(rf'{status.name} = "{status}"  #: (.+)', source)
        assert sentence
        assert f"| `{status}` | {sentence[1]} |" in PICTURE


def test_every_arrow_names_a_script():
    for name in ARROWS.values():
        assert (ROOT / "jobstore" / "lua" / f"{name}.lua").exists()


def _job_in(status: str) -> str:
    """A job that has come to this status."""
    delay = 60 if status == "scheduled" else 0
    jid = jobs.add_jobs([Submission(start=None, end=None, analysis="sleep", delay=delay)])[0][0]["id"]
    if status in ("in progress", "complete", "failed"):
        taken = jobs.q.get()
        if status == "complete":
            jobs.q.defer_complete(taken, "{}", [], "")
        elif status == "failed":
            jobs.q.defer_release(taken, "invalid", "{}", "")
        jobs.q.flush()
    elif status == "cancelled":
        jobs.cancel_job(jid)
    assert jobs.get_job_by_id(jid)["status"] == status
    return jid


def _try(verb: str, jid: str, worker: str) -> None:
    held = jobs.ClaimedJob(jid, "1", "sleep", "null", "null", "{}", "")
    if verb == "promote":
        jobs._run("promote", 1, jid)
    elif verb == "claim":
        jobs.q.get()
    elif verb == "finish":
        jobs.q.defer_complete(held, "{}", [], "")
    elif verb == "cancel":
        with suppress(InvalidTransition):
            jobs.cancel_job(jid)
    else:
        jobs.q.defer_release(held, verb, "{}", "")
    jobs.q.flush()


@pytest.mark.parametrize(
    ("status", "verb"),
    list(product(Status, ["promote", "claim", "finish", "cancel", "drain", "error", "invalid"])),
)
def test_a_script_changes_a_status_only_along_an_arrow(worker, status, verb):
    jid = _job_in(status)

    _try(verb, jid, worker)

    after = jobs.get_job_by_id(jid)["status"]
    script = "release" if verb in ("drain", "error", "invalid") else verb
    if after != status:
        assert ARROWS[status, after] == script
    else:
        arrows = {target for (before, target), by in ARROWS.items() if (before, by) == (status, script)}
        assert not arrows
    assert {one: jobs.get_jobs(status=one).total for one in Status} == {one: int(one == after) for one in Status}
    assert jobs.get_stats()["jobs"] == {one: int(one == after) for one in Status}
