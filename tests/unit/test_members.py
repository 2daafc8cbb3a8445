"""Types, schema and record have the members of one list."""

from dataclasses import fields

from jobstore.model import MEMBERS, RETRIED_FIELDS, Job, Submission, job_from_record, new_job, to_add_args
from submission.schema import JobRequest

TIMES = {"delay", "run_at"}


def test_the_types_have_the_members_of_the_list():
    assert [*Job.__annotations__] == [*MEMBERS]
    assert {member.name for member in fields(Submission)} - TIMES == {*RETRIED_FIELDS, "dataset", "retry_of"}


def test_a_client_may_post_what_a_retry_keeps_and_a_time():
    assert {*JobRequest.model_fields} == {*RETRIED_FIELDS} | TIMES


def test_a_new_job_is_what_its_record_says():
    asked = Submission(start=1, end="b", params={"a": [1]}, tags=("x", "y"), priority="high", dataset="v", retry_of="r")
    jid, analysis, priority, _, _, dataset, *pairs = to_add_args("j", asked)
    record = dict(zip(pairs[::2], pairs[1::2], strict=True)) | {"id": jid, "analysis": analysis, "priority": priority}
    record |= {"dataset": dataset, "status": "submitted", "created": 1_700_000_000_000_007}
    stored = {name.encode(): str(value).encode() for name, value in record.items()}
    job = new_job("j", asked, 1_700_000_000_000_000, 7)
    assert job == job_from_record(stored)
    assert [*job] == [*MEMBERS]
