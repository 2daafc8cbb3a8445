"""The job: its statuses, its members, its submission and its record in Redis."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple, NotRequired, TypedDict, cast

__all__ = [
    "MEMBERS",
    "RETRIED_FIELDS",
    "SELECTION_FIELDS",
    "Idempotency",
    "Job",
    "JobPage",
    "Member",
    "ReleaseReason",
    "Run",
    "Status",
    "Submission",
    "generate_jid",
    "job_from_record",
    "new_job",
    "optional_fields",
    "rfc3339",
    "to_add_args",
]


class Status(StrEnum):
    """The status of a job; the last three are final. ``docs/states.md`` has the picture."""

    SCHEDULED = "scheduled"  #: It waits for its time, or for the end of its back-off.
    SUBMITTED = "submitted"  #: It waits in a queue for a worker.
    IN_PROGRESS = "in progress"  #: A worker holds it.
    COMPLETE = "complete"  #: It ended with results.
    FAILED = "failed"  #: It ended with an error.
    CANCELLED = "cancelled"  #: It was cancelled.

    @property
    def ended(self) -> bool:
        """Whether it is final."""
        return self in (Status.COMPLETE, Status.FAILED, Status.CANCELLED)


class ReleaseReason(StrEnum):
    """Why a worker gives up a job; ``lua/includes/release_job.lua`` has the rules."""

    DRAIN = "drain"  #: The worker stops: uncharged, head of its queue.
    KILLED = "killed"  #: The process died: charged, head of its queue.
    LOST = "lost"  #: The lease expired: charged, head of its queue.
    ERROR = "error"  #: The analysis raised: charged, retried after a back-off.
    TIMEOUT = "timeout"  #: The attempt took too long: charged, retried after a back-off.
    UNKNOWN = "unknown"  #: This version has no such analysis: uncharged for a while, retried after a back-off.
    INVALID = "invalid"  #: No attempt can succeed: the job fails.


class Run(NamedTuple):
    """Identifies one attempt of a job."""

    job_id: str
    attempt: str


# The last attempt's error is shown until the job completes or is cancelled.
_WITH_ERROR = (Status.SCHEDULED, Status.SUBMITTED, Status.IN_PROGRESS, Status.FAILED)


class Attempt(TypedDict):
    """An attempt that was ended without completing its job: its number, when it was started and ended, and why."""

    attempt: int
    started: str
    ended: str
    reason: str


class Job(TypedDict):
    """A job as clients see it; times are RFC 3339 in UTC, with milliseconds."""

    id: str
    status: Status
    start: Any
    end: Any
    analysis: str
    params: dict[str, Any]
    priority: str
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
    error: dict[str, Any] | None
    retry_of: str | None
    owner: str | None
    request_id: str | None
    index: NotRequired[str]
    where: NotRequired[dict[str, Any]]
    search: NotRequired[str]
    attempts: NotRequired[list[Attempt]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A validated request for a job. ``delay`` and ``timeout`` in seconds, ``run_at`` in seconds since 1970.

    ``selection`` has the members among ``SELECTION_FIELDS`` that the client gave, ``owner`` is the name of its API key.
    Where jobs with the ``id`` that some give exist, nothing is added: such ones fit into one slice (``bulk.py``).
    """

    start: Any
    end: Any
    analysis: str = "summary"
    params: dict[str, Any] = field(default_factory=dict)
    timeout: float = 3600.0
    max_attempts: int = 3
    delay: float = 0.0
    run_at: float | None = None
    priority: str = "normal"
    tags: tuple[str, ...] = ()
    dataset: str | None = None
    retry_of: str | None = None
    owner: str | None = None
    request_id: str | None = None
    id: str | None = None
    selection: dict[str, Any] = field(default_factory=dict)


class Idempotency(NamedTuple):
    """Requests with the same ``key`` are treated as one; ``fingerprint`` is a hash of the body as parsed."""

    key: str
    fingerprint: str

    @property
    def hash(self) -> str:
        """The hash that names its key in Redis: a client's text may contain anything."""
        return hashlib.sha256(self.key.encode("utf-8", "surrogatepass")).hexdigest()


class JobPage(NamedTuple):
    """One page of the listing: the jobs' records as they are stored.

    ``total`` is None for a filter by tag, ``next`` on the last page.
    """

    records: list[dict[bytes, bytes]]
    total: int | None
    next: str | None

    @property
    def jobs(self) -> list[Job]:
        """The jobs, parsed."""
        return [job_from_record(record) for record in self.records]


def generate_jid() -> str:
    """Return a new job id, a random UUID."""
    return str(uuid.uuid4())


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def rfc3339(microseconds: bytes | str | int) -> str:
    """Format microseconds since 1970 as RFC 3339, in UTC, with milliseconds."""
    moment = datetime.fromtimestamp(int(microseconds) // 1_000_000, UTC)
    moment = moment.replace(microsecond=int(microseconds) % 1_000_000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _or_null(text: str) -> str | None:
    return text or None


def _or_empty(text: str | None) -> str:
    return text or ""


@dataclass(frozen=True, slots=True)
class Member:
    """How one member of a job is stored: as a text in its record."""

    read: Callable[[str], Any] = str
    write: Callable[[Any], Any] | None = None
    """Converts a submission's value to a field of the record; None for a member that the scripts write."""
    retried: bool = False
    """Whether the retry of a job has it too."""
    absent: str | None = None
    """The text assumed where the record has none; None is null."""
    required: bool = False
    optional: bool = False
    """Whether records lack it where it is at its default in all jobs of the request."""


MEMBERS = {
    "id": Member(),
    "status": Member(Status, required=True),
    "start": Member(json.loads, _json, retried=True, absent="null"),
    "end": Member(json.loads, _json, retried=True, absent="null"),
    "analysis": Member(retried=True, required=True),
    "params": Member(json.loads, _json, retried=True, absent="{}"),
    "priority": Member(retried=True, absent="normal"),
    "tags": Member(json.loads, _json, retried=True, absent="[]", optional=True),
    "created": Member(rfc3339, required=True),
    "started": Member(rfc3339),
    "ended": Member(rfc3339),
    "attempt": Member(int, absent="0"),
    "max_attempts": Member(int, int, retried=True, absent="3", optional=True),
    "timeout": Member(float, float, retried=True, absent="3600", optional=True),
    "progress": Member(float, absent="0"),
    "message": Member(_or_null),
    "dataset": Member(_or_null),
    "worker": Member(),
    "error": Member(json.loads),
    "retry_of": Member(_or_null, _or_empty, optional=True),
    "owner": Member(_or_null, _or_empty, optional=True),
    "request_id": Member(_or_null, _or_empty, optional=True),
}
"""The members of a job, in their order: the record, the arguments of *add* and a retry are derived from them."""

RETRIED_FIELDS = tuple(name for name, member in MEMBERS.items() if member.retried)

SELECTION_FIELDS = ("index", "where", "search")
"""The members of a job that select rows besides its bounds; it has those that the client gave."""

_SELECTION = "selection"
"""The field of the record that holds them, as a JSON object; older releases have none."""

_ATTEMPTS = "attempts"
"""The field with a line for each of the last attempts that were released (``includes/release_job.lua``)."""

_REQUIRED = {name.encode() for name, member in MEMBERS.items() if member.required}
_READERS = {name.encode(): (name, member.read) for name, member in MEMBERS.items()}
_WRITERS = [(name, member.write) for name, member in MEMBERS.items() if member.write and not member.optional]
_OPTIONAL: dict[str, Callable[[Any], Any]] = {_SELECTION: lambda selection: _json(selection) if selection else ""}
_OPTIONAL |= {name: member.write for name, member in MEMBERS.items() if member.write and member.optional}
_NEW = {name: None if member.absent is None else member.read(member.absent) for name, member in MEMBERS.items()}
_AT_DEFAULT = Submission(start=None, end=None)
_SUBMITTED = [name for name in MEMBERS if name in {member.name for member in fields(Submission)}]


def optional_fields(submissions: Sequence[Submission]) -> tuple[str, ...]:
    """Return the fields that records of these jobs have besides those of every job."""
    return tuple(
        name for name in _OPTIONAL if any(getattr(each, name) != getattr(_AT_DEFAULT, name) for each in submissions)
    )


def to_add_args(jid: str, asked: Submission, idempotency: str = "", optional: Sequence[str] = ()) -> list[Any]:
    """Return the words of one job as ``includes/store_jobs.lua`` takes them: six of its own, then names and values.

    They are of equal count for all jobs of one request; ``idempotency`` is the hash of the request's key,
    ``optional`` are the :func:`optional_fields` of the request.
    """
    due = "" if asked.run_at is None else f"{asked.run_at * 1e6:.0f}"
    delay = f"{asked.delay * 1e6:.0f}" if asked.delay else ""
    words = [jid, asked.analysis, asked.priority, due, delay, asked.dataset or ""]
    for name, write in _WRITERS:
        words += name, write(getattr(asked, name))
    for name in optional:
        words += name, _OPTIONAL[name](getattr(asked, name))
    return [*words, "idempotency", idempotency] if idempotency else words


def new_job(jid: str, asked: Submission, now: int, position: int) -> Job:
    """Return the job that *add* stored ``now``, in microseconds since 1970, at this position of its request."""
    delayed = bool(asked.delay) if asked.run_at is None else asked.run_at * 1e6 > now
    status = Status.SCHEDULED if delayed else Status.SUBMITTED
    values: Any = dict(_NEW)
    for name in _SUBMITTED:
        value = getattr(asked, name)
        values[name] = list(value) if isinstance(value, tuple) else value
    return cast(Job, values | {"id": jid, "status": status, "created": rfc3339(now + position)} | asked.selection)


def job_from_record(record: dict[bytes, bytes], jid: str | None = None) -> Job:
    """Parse a record; a member that it lacks is null or has its default.

    :param jid: the id of the job: records of complete jobs lack it.
    """
    if not record.keys() >= _REQUIRED:
        raise KeyError(*_REQUIRED - record.keys())
    values: Any = _NEW | {"id": jid, "params": {}, "tags": []}
    for key, value in record.items():
        if key in _READERS:
            name, read = _READERS[key]
            values[name] = read(value.decode("utf-8", "replace"))
    job = cast(Job, values | json.loads(record.get(_SELECTION.encode()) or "{}"))
    if attempts := record.get(_ATTEMPTS.encode()):
        job["attempts"] = _read_attempts(attempts.decode())
    if job["status"] is Status.COMPLETE:
        job["progress"] = 1.0
    if job["status"] not in _WITH_ERROR:
        job["error"] = None
    return job


def _read_attempts(lines: str) -> list[Attempt]:
    words = (line.split(" ") for line in lines.splitlines())
    return [
        Attempt(attempt=int(number), started=rfc3339(started), ended=rfc3339(ended), reason=reason)
        for number, started, ended, reason in words
    ]
