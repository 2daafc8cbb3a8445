"""The verbs of jobs, the queue ``q`` and the client ``rd``: all access to jobs in Redis.

Call :func:`connect` first. The job record is authoritative; the queue only orders waiting jobs. Each verb that changes
a job is one Lua script (``jobstore/lua``): atomic, and safe to send twice. ``docs/redis-keys.md`` names the keys.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any, cast

import redis

import jobstore
from config.settings import Settings, redis_auth_settings
from jobstore import (
    SELECTION_FIELDS,
    Action,
    ClaimedJob,
    DatasetChanged,
    Filters,
    Idempotency,
    IdempotencyKeyReused,
    InvalidCursor,
    InvalidTransition,
    Job,
    JobError,
    JobNotFound,
    JobPage,
    JobQueue,
    NotConnected,
    Operation,
    QueueFull,
    QuotaExceeded,
    RateLimiter,
    RedisError,
    RedisFull,
    RedisUnavailable,
    ReleaseReason,
    Reserve,
    ResultsGone,
    Run,
    Status,
    StoredResults,
    Submission,
    UnusableServer,
    WorkerNotRegistered,
    classify_redis_error,
    job_from_record,
)

__all__ = [
    "SELECTION_FIELDS",
    "Action",
    "ClaimedJob",
    "DatasetChanged",
    "Filters",
    "Idempotency",
    "IdempotencyKeyReused",
    "InvalidCursor",
    "InvalidTransition",
    "Job",
    "JobError",
    "JobNotFound",
    "JobPage",
    "JobQueue",
    "NotConnected",
    "Operation",
    "QueueFull",
    "QuotaExceeded",
    "RateLimiter",
    "RedisError",
    "RedisFull",
    "RedisUnavailable",
    "ReleaseReason",
    "ResultsGone",
    "Run",
    "Status",
    "StoredResults",
    "Submission",
    "UnusableServer",
    "WorkerNotRegistered",
    "add_job",
    "add_jobs",
    "cancel_job",
    "check_redis",
    "classify_redis_error",
    "complete_collected",
    "connect",
    "delete_job",
    "deregister_worker",
    "find_by_idempotency_key",
    "get_artifact",
    "get_ended_by_minute",
    "get_job_by_id",
    "get_jobs",
    "get_last_backup",
    "get_log",
    "get_results",
    "get_stats",
    "get_workers",
    "heartbeat",
    "job_from_record",
    "note_backup",
    "open_pubsub",
    "open_results",
    "operations",
    "ping",
    "q",
    "rd",
    "register_worker",
    "release_job",
    "report_progress",
    "settings",
    "update_job_status",
]

_LAST_BACKUP = "backup.last"

settings: Settings = cast(Settings, jobstore.Unbound())
rd = redis.Redis(connection_pool=jobstore.UnboundPool())
q = JobQueue("queue", connection_pool=rd.connection_pool)


def connect(to: Settings, client: redis.Redis | None = None) -> None:
    """Bind ``settings``, ``rd`` and ``q`` to the Redis that these settings name; connections open when first used.

    ``rd`` and ``q`` stay the same objects: modules may import them before.
    :param client: a client of the records' database to use instead, as for a fake server.
    """
    global settings
    settings = to
    if client is None:
        auth = jobstore.RedisAuth(**redis_auth_settings(to))
        rd.connection_pool = jobstore.open_client(to.redis_ip, to.redis_port, to.redis_db, auth=auth).connection_pool
        waits = jobstore.open_client(to.redis_ip, to.redis_port, to.queue_db, blocking=True, auth=auth).connection_pool
    else:
        rd.connection_pool = client.connection_pool
        waits = jobstore.clone_pool(client.connection_pool, db=to.queue_db)
    q.bind(to.queue_name, waits, records_db=to.redis_db)


def add_job(start: Any, end: Any, analysis: str = "summary", **options: Any) -> Job:
    """Store and queue a job; ``options`` are the other fields of :class:`Submission`."""
    return add_jobs([Submission(start=start, end=end, analysis=analysis, **options)])[0][0]


def add_jobs(submissions: Sequence[Submission], idempotency: Idempotency | None = None) -> tuple[list[Job], bool]:
    """Store and queue jobs, all or none; return them and whether their idempotency key was known.

    :raises DatasetChanged: a submission names a version that is no longer current.
    :raises IdempotencyKeyReused: the key belongs to a request with another body.
    :raises QueueFull, QuotaExceeded: with these, more would be unfinished than there may be: in all, or of their owner.
    """
    most, quota = settings.max_queued_jobs, settings.max_unfinished_jobs
    return jobstore.add_submissions(_transitions(), submissions, idempotency, most, quota)


def find_by_idempotency_key(idempotency: Idempotency) -> list[Job] | None:
    """Return the jobs that a request with this key added, in their current state; None for a new key.

    :raises IdempotencyKeyReused: the key belongs to a request with another body.
    """
    return jobstore.find_by_key(_transitions(), idempotency)


def get_job_by_id(jid: str) -> Job:
    """Return a job.

    :raises JobNotFound: there is none.
    """
    if not (record := jobstore.read_hash(rd, f"job.{jid}")):
        raise JobNotFound(f"There is no job {jid}; ended jobs are kept for a while only.")
    return job_from_record(record, jid)


def get_jobs(
    *, ascending: bool = False, limit: int = 100, cursor: str | None = None, reserve: Reserve = None, **filters: Any
) -> JobPage:
    """Return a page of jobs, newest first; ``filters`` are the fields of :class:`Filters`.

    :param reserve: called with the number of bytes read, about every mebibyte; its exceptions end the reading.
    :raises InvalidCursor: the cursor is not from a page.
    """
    return jobstore.read_page(_transitions(), Filters(**filters), ascending, cursor, limit, reserve)


def get_results(jid: str) -> dict[str, Any] | None:
    """Return the results document, or None; a job has one if and only if it is complete."""
    try:
        return open_results(jid).load_document()
    except ResultsGone:
        return None


def open_results(jid: str) -> StoredResults:
    """Open the stored results, which are read in parts.

    :raises ResultsGone: there are none.
    """
    return StoredResults(rd, jid)


def get_artifact(jid: str, name: str) -> bytes | None:
    """Return a figure or table of the results, or None."""
    try:
        return open_results(jid).load_artifact(name)
    except ResultsGone:
        return None


def get_log(jid: str) -> str:
    """Return the output and the log of a job, attempt by attempt."""
    return jobstore.read_log(rd, jid)


def cancel_job(jid: str) -> Job:
    """Cancel an unfinished job and stop it if it runs; a cancelled job stays cancelled.

    :raises JobNotFound: there is none.
    :raises InvalidTransition: it is complete or failed.
    """
    answer = _run("cancel", jid)[0]
    job = get_job_by_id(jid)
    if answer == b"ended":
        raise InvalidTransition(job, Status.CANCELLED)
    return job


def delete_job(jid: str) -> None:
    """Delete an ended job with its results and its log.

    :raises JobNotFound: there is none.
    :raises InvalidTransition: it is unfinished.
    """
    answer = _run("delete", jid)[0]
    if answer == b"unknown":
        raise JobNotFound(f"There is no job {jid}.")
    if answer == b"unfinished":
        raise InvalidTransition(get_job_by_id(jid), "deleted")


def update_job_status(jid: str, status: Status | str) -> Job:
    """Change a job's status by hand: ``submitted`` queues a scheduled job now, ``cancelled`` cancels it.

    :raises JobNotFound: there is none.
    :raises InvalidTransition: no arrow leads there, or not by hand.
    """
    wanted = Status(status)
    if wanted is Status.CANCELLED:
        return cancel_job(jid)
    job = get_job_by_id(jid)
    if wanted is Status.SUBMITTED and _run("promote", 1, jid)[1]:
        return get_job_by_id(jid)
    raise InvalidTransition(job, wanted)


def get_workers() -> list[dict[str, Any]]:
    """Return ``id``, ``host``, ``pid``, ``since`` and ``job`` of each worker with a valid lease."""
    return jobstore.read_workers(_transitions())


def get_stats() -> dict[str, Any]:
    """Return the queue by priority, jobs by status, the longest wait, workers, and jobs ended in the last minute."""
    return jobstore.read_stats(_transitions())


def get_ended_by_minute() -> list[jobstore.EndedMinute]:
    """Return how many jobs ended and failed in each of the last 60 minutes, oldest first."""
    return jobstore.read_ended(_transitions())


def ping() -> None:
    """Check that Redis answers; raise one of ``RedisUnavailable`` otherwise."""
    rd.ping()


def note_backup() -> None:
    """Record that Redis was backed up now, for the metrics."""
    rd.set(_LAST_BACKUP, rd.time()[0])


def get_last_backup() -> int:
    """Return the time of the last back-up, in seconds since 1970, 0 if there was none."""
    return int(cast(bytes | None, rd.get(_LAST_BACKUP)) or 0)


def open_pubsub() -> redis.client.PubSub:
    """Return a listener with a connection of its own; each change of a job is published to ``job.<id>``."""
    return redis.client.PubSub(jobstore.clone_pool(rd.connection_pool))


def operations(holder: str = "") -> jobstore.Operations:
    """Return the operations on all jobs that match some filters; ``holder`` names who works on them."""
    return jobstore.Operations(_transitions(), holder, _lease())


def check_redis() -> None:
    """Refuse an unusable server; see :func:`jobstore.check_server`."""
    jobstore.check_server(rd, databases=(settings.redis_db, settings.queue_db))


def register_worker(worker: str, host: str, pid: int) -> None:
    """Register a worker with a lease."""
    _run("register", worker, _lease(), host, pid)


def heartbeat(workers: Sequence[str], held_up: Sequence[jobstore.HeldUp] = ()) -> jobstore.Heartbeat:
    """Renew the leases of these workers, queue what those ``held_up`` have reserved, and do the due housekeeping.

    It queues due and accepted jobs, deletes jobs past their retention, and repairs a queue that was lost.
    """
    retention = f"{settings.retention_seconds * 1e6:.0f}"
    return jobstore.renew_and_keep_house(_transitions(), workers, held_up, _lease(), retention)


def count_stop_orders() -> int:
    """Return how many orders to stop a job there have been: a heartbeat may find one where the number has changed."""
    return int(cast(Any, q._client.get(f"hotqueue:{settings.queue_name}.stops")) or 0)


def deregister_worker(
    worker: str,
    reason: ReleaseReason,
    error: dict[str, Any] | None = None,
    *,
    only_if_run: Run | None = None,
    expired: bool = False,
) -> str | None:
    """Remove a worker and release the job that it held; return the job's id, or None.

    :param only_if_run: the run that the reason is about; any other is released as by a drain.
    :param expired: remove it only if its lease is still over.
    """
    failure = "" if error is None else json.dumps(error, ensure_ascii=False)
    answer = _run("deregister", worker, reason, failure, random.random(), *(only_if_run or ("", "")), int(expired))
    return answer[1].decode() or None if answer[0] == b"deregistered" else None


def complete_collected(worker: jobstore.HeldUp) -> None:
    """Complete the jobs whose results a worker has collected and not sent, and start its run."""
    _transitions().run_all([*worker.calls()])


def release_job(run: Run, worker: str, reason: ReleaseReason) -> None:
    """Release one job of a worker that stays registered."""
    _run("release", worker, *run, reason, "", random.random(), "")


def report_progress(run: Run, worker: str, progress: float | None, message: str | None, log: str) -> None:
    """Store the progress (None for none) and the output of a run, unless the worker no longer holds it."""
    _run("report", worker, *run, "" if progress is None else progress, message or "", log)


def _run(name: str, *arguments: Any) -> list[Any]:
    return _transitions().run(name, *arguments)


def _transitions() -> jobstore.Transitions:
    return jobstore.Transitions(
        rd, records_db=settings.redis_db, queue_db=settings.queue_db, queue_name=settings.queue_name
    )


def _lease() -> str:
    return f"{settings.lease_seconds * 1e6:.0f}"
