"""The documents of the API, as type checkers and editors see them."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

__all__ = [
    "ENDED",
    "Analysis",
    "Artifact",
    "Column",
    "Counts",
    "Dataset",
    "Job",
    "JobError",
    "Note",
    "Results",
    "Stats",
    "Status",
    "Worker",
]

Status = Literal["scheduled", "submitted", "in progress", "complete", "failed", "cancelled"]
ENDED = ("complete", "failed", "cancelled")
"""The final statuses."""


class Column(TypedDict):
    name: str
    type: Literal["integer", "number", "boolean", "text", "date", "time"]
    missing: int


class Note(TypedDict):
    """How a file was read where it left something open; ``column`` is None for a note on the whole file."""

    column: str | None
    detail: str
    example: Any
    rows: int | None


class Dataset(TypedDict):
    """The description of the dataset; of a dry run also the first ``records``."""

    version: str
    count: int
    id: str | None
    index: str
    columns: list[Column]
    first: Any
    last: Any
    bytes: int
    loaded: str
    notes: list[Note]


class JobError(TypedDict):
    type: str
    message: str
    reason: Literal["error", "timeout", "killed", "lost", "invalid"]


class Attempt(TypedDict):
    attempt: int
    started: str
    ended: str
    reason: str


class Job(TypedDict):
    id: str
    status: Status
    start: Any
    end: Any
    analysis: str
    params: dict[str, Any]
    priority: Literal["low", "normal", "high"]
    tags: list[str]
    created: str
    started: str | None
    ended: str | None
    attempt: int
    max_attempts: int
    timeout: float
    progress: float
    message: str | None
    dataset: str | None
    worker: str | None
    owner: str | None
    error: JobError | None
    retry_of: str | None
    request_id: str | None
    links: dict[str, str]
    attempts: NotRequired[list[Attempt]]


class Artifact(TypedDict):
    name: str
    type: str
    bytes: int
    url: str


class Results(TypedDict):
    job: str
    analysis: str
    params: dict[str, Any]
    dataset: str | None
    start: Any
    end: Any
    count: int
    attempt: int
    software: str
    result: dict[str, Any]
    artifacts: list[Artifact]


class Analysis(TypedDict):
    """An analysis; ``params`` is the JSON Schema of its parameters."""

    name: str
    description: str
    params: dict[str, Any]


class Worker(TypedDict):
    id: str
    host: str
    pid: int
    since: str
    job: str | None


class Stats(TypedDict):
    queue: dict[str, int]
    jobs: dict[str, int]
    runnable: int
    oldest_waiting_seconds: float | None
    workers: int
    throughput_last_minute: int


class Counts(TypedDict):
    """What became of all jobs that matched a filter."""

    matched: int
    done: int
    skipped: int
