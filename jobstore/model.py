"""The job: its statuses, its members, what is asked for, and its record in Redis."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple, TypedDict

__all__ = [
    "Idempotency",
    "Job",
    "JobPage",
    "ReleaseReason",
    "Run",
    "Status",
    "Submission",
    "generate_jid",
    "job_from_record",
    "new_job",
    "rfc3339",
    "to_add_args",
]


class Status(StrEnum):
    """Where a job stands; the last three are final. ``docs/states.md`` has the picture."""

    SCHEDULED = "scheduled"  #: It waits for its time, or for the end of its back-off.
    SUBMITTED = "submitted"  #: It waits in a queue for a worker.
    IN_PROGRESS = "in progress"  #: A worker holds it.
    COMPLETE = "complete"  #: It ended with results.
    FAILED = "failed"  #: It ended without: its error says why.
    CANCELLED = "cancelled"  #: Somebody ended it.

    @property
    def ended(self) -> bool:
        """Whether nothing changes it any more."""
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


# An attempt's error stands until the job ends well or is ended by somebody.
_WITH_ERROR = (Status.SCHEDULED, Status.SUBMITTED, Status.IN_PROGRESS, Status.FAILED)


class Job(TypedDict):
    """A job as clients see it; times are RFC 3339 in UTC, with milliseconds."""

    id: str
    status: str
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A job that is asked for, validated. ``delay`` and ``timeout`` in seconds, ``run_at`` in seconds since 1970."""

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


class Idempotency(NamedTuple):
    """A client's word that requests with this ``key`` are one; ``fingerprint`` is a hash of the body as parsed."""

    key: str
    fingerprint: str

    @property
    def hash(self) -> str:
        """What its key in Redis is named by: a client's text may hold anything."""
        return hashlib.sha256(self.key.encode("utf-8", "surrogatepass")).hexdigest()


class JobPage(NamedTuple):
    """One page of the listing: the jobs' records as they are stored.

    ``total`` is None where it would have to be counted, ``next`` where nothing follows.
    """

    records: list[dict[bytes, bytes]]
    total: int | None
    next: str | None

    @property
    def jobs(self) -> list[Job]:
        """The jobs, parsed."""
        return [job_from_record(record) for record in self.records]


def generate_jid() -> str:
    """A new job id, a random UUID."""
    return str(uuid.uuid4())


def to_add_args(jid: str, asked: Submission, idempotency: str = "") -> list[Any]:
    """The words of one job as ``includes/store_jobs.lua`` takes them: six of its own, then names and values.

    They are of equal count for all jobs of one request; ``idempotency`` is the hash of the request's key.
    """
    due = "" if asked.run_at is None else f"{asked.run_at * 1e6:.0f}"
    delay = f"{asked.delay * 1e6:.0f}" if asked.delay else ""
    fields = {
        "start": _json(asked.start),
        "end": _json(asked.end),
        "params": _json(asked.params),
        "tags": _json(asked.tags),
        "timeout": asked.timeout,
        "max_attempts": asked.max_attempts,
        "retry_of": asked.retry_of or "",
    } | ({"idempotency": idempotency} if idempotency else {})
    pairs = [word for pair in fields.items() for word in pair]
    return [jid, asked.analysis, asked.priority, due, delay, asked.dataset or "", *pairs]


def new_job(jid: str, asked: Submission, now: int, position: int) -> Job:
    """The job that *add* stored ``now``, in microseconds since 1970, at this position of its request."""
    delayed = bool(asked.delay) if asked.run_at is None else asked.run_at * 1e6 > now
    return Job(
        id=jid,
        status=Status.SCHEDULED if delayed else Status.SUBMITTED,
        start=asked.start,
        end=asked.end,
        analysis=asked.analysis,
        params=asked.params,
        priority=asked.priority,
        tags=list(asked.tags),
        created=rfc3339(now + position),
        started=None,
        ended=None,
        attempt=0,
        max_attempts=asked.max_attempts,
        timeout=float(asked.timeout),
        progress=0.0,
        message=None,
        dataset=asked.dataset,
        worker=None,
        error=None,
        retry_of=asked.retry_of,
    )


def job_from_record(record: dict[bytes, bytes]) -> Job:
    """The job of a record; what a record does not have yet, or was written without, is null or the default."""
    words = {name.decode(): value.decode("utf-8", "replace") for name, value in record.items()}
    return Job(
        id=words["id"],
        status=words["status"],
        start=json.loads(words["start"]),
        end=json.loads(words["end"]),
        analysis=words["analysis"],
        params=json.loads(words["params"]),
        priority=words.get("priority", "normal"),
        tags=json.loads(words.get("tags", "[]")),
        created=rfc3339(words["created"]),
        started=rfc3339(words["started"]) if "started" in words else None,
        ended=rfc3339(words["ended"]) if "ended" in words else None,
        attempt=int(words.get("attempt", 0)),
        max_attempts=int(words.get("max_attempts", 3)),
        timeout=float(words.get("timeout", 3600)),
        progress=1.0 if words["status"] == Status.COMPLETE else float(words.get("progress", 0)),
        message=words.get("message") or None,
        dataset=words.get("dataset") or None,
        worker=words.get("worker"),
        error=json.loads(words["error"]) if "error" in words and words["status"] in _WITH_ERROR else None,
        retry_of=words.get("retry_of") or None,
    )


_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def rfc3339(microseconds: bytes | str | int) -> str:
    """Microseconds since 1970 as RFC 3339, UTC, with milliseconds."""
    moment = datetime.fromtimestamp(int(microseconds) // 1_000_000, UTC)
    moment = moment.replace(microsecond=int(microseconds) % 1_000_000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
