"""Cancels, retries or deletes all jobs that match some filters: few at once, many as an operation in the background."""

from __future__ import annotations

import hashlib
import logging
import time
import uuid
from collections.abc import Iterator, Sequence
from threading import Event as Signal
from threading import Thread
from typing import Final

from flask import Flask, g

import jobs
from config.events import Event
from dataset import Store
from jobs import Action, Filters, Operation, Status
from jobstore import Operations
from submission.validation import request_again, submit
from web.auth import Key, Role, current_key, may_act_on
from web.bulk_actions import MAX_AT_ONCE
from web.problems import Problem
from web.redis_outage import note_unavailable
from web.request_id import current_request_id

__all__ = ["BulkActions"]

_MAX_SECONDS_AT_ONCE: Final = 30.0
_MAX_SECONDS_IN_TURN: Final = 5.0
_POLL_SECONDS: Final = 2.0
# The jobs of one call are one slice of jobstore/bulk.py: it adds all of them or none in one script.
_ADDED_BYTES: Final = 2**19
_BYTES_PER_JOB: Final = 1024
_UNAVAILABLE: Final = 503

_log = logging.getLogger("api")


class BulkActions:
    """The actions on all jobs that match, and the thread that works on operations."""

    def __init__(self, app: Flask, store: Store, max_params_bytes: int) -> None:
        self._app = app
        self._store = store
        self._max_params_bytes = max_params_bytes
        self._pending = Signal()

    def start(self) -> None:
        """Start the thread that works on operations, also those that a process left when it died."""
        Thread(target=self._run, name="operations", daemon=True).start()

    def act(
        self, action: Action, filters: Filters, idempotency: jobs.Idempotency | None = None
    ) -> tuple[Operation, bool]:
        """Act on the matching jobs; return the operation and whether it is new.

        It is in progress if more than 1,000 match, or if there are so many jobs to walk through that it takes long.
        An operation that ended is forgotten, unless its idempotency key may be used again.

        :raises Problem, JobError: as :func:`submit`, unless it is about one job, which is skipped.
        :raises jobs.IdempotencyKeyReused: the key belongs to a request with another body.
        """
        operations = jobs.operations(str(uuid.uuid4()))
        key = current_key()
        about = {
            "owner": key.name if key else "",
            "role": key.role if key else "",
            "request_id": current_request_id(),
            "fingerprint": idempotency.fingerprint if idempotency else "",
        }
        id = _derived_id("idempotency", idempotency.key) if idempotency else ""
        operation = operations.start(action, filters, about, id)
        if idempotency and operation.fingerprint != idempotency.fingerprint:
            raise jobs.IdempotencyKeyReused("This idempotency key was used with another body: take a new key.")
        if not operations.is_held(operation):
            return operation, False
        try:
            operation = self._work_on(operations, operation, _MAX_SECONDS_AT_ONCE, MAX_AT_ONCE)
        except (Problem, jobs.JobError):
            # The same request may be sent again: a job that was retried is not retried twice with the same key.
            operations.end(operation.id, Status.FAILED)
            operations.forget(operation)
            raise
        if operations.is_held(operation):
            operations.release(operation)
            self._pending.set()
        elif not idempotency:
            operations.forget(operation)
        return operation, True

    def work(self) -> bool:
        """Work on an operation that nobody works on for a while; return whether there was one."""
        # No two calls hold the same operation, also those of other processes and threads.
        operations = jobs.operations(str(uuid.uuid4()))
        operation = operations.claim()
        if operation is None:
            return False
        with self._app.app_context():
            g.request_id = operation.request_id
            if operation.owner is not None:
                g.key = Key(operation.owner, Role(operation.role or Role.READ))
            try:
                operation = self._work_on(operations, operation, _MAX_SECONDS_IN_TURN)
            except (Problem, jobs.JobError) as error:
                # Otherwise it is taken up again when the lease is over.
                if not (isinstance(error, Problem) and error.status == _UNAVAILABLE):
                    operations.end(operation.id, Status.FAILED, str(error))
                _log.warning(Event.OPERATION_FAILED, extra={"operation": operation.id, "error": str(error)})
                return True
        if operations.is_held(operation):
            operations.release(operation)
        else:
            about = {"operation": operation.id, "action": operation.action, "status": operation.status}
            _log.info(Event.OPERATION_ENDED, extra={**about, **operation.counts})
        return True

    def _run(self) -> None:
        while True:
            try:
                found = self.work()
            except jobs.RedisError as error:
                if not note_unavailable(error):
                    _log.warning(Event.REDIS_UNAVAILABLE, f"{_POLL_SECONDS:g}", extra={"error": str(error)})
                time.sleep(_POLL_SECONDS)
                continue
            if not found:
                self._pending.wait(_POLL_SECONDS)
                self._pending.clear()

    def _work_on(
        self, operations: Operations, operation: Operation, seconds: float, most: int | None = None
    ) -> Operation:
        """Act on the next slices for some time, on ``most`` jobs in all; return the operation as it is then.

        :raises Problem, JobError: jobs cannot be added.
        """
        deadline = time.monotonic() + seconds
        while operations.is_held(operation) and time.monotonic() < deadline:
            stretch, matched = operations.next_slice(operation)
            if most is not None and operation.matched + len(matched) > most:
                break
            own = [job.id for job in matched if may_act_on({"owner": job.owner or None})]
            if operation.action is not Action.RETRY:
                operation = operations.advance(operation, stretch, matched=len(matched), ids=own)
                continue
            done = self._retry(operations, operation, own)
            operation = operations.advance(operation, stretch, matched=len(matched), done=done)
        return operation

    def _retry(self, operations: Operations, operation: Operation, ids: Sequence[str]) -> int:
        """Retry those jobs that have ended, each once however often this is called; return how many have been."""
        done = 0
        for group in _groups(operations.read_jobs(ids)):
            left = {_derived_id(operation.id, job["id"]): job for job in group}
            # One that was added before by a process that died, or is so now by one that was slow.
            while left:
                made = operations.find_jobs(left)
                done += len(made)
                left = {jid: job for jid, job in left.items() if jid not in made}
                left, added = self._add(left)
                if added == len(left):
                    done += added
                    break
        return done

    def _add(self, left: dict[str, jobs.Job]) -> tuple[dict[str, jobs.Job], int]:
        """Add retries by their ids, without those that are invalid today; return the valid ones and how many were."""
        while left:
            prefixes = [f"/{position}" for position in range(len(left))]
            repeats = [{"retry_of": job["id"], "id": jid} for jid, job in left.items()]
            requests = map(request_again, left.values())
            try:
                added, _ = submit(requests, prefixes, self._store, self._max_params_bytes, None, repeats)
            except Problem as problem:
                invalid = {int(error["pointer"].split("/")[1]) for error in problem.errors if "pointer" in error}
                if problem.status not in (409, 422) or not invalid:
                    raise
                left = {jid: job for position, (jid, job) in enumerate(left.items()) if position not in invalid}
            else:
                return left, len(added)
        return left, 0


def _groups(records: Sequence[dict[bytes, bytes]]) -> Iterator[list[jobs.Job]]:
    """Yield the jobs that have ended, as many at once as are added by one script."""
    group: list[jobs.Job] = []
    size = 0
    for record in records:
        if not record or not Status(record[b"status"].decode()).ended:
            continue
        its_size = _BYTES_PER_JOB + sum(map(len, record.values()))
        if group and size + its_size > _ADDED_BYTES:
            yield group
            group, size = [], 0
        group.append(jobs.job_from_record(record))
        size += its_size
    if group:
        yield group


def _derived_id(*parts: str) -> str:
    """Return a UUID that is the same for the same parts, and cannot be told from a random one."""
    digest = hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))
