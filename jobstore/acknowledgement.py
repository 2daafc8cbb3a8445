"""A job that a worker has claimed, and the call in which it sends what became of it."""

from __future__ import annotations

import json
import logging
import random
from typing import Any, NamedTuple

from redis.exceptions import ConnectionError, ResponseError, TimeoutError

from jobstore.model import ReleaseReason, Run
from jobstore.redis import is_transient
from jobstore.results import results_fields
from jobstore.round_trip import PART_BYTES

__all__ = ["Acknowledgement", "ClaimedJob"]

_log = logging.getLogger(__name__)


class ClaimedJob(NamedTuple):
    """A job that this worker holds in this attempt; ``start``, ``end``, ``params`` and ``selection`` are JSON texts.

    ``selection`` is an object of the members that select rows besides the bounds, or empty.
    """

    id: str
    attempt: str
    analysis: str
    start: str
    end: str
    params: str
    dataset: str
    selection: str = ""
    waited: int = 0
    """Microseconds from when it was queued, in this attempt, until it was claimed or reserved."""
    request_id: str = ""

    @property
    def run(self) -> Run:
        """The attempt that this worker holds."""
        return Run(self.id, self.attempt)


class Acknowledgement(NamedTuple):
    """What became of a job: the verb and the words of the call; the job that it starts; how many more to reserve.

    The verbs are ``finish``, ``release``, and ``collect`` for small results that are sent together.
    """

    verb: str
    words: list[Any]
    following: ClaimedJob | Run | None = None
    asked: int = 0

    @classmethod
    def finish(
        cls, worker: str, job: ClaimedJob, document: str | bytes, artifacts: list[tuple[str, bytes]], log: str
    ) -> Acknowledgement:
        """Return that a job is complete."""
        _, *fields = results_fields(document, artifacts, job)
        return cls("finish", [worker, job.id, job.attempt, fields[0], log, *fields[1:]])

    @classmethod
    def release(
        cls, worker: str, run: Run | ClaimedJob, reason: ReleaseReason, error: str, log: str
    ) -> Acknowledgement:
        """Return that an attempt has ended without results; ``error`` is JSON, ``""`` for none."""
        jid, attempt, *_ = run
        return cls("release", [worker, jid, attempt, reason, error, random.random(), log])

    @property
    def run(self) -> Run:
        """The run that has ended."""
        return Run(*self.words[1:3])

    @property
    def size(self) -> int:
        """The number of bytes or characters."""
        return sum(len(word) for word in self.words if isinstance(word, (str, bytes)))

    def may_cause(self, error: Exception) -> bool:
        """Return whether these results may be why Redis refuses: too large, or of a kind that it does not take."""
        is_blamed = type(error) is ResponseError and not is_transient(error)
        is_large = self.size > PART_BYTES and isinstance(error, (ConnectionError, TimeoutError))
        return self.verb != "release" and (is_blamed or is_large)

    def call(self) -> tuple[Any, ...]:
        """Return the call that also starts the next job."""
        following = ("", "") if self.following is None else self.following[:2]
        if self.verb == "collect":
            return ("finish_collected", self.words[0], self.asked, *following, self.words[1])
        if self.verb == "finish":
            return ("finish_claim", *self.words[:5], self.asked, *following, *self.words[5:])
        return (self.verb, *self.words)

    def as_failure(self, error: str) -> Acknowledgement:
        """Return the release of the job because Redis does not take its results."""
        worker, jid, attempt, _, log, *_ = self.words
        _log.error("results rejected", extra={"job": jid, "attempt": attempt, "error": error})
        message = f"Redis does not take the results: {error} Make them smaller, or have its proto-max-bulk-len raised."
        failure = json.dumps({"type": "ResultsRefused", "message": message, "reason": "error"})
        return Acknowledgement.release(worker, Run(jid, attempt), ReleaseReason.ERROR, failure, log)

    def note_outcome(self, outcome: str | list[str]) -> None:
        """Log the jobs that the worker no longer held, by the answer of a script."""
        refused = outcome if isinstance(outcome, list) else [" ".join(self.run)] if outcome == "refused" else []
        for jid, attempt in map(str.split, refused):
            _log.warning("stale result rejected", extra={"job": jid, "attempt": attempt})
