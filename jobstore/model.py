"""The job: its statuses, its members, its submission and its record in Redis."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache, lru_cache
from itertools import repeat
from operator import attrgetter
from typing import Any, NamedTuple, NotRequired, TypedDict, cast

__all__ = [
    "MEMBERS",
    "RETRIED_FIELDS",
    "SELECTION_FIELDS",
    "Idempotency",
    "Job",
    "JobPage",
    "Member",
    "Records",
    "ReleaseReason",
    "Run",
    "Status",
    "Submission",
    "job_from_record",
    "new_jobs",
    "rfc3339",
    "to_records",
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
    UNKNOWN = "unknown"  #: No such analysis here, or no dataset now: uncharged for a while, retried after a back-off.
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


@dataclass(slots=True, kw_only=True)  # frozen, each would take three times as long
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


@cache
def _to_json() -> Callable[..., bytes]:
    # Not imported by the workers' parents, which encode nothing.
    from pydantic_core import to_json

    return to_json


def _json(value: Any) -> str:
    return _to_json()(value, inf_nan_mode="constants").decode()


_decode = json.JSONDecoder().raw_decode  # in a quarter of the time of `loads`: records have no white space around


def _from_json(text: str) -> Any:
    return _decode(text)[0]


def rfc3339(microseconds: bytes | str | int) -> str:
    """Format microseconds since 1970 as RFC 3339, in UTC, with milliseconds."""
    return _rfc3339_of_milliseconds(int(microseconds) // 1000)


@lru_cache(maxsize=16)  # jobs of a bulk are created a microsecond apart
def _rfc3339_of_milliseconds(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)
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
    "start": Member(_from_json, _json, retried=True, absent="null"),
    "end": Member(_from_json, _json, retried=True, absent="null"),
    "analysis": Member(retried=True, required=True),
    "params": Member(_from_json, _json, retried=True, absent="{}"),
    "priority": Member(retried=True, absent="normal"),
    "tags": Member(_from_json, _json, retried=True, absent="[]", optional=True),
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
    "error": Member(_from_json),
    "retry_of": Member(_or_null, _or_empty, optional=True),
    "owner": Member(_or_null, _or_empty, optional=True),
    "request_id": Member(_or_null, _or_empty, optional=True),
}
"""The members of a job, in their order: the record, the words of *add* and a retry are derived from them."""

RETRIED_FIELDS = tuple(name for name, member in MEMBERS.items() if member.retried)

SELECTION_FIELDS = ("index", "where", "search")
"""The members of a job that select rows besides its bounds; it has those that the client gave."""

_SELECTION = "selection"
"""The field of the record that holds them, as a JSON object; older releases have none."""

_ATTEMPTS = "attempts"
"""The field with a line for each of the last attempts that were released (``includes/release_job.lua``)."""

_REQUIRED = {name.encode() for name, member in MEMBERS.items() if member.required}
_READERS = {name.encode(): (name, member.read) for name, member in MEMBERS.items()}
_NEW = {name: None if member.absent is None else member.read(member.absent) for name, member in MEMBERS.items()}
_AT_DEFAULT = Submission(start=None, end=None)
_WRITTEN = [
    (name, member.write, getattr(_AT_DEFAULT, name) if member.optional else object())
    for name, member in MEMBERS.items()
    if member.write
]
"""Names, converters, and the values that are not stored where all jobs have them."""
_WRITTEN.append((_SELECTION, lambda each: _json(each) if each else "", {}))
_written = attrgetter(*(name for name, _, _ in _WRITTEN))
_SUBMITTED = [name for name in MEMBERS if hasattr(_AT_DEFAULT, name)]
_submitted = attrgetter(*_SUBMITTED)


class Records(NamedTuple):
    """New jobs as ``includes/store_jobs.lua`` takes them: fields that are the same in all, as names and values, and the
    words of each job, equal in number: six of its own, then names and values."""

    common: list[str]
    rows: list[tuple[str, ...]]


def to_records(ids: Sequence[str], asked: Sequence[Submission], idempotency: str = "") -> Records:
    """Return the records of new jobs; ``idempotency`` is the hash of the request's key."""
    columns = {
        name: [str(write(value)) for value in values]
        for (name, write, default), values in zip(_WRITTEN, zip(*map(_written, asked), strict=True), strict=True)
        if values.count(default) < len(values)
    }
    if idempotency:
        columns["idempotency"] = [idempotency] * len(asked)
    common: list[str] = []
    own: list[Iterable[str]] = []
    for name, column in columns.items():
        if len(column) > 1 and column.count(column[0]) == len(column):
            common += name, column[0]
        else:
            own += repeat(name), column
    due = ["" if each.run_at is None else f"{each.run_at * 1e6:.0f}" for each in asked]
    delay = [f"{each.delay * 1e6:.0f}" if each.delay else "" for each in asked]
    analyses, priorities, versions = zip(*((a.analysis, a.priority, a.dataset or "") for a in asked), strict=True)
    return Records(common, list(zip(ids, analyses, priorities, due, delay, versions, *own, strict=False)))


def new_jobs(ids: Sequence[str], asked: Sequence[Submission], now: int) -> list[Job]:
    """Return the jobs that *add* stored ``now``, in microseconds since 1970, in this order."""
    return [_new_job(jid, each, now, now + n) for n, (jid, each) in enumerate(zip(ids, asked, strict=True))]


def _new_job(jid: str, asked: Submission, now: int, created: int) -> Job:
    delayed = bool(asked.delay) if asked.run_at is None else asked.run_at * 1e6 > now
    values: Any = _NEW.copy()
    values.update(zip(_SUBMITTED, _submitted(asked), strict=False))
    values["id"] = jid
    values["status"] = Status.SCHEDULED if delayed else Status.SUBMITTED
    values["tags"] = list(asked.tags)
    values["created"] = _rfc3339_of_milliseconds(created // 1000)
    return cast(Job, values | asked.selection if asked.selection else values)


def job_from_record(record: dict[bytes, bytes], jid: str | None = None) -> Job:
    """Parse a record; a member that it lacks is null or has its default.

    :param jid: the id of the job: records of complete jobs lack it.
    """
    if not record.keys() >= _REQUIRED:
        raise KeyError(*_REQUIRED - record.keys())
    values: Any = _NEW | {"id": jid, "params": {}, "tags": []}
    for key, value in record.items():
        if found := _READERS.get(key):
            name, read = found
            values[name] = read(value.decode("utf-8", "replace"))
    selection = record.get(_SELECTION.encode())
    job = cast(Job, values | json.loads(selection) if selection else values)
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
