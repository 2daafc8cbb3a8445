"""The HotQueue whose consumers hold a job until it is released."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import redis
from hotqueue import HotQueue
from redis.exceptions import ConnectionError, ResponseError, TimeoutError

from jobstore.acknowledgement import Acknowledgement, ClaimedJob
from jobstore.model import ReleaseReason
from jobstore.redis import BLOCK_SECONDS, clone_pool, is_read_only_replica
from jobstore.reserved_jobs import ReservedJobs
from jobstore.scripts import NoScript, Transitions
from jobstore.worker_connection import WorkerConnection

__all__ = ["ClaimedJob", "JobQueue", "WorkerNotRegistered"]

_log = logging.getLogger(__name__)
_RETRYABLE_ERRORS = (ConnectionError, TimeoutError, ResponseError)
_MAX_BACKOFF = 5.0
_MAX_REFUSALS = 5


class WorkerNotRegistered(Exception):
    """The worker is not registered: it never was, or its lease expired and its job was released."""


class _WaitOver(Exception):
    """The wait for a job ends because the worker drains."""


class JobQueue(HotQueue):  # type: ignore[misc]
    """A HotQueue of job ids: the same constructor, keys, ``len(q)``, ``put``, ``consume`` and ``@q.worker``.

    Job ids are stored as plain text. A consumer is a worker with a lease: call :meth:`set_worker_id` first. Each
    :meth:`get` acknowledges the previous job and claims the next one in a single round trip. After an error it
    retries until Redis answers; neither job is lost.

    With ``reserved.most``, :meth:`get` reserves the next jobs while jobs are short: it returns one of them once the
    result of the job before is sent, and reads the answer later.
    """

    def __init__(self, name: str, serializer: Any = None, *, records_db: int = 0, **kwargs: Any) -> None:
        self.worker_id: str | None = None
        self.on_error: Callable[[], object] = lambda: None
        """Called for each call that fails and is tried again."""
        self.has_lost_reserved: Callable[[], bool] = lambda: False
        """Return whether the supervisor has queued the reserved jobs since the last call."""
        self.reserved = ReservedJobs()
        pool = redis.Redis(**kwargs).connection_pool
        self._connection = WorkerConnection(pool)
        self.bind(name, pool, records_db=records_db)

    def bind(self, name: str, pool: redis.ConnectionPool, *, records_db: int) -> None:
        """Use this queue of this server from now on; the worker id stays."""
        super().__init__(name, None, connection_pool=pool)
        self._connection.drop()
        self.draining = False
        """Whether no further job is claimed; the pending acknowledgement is still sent."""
        self._client = redis.Redis(connection_pool=pool)
        self._queue_db = pool.connection_kwargs.get("db", 0)
        # Claiming reads and writes records mostly: each change of database takes time.
        self._records_db = records_db
        pool = clone_pool(pool, db=records_db, decode_responses=True)
        self._connection = WorkerConnection(pool)
        self._transitions = Transitions(
            redis.Redis(connection_pool=pool), records_db=records_db, queue_db=self._queue_db, queue_name=name
        )
        self._pending_ack: Acknowledgement | None = None
        self.reserved.reset()
        self._must_resend = False
        self._deferred: Callable[[], bool] | None = None
        self._unfit = False
        self._interruptible = False
        self._failures = 0
        self._refusals = 0

    def set_worker_id(self, worker: str) -> None:
        """Claim jobs as this registered worker from now on."""
        self.worker_id = worker

    def run_while_waiting(self, work: Callable[[], bool]) -> None:
        """Call ``work`` once, while Redis executes the next :meth:`get` or :meth:`flush`.

        Where it returns False, a job that this call claims is released, and none is claimed any more.
        """
        self._deferred = work

    def put(self, *ids: str) -> None:
        """Queue ids at the tail by hand and wake workers; an id whose job is not submitted is left out."""
        self._transitions.run_all([("put", jid) for jid in ids])

    def totals(self) -> dict[tuple[str, str], int]:
        """Count the jobs that have ended by status and analysis, and the attempts by `retry` and reason.

        Counted by the scripts since the queue exists, for all processes together.
        """
        counted: Any = self._client.hgetall(f"{self.key}.totals")
        return {(*name.decode().partition(" ")[::2],): int(value) for name, value in counted.items()}

    def defer_complete(
        self, job: ClaimedJob, document: str | bytes, artifacts: list[tuple[str, bytes]], log: str
    ) -> None:
        """Complete a job with the next :meth:`get` or :meth:`flush`; nothing is sent before."""
        self._pending_ack = Acknowledgement.finish(self.worker_id or "", job, document, artifacts, log)

    def defer_release(self, job: ClaimedJob, reason: ReleaseReason, error: str, log: str) -> None:
        """Release a job with the next :meth:`get` or :meth:`flush`; ``error`` is JSON, ``""`` for none."""
        self._pending_ack = Acknowledgement.release(self.worker_id or "", job, reason, error, log)

    def flush(self) -> str | None:
        """Send the pending acknowledgement alone; return the answer, ``refused`` if the job was no longer held."""
        answer: str | None = None
        while self.reserved.sent or self.reserved.collected or self._pending_ack is not None:
            try:
                self._send_collected()
                self._read_sent()
                if self._pending_ack is not None:
                    answer = self._exchange([(self._pending_ack.verb, *self._pending_ack.words)])[0][0]
                    self._pending_ack = None
            except _RETRYABLE_ERRORS as error:
                self._backoff_and_reconnect(error)
        self._run_deferred()
        return answer

    def get(self, block: bool = False, timeout: float | None = None) -> ClaimedJob | None:
        """Acknowledge the previous job and return the next one, or None.

        :param block: wait for a job, at most ``timeout`` seconds if given.
        :raises WorkerNotRegistered: this worker is not registered.
        """
        if self.worker_id is None:
            raise WorkerNotRegistered(
                "Claiming a job needs a registered worker, or a crash would lose it: run worker.py."
            )
        self.reserved.note_call()
        give_up = None if timeout is None else time.monotonic() + timeout
        wait = False
        while not self.draining:
            try:
                answer: Any = self._start_reserved() or self._claim(wait)
            except _RETRYABLE_ERRORS as error:
                wait = False
                with suppress(_WaitOver):
                    self._backoff_and_reconnect(error)
                continue
            except _WaitOver:
                break
            if answer[0] == "job":
                job: ClaimedJob = answer[1]
                if not self._unfit:
                    self.reserved.note_return()
                    return job
                self.defer_release(job, ReleaseReason.DRAIN, "", "")
                break
            if answer[0] == "gone":
                raise WorkerNotRegistered(f"Worker {self.worker_id} is not registered any more.")
            if answer[0] == "none" and (not block or (give_up is not None and time.monotonic() >= give_up)):
                return None
            wait = answer[0] == "none"
        self.flush()
        return None

    def drain(self) -> None:
        """Claim no more jobs: :meth:`get` returns None from now on. A signal handler may call it to end a wait."""
        self.draining = True
        if self._interruptible:
            self._interruptible = False
            raise _WaitOver

    def _claim(self, wait: bool) -> Any:
        """Send the pending acknowledgement, or wait for a wake token, and claim a job: one round trip."""
        self._send_collected()
        self._read_sent()
        wanted = self.reserved.wanted()
        claim = ("claim", self.worker_id, int(wait), wanted)
        answer: list[Any]
        if self._pending_ack is not None:
            call = self._pending_ack._replace(asked=wanted).call()
            if self._pending_ack.verb == "finish":
                outcome, *answer = self._exchange([call])[0]
            else:
                [outcome, *_], answer = self._exchange([call, claim])
            self._pending_ack.note_outcome(outcome)
            self._pending_ack = None
        elif not wait:
            answer = self._exchange([claim])[0]
        else:
            with self._waiting():
                answer = self._exchange([claim], wait=True)[-1]
        if answer[0] != "job":
            return answer
        job, *reserved = [ClaimedJob(*each) for each in answer[1]]
        self.reserved.replace(reserved)
        return "job", job

    def _start_reserved(self) -> tuple[str, ClaimedJob] | None:
        """Send the pending result with the start of the first reserved job, ahead of its answer; None without one.

        A small result is kept back for a moment, to be sent with others.
        """
        if self.has_lost_reserved():
            self.reserved.invalidate()
        if self.reserved.sent and (self._must_resend or not self.reserved.has_next):
            self._read_sent()
        if self._pending_ack is None:
            return None
        if (job := self.reserved.collect(self._pending_ack)) is not None:
            self._pending_ack = None
            if due := self.reserved.take_due(self.worker_id or "", job):
                self._send_acknowledgement(due)
            else:
                self._run_deferred()
            return "job", job
        self._send_collected()
        if (job := self.reserved.follow(self._pending_ack)) is None:
            return None
        self._pending_ack = None
        self._send_acknowledgement(self.reserved.sent[-1])
        return "job", job

    def _send_collected(self) -> None:
        """Send the collected results, and that the job has begun whose acknowledgement is pending."""
        if self.reserved.collected:
            run = None if self._pending_ack is None else self._pending_ack.run
            self._send_acknowledgement(self.reserved.take_collected(self.worker_id or "", run))

    def _send_acknowledgement(self, ended: Acknowledgement) -> None:
        self._send([self._transitions.command(*ended.call())])

    def _read_sent(self) -> None:
        """Read the missing answers to what was sent ahead; send it again after the connection was lost."""
        while self.reserved.sent:
            ended = self.reserved.sent[0]
            if self._must_resend:
                outcome, *begun = self._exchange([ended._replace(asked=0).call()])[0]
            else:
                outcome, *begun = self._read_answers(1)[0]
            if ended.verb == "release":
                begun = ["void", []]
            ended.note_outcome(outcome)
            self.reserved.answer([ClaimedJob(*each) for each in begun[1]], is_void=begun[0] == "void")
        self._must_resend = False

    def _exchange(self, calls: list[tuple[Any, ...]], wait: bool = False) -> list[Any]:
        """Send calls in one round trip and read all answers; never retries."""
        commands = [self._transitions.command(*call) for call in calls]
        if wait:
            token = ("BLPOP", f"{self.key}.wake", BLOCK_SECONDS)
            commands = [("SELECT", self._queue_db), token, ("SELECT", self._records_db), *commands]
        self._send(commands)
        return self._read_answers(len(commands))

    def _send(self, commands: list[tuple[Any, ...]]) -> None:
        try:
            self._connection.send(commands)
            self._run_deferred()
        except BaseException:
            self._drop_connection()
            raise

    def _read_answers(self, count: int) -> list[Any]:
        try:
            answers = self._connection.read(count)
        except BaseException:
            # Unread answers would be read as those of the next call.
            self._drop_connection()
            raise
        for answer in answers:
            if isinstance(answer, ResponseError):
                # A server without the scripts may be the former master, now a replica. After an error the results that
                # were sent ahead are sent again.
                if is_read_only_replica(answer) or isinstance(answer, NoScript) or self.reserved.sent:
                    self._drop_connection()
                raise answer
        self._failures = self._refusals = 0
        return answers

    def _run_deferred(self) -> None:
        if self._deferred is not None:
            work, self._deferred = self._deferred, None
            if not work():
                self.draining = self._unfit = True

    def _drop_connection(self) -> None:
        self._connection.drop()
        self.reserved.invalidate()
        self._must_resend = bool(self.reserved.sent)

    def _backoff_and_reconnect(self, error: Exception) -> None:
        """Prepare the next try: load the scripts into a restarted server, or wait for an unavailable one."""
        self._run_deferred()
        if isinstance(error, NoScript):
            with suppress(*_RETRYABLE_ERRORS):
                self._transitions.load("claim", "finish", "finish_claim", "finish_collected", "release")
                return
        self.on_error()
        self._note_refusal(error)
        pause = min(_MAX_BACKOFF, 0.05 * 2**self._failures) * random.uniform(0.5, 1)
        self._failures = min(self._failures + 1, 10)
        _log.warning("Redis unavailable, retrying in %s s", round(pause, 2), extra={"error": str(error)})
        if self._pending_ack is None:
            with self._waiting():
                time.sleep(pause)
        else:
            time.sleep(pause)

    def _note_refusal(self, error: Exception) -> None:
        """Release a job instead of completing it, once Redis has refused its results several times while it answers."""
        ended = self.reserved.sent[0] if self.reserved.sent else self._pending_ack
        is_refused = ended is not None and ended.may_cause(error) and self._answers()
        self._refusals = self._refusals + 1 if is_refused else 0
        if ended is None or self._refusals < _MAX_REFUSALS:
            return
        self._refusals = 0
        if ended.verb == "collect":
            self.reserved.stop_collecting()
        elif self.reserved.sent:
            self.reserved.sent[0] = ended.as_failure(str(error))
        else:
            self._pending_ack = ended.as_failure(str(error))

    def _answers(self) -> bool:
        try:
            return bool(self._client.ping())
        except _RETRYABLE_ERRORS:
            return False

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Let :meth:`drain` end the wait: no acknowledgement is pending."""
        self._interruptible = True
        try:
            if self.draining:
                raise _WaitOver
            yield
        finally:
            self._interruptible = False
