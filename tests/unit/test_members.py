"""Types, schema and record have the members of one list."""

from dataclasses import fields
from typing import Any

import pytest

from jobstore.model import (
    MEMBERS,
    RETRIED_FIELDS,
    SELECTION_FIELDS,
    Job,
    Submission,
    job_from_record,
    new_jobs,
    to_records,
)
from submission.schema import JobRequest

TIMES = {"delay", "run_at"}


def test_the_types_have_the_members_of_the_list():
    assert [*Job.__annotations__] == [*MEMBERS, *SELECTION_FIELDS, "attempts"]
    assert {member.name for member in fields(Submission)} - TIMES == {
        *RETRIED_FIELDS,
        "dataset",
        "retry_of",
        "owner",
        "request_id",
        "id",
        "selection",
    }


def test_a_client_may_post_what_a_retry_keeps_and_a_time():
    assert {*JobRequest.model_fields} == {*RETRIED_FIELDS, *SELECTION_FIELDS} | TIMES


@pytest.mark.parametrize("selection", [{}, {"index": "t", "where": {"a": {"gte": 1}}, "search": "x"}])
def test_a_new_job_is_what_its_record_says(selection):
    asked = Submission(
        selection=selection,
        start=1,
        end="b",
        params={"a": [1]},
        tags=("x", "y"),
        priority="high",
        dataset="v",
        retry_of="r",
        owner="ada",
        request_id="q",
    )
    common, [(jid, analysis, priority, _, _, dataset, *pairs)] = to_records(["j"], [asked])
    assert common == []
    record: dict[str, Any] = dict(zip(pairs[::2], pairs[1::2], strict=True)) | {
        "id": jid,
        "analysis": analysis,
        "priority": priority,
    }
    record |= {"dataset": dataset, "status": "submitted", "created": 1_700_000_000_000_000}
    stored = {name.encode(): str(value).encode() for name, value in record.items()}
    [job] = new_jobs(["j"], [asked], 1_700_000_000_000_000)
    assert job == job_from_record(stored)
    assert [*job] == [*MEMBERS, *selection]
