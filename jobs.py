"""The job, its statuses and its verbs: everything about jobs that is kept in Redis is read and changed here.

The job record is the truth; the queue only says who is next. Each verb that changes a job is one transition
(``jobstore/``), so nothing is half done, whatever dies, and each is safe to send twice. ``docs/redis-keys.md``
names the keys.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

import redis

from config.settings import Settings, redis_auth_settings
from jobstore import (
    RETRIED_FIELDS,
    ClaimedJob,
    DatasetChanged,
    Heartbeat,
    Idempotency,
    IdempotencyKeyReused,
    InvalidCursor,
    InvalidTransition,
    Job,
    JobError,
    JobNotFound,
    JobPage,
    JobQueue,
    Listing,
    NotConnected,
    QueueFull,
    Range,
    RedisAuth,
    RedisError,
    RedisFull,
    RedisUnavailable,
    ReleaseReason,
    ResultsGone,
    Run,
    Status,
    StoredResults,
    Submission,
    Terms,
    Transitions,
    UnboundPool,
    UnusableServer,
    WorkerLease,
    WorkerNotRegistered,
    bulk,
    by_name,
    check_server,
    classify_redis_error,
    clone_pool,
    generate_jid,
    job_from_record,
    new_job,
    open_client,
    read_worker_lease,
    rfc3339,
    to_add_args,
)

__all__ = [
    "RETRIED_FIELDS",
    "ClaimedJob",
    "DatasetChanged",
    "Heartbeat",
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
    "QueueFull",
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
    "WorkerLease",
    "WorkerNotRegistered",
    "add_job",
    "add_jobs",
    "cancel_job",
    "check_redis",
    "classify_redis_error",
    "connect",
    "delete_job",
    "deregister_worker",
    "find_by_idempotency_key",
    "get_artifact",
    "get_job_by_id",
    "get_jobs",
    "get_log",
    "get_results",
    "get_stats",
    "get_workers",
    "heartbeat",
    "job_from_record",
    "open_pubsub",
    "open_results",
    "ping",
    "q",
    "rd",
    "register_worker",
    "release_job",
    "report_progress",
    "settings",
    "update_job_status",
]

_IDEMPOTENCY_SECONDS = 86400
_BATCH = 100
"""How many jobs one call of the housekeeping changes: a few milliseconds of Redis' time. While there are more, a
heartbeat follows another without a pause."""
_CURSOR = re.compile(r"(\d{1,17})\.([0-9a-f-]{36})")


class _NoSettings:
    def __getattr__(self, name: str) -> Any:
        raise NotConnected("There are no settings yet: call jobs.connect(settings) first.")


settings: Settings = cast(Settings, _NoSettings())
rd = redis.Redis(connection_pool=UnboundPool())
q = JobQueue("queue", connection_pool=rd.connection_pool)


def connect(to: Settings, client: redis.Redis | None = None) -> None:
    """Bind ``settings``, ``rd`` and ``q`` to the Redis that these settings name; connections open when first used.

    ``rd`` and ``q`` stay the same objects: modules may import them before.

    :param client: a client of the records' database to use instead, as for a fake server.
    """
    global settings
    settings = to
    if client is None:
        auth = RedisAuth(**redis_auth_settings(to))
        rd.connection_pool = open_client(to.redis_ip, to.redis_port, to.redis_db, auth=auth).connection_pool
        waits = open_client(to.redis_ip, to.redis_port, to.queue_db, blocking=True, auth=auth).connection_pool
    else:
        rd.connection_pool = client.connection_pool
        waits = clone_pool(client.connection_pool, db=to.queue_db)
    q.bind(to.queue_name, waits, records_db=to.redis_db)


def add_job(start: Any, end: Any, analysis: str = "summary", **options: Any) -> Job:
    """Store a job and queue it; ``options`` are the other fields of :class:`Submission`."""
    added, _ = add_jobs([Submission(start=start, end=end, analysis=analysis, **options)])
    return added[0]


def add_jobs(submissions: Sequence[Submission], idempotency: Idempotency | None = None) -> tuple[list[Job], bool]:
    """Store and queue jobs, all or none; the flag tells that the idempotency key was known.

    :raises DatasetChanged: a submission names a version that is no longer current.
    :raises IdempotencyKeyReused: the key came with another body before.
    :raises QueueFull: with these, more than ``MAX_QUEUED_JOBS`` would be unfinished.
    """
    ids = [generate_jid() for _ in submissions]
    version = next((s.dataset for s in submissions if s.dataset), "")
    key, fingerprint = (idempotency.hash, idempotency.fingerprint) if idempotency else ("", "")
    records = [to_add_args(jid, s, key) for jid, s in zip(ids, submissions, strict=True)]
    terms = Terms(version, key, fingerprint, _IDEMPOTENCY_SECONDS, settings.max_queued_jobs)
    answer = bulk.add(_transitions(), terms, records)
    match answer[0]:
        case b"added":
            now = int(answer[1])
            return [new_job(ids[n], asked, now, n) for n, asked in enumerate(submissions)], False
        case b"replay":
            return _replay(fingerprint, *answer[1:]), True
        case b"there" | b"gone":
            if found := _jobs_by_id(ids):
                return found, False
            raise redis.TimeoutError("The jobs expired before they were accepted.")
        case b"full":
            raise QueueFull(f"{answer[1]} jobs are unfinished; with these there would be more than MAX_QUEUED_JOBS.")
    raise DatasetChanged(f"The dataset is no longer at version {version}.")


def find_by_idempotency_key(idempotency: Idempotency) -> list[Job] | None:
    """The jobs that a request with this key made before, as they are now.

    :raises IdempotencyKeyReused: it had another body.
    """
    kept, made, of_bulk = _bytes(rd.hmget(f"idempotency.{idempotency.hash}", "fingerprint", "jobs", "bulk"))
    return None if kept is None else _replay(idempotency.fingerprint, kept, made, of_bulk)


def get_job_by_id(jid: str) -> Job:
    """The job as it is now.

    :raises JobNotFound: there is none.
    """
    record = _bytes(rd.hgetall(_generate_job_key(jid)))
    if not record:
        raise JobNotFound(f"There is no job {jid}; ended jobs are kept for a while only.")
    return job_from_record(record)


def get_jobs(
    *,
    status: Status | str | None = None,
    analysis: str | None = None,
    tag: str | None = None,
    created_after: float | None = None,
    created_before: float | None = None,
    ascending: bool = False,
    limit: int = 100,
    cursor: str | None = None,
    reserve: Callable[[int], None] = lambda size: None,
) -> JobPage:
    """One page of the jobs, newest first; the bounds are seconds since 1970, exclusive. A tag filters within the page.

    ``reserve`` is called with the bytes that were read, now and then while the page is read.

    :raises InvalidCursor: the cursor is not one that a page gave.
    """
    indexes = [f"jobs.{status}"] if status else []
    indexes += [f"jobs.analysis.{analysis}"] if analysis else []
    # Clients see milliseconds: after the one they saw is after all of it.
    least = "" if created_after is None else f"{created_after * 1e6 + 999:.0f}"
    greatest = "" if created_before is None else f"{created_before * 1e6:.0f}"
    wanted = Range(tuple(indexes or ["jobs"]), least, greatest, ascending)
    found = Listing.read(_transitions(), wanted, _parse_cursor(cursor), limit, reserve)
    last = ".".join(found.last) if found.last else None
    # What has changed its status, or was removed, since it was found is left out.
    records = [record for record in found.records if record and status in (None, record[b"status"].decode())]
    if tag is None:
        return JobPage(records, found.total, last)
    return JobPage([record for record in records if tag in json.loads(record.get(b"tags", "[]"))], None, last)


def get_results(jid: str) -> dict[str, Any] | None:
    """The results document, or None while there is none. It is there if and only if the job is complete."""
    try:
        stored = open_results(jid)
        document: dict[str, Any] = json.loads(b"".join([*stored.read_head(), b"}"]))
        return document | ({"artifacts": stored.artifacts} if stored.artifacts else {})
    except ResultsGone:
        return None


def open_results(jid: str) -> StoredResults:
    """The results as they are stored, to be read in parts.

    :raises ResultsGone: there are none.
    """
    return StoredResults(rd, jid)


def get_artifact(jid: str, name: str) -> bytes | None:
    """One figure or table of the results, or None."""
    try:
        return open_results(jid).load_artifact(name)
    except ResultsGone:
        return None


def get_log(jid: str) -> str:
    """What the job printed and logged, attempt by attempt."""
    attempts = sorted((int(attempt), text) for attempt, text in _bytes(rd.hgetall(f"log.{jid}")).items())
    return "".join(f"--- attempt {attempt} ---\n{text.decode('utf-8', 'replace')}" for attempt, text in attempts)


def cancel_job(jid: str) -> Job:
    """End an unfinished job; if a worker runs it, it is stopped. Cancelled already is fine.

    :raises JobNotFound: there is none.
    :raises InvalidTransition: it ended otherwise.
    """
    answer = _run("cancel", jid)[0]
    job = get_job_by_id(jid)
    if answer == b"ended":
        raise InvalidTransition(job, Status.CANCELLED)
    return job


def delete_job(jid: str) -> None:
    """Remove an ended job with its results and its log.

    :raises JobNotFound: there is none.
    :raises InvalidTransition: it is unfinished.
    """
    answer = _run("delete", jid)[0]
    if answer == b"unknown":
        raise JobNotFound(f"There is no job {jid}.")
    if answer == b"unfinished":
        raise InvalidTransition(get_job_by_id(jid), "deleted")


def update_job_status(jid: str, status: Status | str) -> Job:
    """Change a job's status by hand, where its picture in ``docs/states.md`` has an arrow for it.

    ``submitted`` ends the wait of a scheduled job, ``cancelled`` cancels. What a worker does (``in progress``,
    ``complete``, ``failed``) needs its lease and its results, and goes through ``q``.

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
    """The live workers: ``id``, ``host``, ``pid``, ``since`` and the ``job`` that each holds."""
    return [
        {
            "id": worker["id"].decode(),
            "host": worker["host"].decode(),
            "pid": int(worker["pid"]),
            "since": rfc3339(worker["since"]),
            "job": worker["job"].decode() or None,
        }
        for worker in map(by_name, _run("workers")[1:])
    ]


def get_stats() -> dict[str, Any]:
    """Jobs that wait by priority, jobs by status, seconds that the oldest waits, workers, ends in the last minute."""
    stats = by_name(_run("stats", *Status)[1:])
    return {
        "queue": dict(zip(("high", "normal", "low", "total"), stats["waiting"], strict=True)),
        "jobs": dict(zip(map(str, Status), stats["jobs"], strict=True)),
        "oldest_waiting_seconds": int(stats["oldest"]) / 1e6 if stats["oldest"] else None,
        "workers": stats["workers"],
        "throughput_last_minute": stats["ended"],
    }


def ping() -> None:
    """Ask Redis whether it is there; raises one of ``RedisUnavailable`` otherwise."""
    rd.ping()


def open_pubsub() -> redis.client.PubSub:
    """Return a listener with a connection of its own; each change of a job is published to ``job.<id>``."""
    client = redis.Redis(connection_pool=clone_pool(rd.connection_pool))
    listener: redis.client.PubSub = client.pubsub()  # type: ignore[no-untyped-call]
    return listener


# What the parent of workers does for them.


def check_redis() -> None:
    """Refuse a server that cannot keep the promises; see :func:`transitions.check_server`."""
    check_server(rd, databases=(settings.redis_db, settings.queue_db))


def register_worker(worker: str, host: str, pid: int) -> None:
    """Register a worker with a lease."""
    _run("register", worker, _lease(), host, pid)


def heartbeat(workers: Sequence[str]) -> Heartbeat:
    """Renew the leases of these workers and keep house, in one round trip.

    Queues what is due and what was accepted, removes what is past its retention, and repairs a queue that was lost.
    """
    renewed, *kept_house = _transitions().run_all(
        [
            ("renew", _lease(), *workers),
            ("promote", _BATCH, ""),
            ("purge", f"{settings.retention_seconds * 1e6:.0f}", _BATCH),
            ("publish", ""),
            ("repair", _BATCH),
        ]
    )
    held = [None if entry[0] == b"gone" else read_worker_lease(by_name(entry[1:])) for entry in renewed[2]]
    promoted, purged, published, repaired = (int(answer[1]) for answer in kept_house)
    more = _BATCH in (promoted, purged) or published > 0 or repaired > 0
    return Heartbeat(int(renewed[0]) / 1e6, [worker.decode() for worker in renewed[1]], held, more)


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
    job, attempt = only_if_run or ("", "")
    answer = _run("deregister", worker, reason, _json(error), random.random(), job, attempt, int(expired))
    return answer[1].decode() or None if answer[0] == b"deregistered" else None


def release_job(run: Run, worker: str, reason: ReleaseReason) -> None:
    """Release one job of a worker that stays registered."""
    _run("release", worker, *run, reason, "", random.random(), "")


def report_progress(job: ClaimedJob, worker: str, progress: float | None, message: str | None, log: str) -> None:
    """Note how far a job has come, and what it printed; of no effect once the job is not held any more."""
    _run("report", worker, job.id, job.attempt, "" if progress is None else progress, message or "", log)


def _bytes(answer: Any) -> Any:
    # The client's types allow for text, which it gives only where it is told to decode.
    return answer


def _run(name: str, *arguments: Any) -> list[Any]:
    return _transitions().run(name, *arguments)


def _transitions() -> Transitions:
    return Transitions(rd, records_db=settings.redis_db, queue_db=settings.queue_db, queue_name=settings.queue_name)


def _lease() -> str:
    return f"{settings.lease_seconds * 1e6:.0f}"


def _json(error: dict[str, Any] | None) -> str:
    return "" if error is None else json.dumps(error, ensure_ascii=False)


def _generate_job_key(jid: str) -> str:
    return f"job.{jid}"


def _jobs_by_id(ids: Sequence[str]) -> list[Job]:
    pipeline = rd.pipeline(transaction=False)
    for jid in ids:
        pipeline.hgetall(_generate_job_key(jid))
    return [job_from_record(record) for record in pipeline.execute() if record]


def _replay(fingerprint: str, kept: bytes, made: bytes, of_bulk: bytes | None) -> list[Job]:
    if kept.decode() != fingerprint:
        raise IdempotencyKeyReused("This idempotency key was used with another body: take a new key.")
    if of_bulk:
        bulk.publish(_transitions(), of_bulk.decode())
    return _jobs_by_id(made.decode().split())


def _parse_cursor(cursor: str | None) -> tuple[str, str]:
    if cursor is None:
        return "", ""
    parts = _CURSOR.fullmatch(cursor)
    if parts is None:
        raise InvalidCursor("This cursor is not one that a page gave: take `next` as it is.")
    return parts[1], parts[2]
