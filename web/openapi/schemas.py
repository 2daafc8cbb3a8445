"""The schemas of answers, as pydantic models: they describe, the routes build the answers themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

import jobs
from web.openapi.operations import REF
from web.openapi.parameters import ColumnType

__all__ = ["ColumnType", "answer_schemas"]

Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Bound = float | str | None
Value = bool | float | str | None
Record = dict[str, Value]


def _without_titles(schema: dict[str, Any]) -> None:
    """Remove titles that repeat the names of members, and defaults: an answer has none."""
    for about in schema.get("properties", {}).values():
        about.pop("title", None)
        about.pop("default", None)


class _Answer(BaseModel):
    model_config = ConfigDict(json_schema_extra=_without_titles, use_attribute_docstrings=True)


class Fault(_Answer):
    """One fault of a request: where it is, and the remedy."""

    detail: str
    pointer: str = ""
    """JSON pointer to a member of the body (RFC 6901)."""
    parameter: str = ""
    """A parameter of the query."""
    header: str = ""
    """A header field."""


class JobFailure(_Answer):
    """The error of an attempt."""

    type: str
    message: str
    reason: Literal["error", "timeout", "killed", "lost", "invalid", "unknown"]
    """`error`: the analysis raised; `killed`: its process died; `lost`: its worker vanished."""


class Problem(_Answer):
    """An error, as problem details (RFC 9457)."""

    type: str
    """A stable relative URI, such as `/problems/unknown-analysis`, where it is explained."""
    title: str
    status: int
    detail: str
    """Words that name the remedy."""
    errors: list[Fault] = []
    """The single faults of an invalid request."""
    request_id: str = ""
    """The id of the request, as in `X-Request-Id`."""
    error: JobFailure | None = None
    """The error of the job whose results were asked for."""


class Attempt(_Answer):
    """An attempt that ended without completing its job."""

    attempt: Count
    started: datetime
    ended: datetime
    reason: jobs.ReleaseReason


class JobLinks(_Answer):
    """The addresses of a job."""

    self: str
    results: str
    log: str
    cancel: str
    retry: str


class Job(_Answer):
    """A job; times are in UTC."""

    id: str
    status: jobs.Status
    start: Bound
    """The inclusive start of the range on the index; null is an open end."""
    end: Bound
    analysis: str
    params: dict[str, Any]
    priority: Literal["low", "normal", "high"]
    tags: list[str]
    created: datetime
    started: datetime | None
    ended: datetime | None
    attempt: Count
    max_attempts: int
    timeout: float
    progress: Fraction
    message: str | None
    dataset: str | None
    """The version of the dataset that it reads."""
    worker: str | None
    """The worker that holds it."""
    error: JobFailure | None
    retry_of: str | None
    """The job that it repeats."""
    owner: str | None
    """The name of the key that submitted it; null without keys."""
    request_id: str | None
    """The request that submitted it."""
    links: JobLinks
    index: str = ""
    """The column of the range, if the client named one."""
    where: dict[str, Any] = {}
    """The filters of its rows, if the client gave any."""
    search: str = ""
    """The text that its rows contain, if the client gave one."""
    attempts: list[Attempt] = []
    """The last attempts that ended without completing it, if there were any."""


class JobList(_Answer):
    """A page of jobs."""

    jobs: list[Job]
    total: Count | None
    """How many there are on all pages; null where that is not known."""
    next: str | None
    """The address of the next page."""


class Artifact(_Answer):
    """A figure or a table of the results."""

    name: str
    type: str
    """Its media type."""
    bytes: Count
    url: str


class Results(_Answer):
    """The results of a job, with all that is needed to compute them again."""

    job: str
    analysis: str
    params: dict[str, Any]
    """The parameters, with their defaults."""
    dataset: str | None
    start: Bound
    end: Bound
    count: Count | None
    """How many rows are in the range."""
    attempt: int
    software: str
    """The version that computed them."""
    result: dict[str, Any]
    """The result; its members are those of the analysis."""
    artifacts: list[Artifact]
    index: str | None = None
    where: dict[str, Any] | None = None
    search: str | None = None


class Column(_Answer):
    """A column of the dataset."""

    name: str
    type: ColumnType
    missing: Count
    """How many records have no value."""


class Note(_Answer):
    """A remark on how the dataset was read."""

    column: str | None
    detail: str
    example: str | None
    rows: int | None


class Description(_Answer):
    """A version of the dataset."""

    version: str
    count: Count
    id: str
    """The identifier: a column, or the row number."""
    index: str
    """The column that jobs' `start` and `end` range over."""
    columns: list[Column]
    first: Value
    last: Value
    bytes: Count
    loaded: datetime
    notes: list[Note]
    records: list[Record] = []
    """The first records, of a dry run."""


class RecordList(_Answer):
    """A page of records."""

    records: list[Record]
    total: Count
    next: str | None
    dataset: Description | None
    rows: list[int] = []
    """The row numbers of the records, where they are not in order."""


class Analysis(_Answer):
    """An analysis that jobs can run."""

    name: str
    description: str
    params: dict[str, Any]
    """The JSON Schema of its parameters."""
    error: str = ""
    """The reason for which it is unavailable."""


class AnalysisList(_Answer):
    """The analyses."""

    analyses: list[Analysis]


class Worker(_Answer):
    """A worker with a valid lease."""

    id: str
    host: str
    pid: int
    since: datetime
    job: str | None
    """The job that it holds."""


class WorkerList(_Answer):
    """The workers."""

    workers: list[Worker]


class QueueLengths(_Answer):
    """How many jobs wait, by priority."""

    high: Count
    normal: Count
    low: Count
    total: Count


class Stats(_Answer):
    """The state of the queue."""

    queue: QueueLengths
    jobs: dict[jobs.Status, Count]
    runnable: Count
    """Jobs that wait or run, with delayed ones that are due: those that need a worker now."""
    oldest_waiting_seconds: float | None
    workers: Count
    throughput_last_minute: Count
    """Jobs that ended within the last minute."""


class Health(_Answer):
    """The state of the process."""

    status: str


class Links(_Answer):
    """Where everything is."""

    links: dict[str, str]


class Outcome(_Answer):
    """What became of the jobs that match."""

    matched: Count
    done: Count
    skipped: Count


class OperationLinks(_Answer):
    """The addresses of an operation."""

    self: str
    cancel: str


class Operation(_Answer):
    """An operation on many jobs, which runs in the background."""

    id: str
    action: Literal["cancel", "retry", "delete"]
    filters: dict[str, str]
    """The filters of the jobs that it acts on."""
    status: Literal["in progress", "complete", "failed", "cancelled"]
    progress: Fraction
    matched: Count
    done: Count
    skipped: Count
    created: datetime
    ended: datetime | None
    owner: str | None
    error: str | None
    """The reason for which it failed."""
    links: OperationLinks


_ANSWERS: tuple[type[_Answer], ...] = (
    Problem,
    Job,
    JobList,
    Results,
    Description,
    RecordList,
    Analysis,
    AnalysisList,
    WorkerList,
    Stats,
    Health,
    Links,
    Outcome,
    Operation,
)


def answer_schemas() -> dict[str, Any]:
    """Return the JSON Schemas of all answers, and of what they consist of, by name."""
    _, document = models_json_schema([(model, "validation") for model in _ANSWERS], ref_template=REF)
    definitions: dict[str, Any] = document["$defs"]
    return definitions
