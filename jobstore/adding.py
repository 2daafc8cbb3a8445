"""Adds jobs from submissions, and finds those that a request with the same idempotency key added before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.exceptions import TimeoutError

from jobstore import bulk
from jobstore.errors import DatasetChanged, IdempotencyKeyReused, QueueFull, QuotaExceeded
from jobstore.ids import generate_jids
from jobstore.model import (
    Idempotency,
    Job,
    Submission,
    job_from_record,
    new_jobs,
    to_records,
)
from jobstore.scripts import Transitions

__all__ = ["add_submissions", "find_by_key"]

_IDEMPOTENCY_SECONDS = 86400


def add_submissions(
    transitions: Transitions, submissions: Sequence[Submission], idempotency: Idempotency | None, most: int, quota: int
) -> tuple[list[Job], bool]:
    """Add all jobs of one owner or none; return whether their idempotency key was known, too.

    There are ``most`` unfinished jobs at most in all, and ``quota`` of the owner; 0 is no quota.

    :raises DatasetChanged: a submission names a version that is no longer current.
    :raises IdempotencyKeyReused: the key belongs to a request with another body.
    :raises QueueFull: there would be more unfinished jobs.
    :raises QuotaExceeded: there would be more of the owner.
    """
    fresh = iter(generate_jids(len(submissions)))
    ids = [each.id or next(fresh) for each in submissions]
    version = next((s.dataset for s in submissions if s.dataset), "")
    key, fingerprint = (idempotency.hash, idempotency.fingerprint) if idempotency else ("", "")
    owner = next((s.owner for s in submissions if s.owner), "")
    terms = bulk.Terms(version, key, fingerprint, _IDEMPOTENCY_SECONDS, most, owner, quota)
    answer = bulk.add(transitions, terms, to_records(ids, submissions, key))
    match answer[0]:
        case b"added":
            return new_jobs(ids, submissions, int(answer[1])), False
        case b"replay":
            return _replay(transitions, fingerprint, *answer[1:]), True
        case b"there" | b"gone":
            if found := _jobs_by_id(transitions, ids):
                return found, False
            raise TimeoutError("The jobs expired before they were accepted.")
        case b"full":
            raise QueueFull(f"{answer[1]} jobs are unfinished; with these there would be more than MAX_QUEUED_JOBS.")
        case b"quota":
            raise QuotaExceeded(int(answer[1]), quota)
    raise DatasetChanged(f"The dataset is no longer at version {version}.")


def find_by_key(transitions: Transitions, idempotency: Idempotency) -> list[Job] | None:
    """Return the jobs that a request with this key added, in their current state; None for a new key.

    :raises IdempotencyKeyReused: the key belongs to a request with another body.
    """
    key = f"idempotency.{idempotency.hash}"
    kept: Any = transitions.client.hmget(key, "fingerprint", "jobs", "bulk")
    return None if kept[0] is None else _replay(transitions, idempotency.fingerprint, *kept)


def _replay(transitions: Transitions, fingerprint: str, kept: bytes, made: bytes, of_bulk: bytes | None) -> list[Job]:
    if kept.decode() != fingerprint:
        raise IdempotencyKeyReused("This idempotency key was used with another body: take a new key.")
    if of_bulk:
        bulk.publish(transitions, of_bulk.decode())
    return _jobs_by_id(transitions, made.decode().split())


def _jobs_by_id(transitions: Transitions, ids: Sequence[str]) -> list[Job]:
    pipeline = transitions.client.pipeline(transaction=False)
    for jid in ids:
        pipeline.hgetall(f"job.{jid}")
    found = zip(pipeline.execute(), ids, strict=True)
    return [job_from_record(record, jid) for record, jid in found if record]
