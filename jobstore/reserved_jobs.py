"""What a worker knows of the jobs that it has reserved, and of the results that it has sent ahead of their answers."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

__all__ = ["ClaimedJob", "ReservedJobs", "SentResult"]

_SECONDS = 0.005
"""The time that the reserved jobs may take together, by how long the last ones took."""
_DECAY = 0.75
_SENT_BYTES = 2**14
"""A larger result is not sent ahead of the answer: each is kept until it is answered."""


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


class SentResult(NamedTuple):
    """A result that was sent with the start of the next job: the call's verb and words, that job, and how many more
    jobs it asks to reserve."""

    verb: str
    words: list[Any]
    following: ClaimedJob | None = None
    asked: int = 0

    def call(self) -> tuple[Any, ...]:
        """Return the call of ``finish_claim.lua``."""
        following = ("", "") if self.following is None else self.following[:2]
        return ("finish_claim", *self.words[:5], self.asked, *following, *self.words[5:])


class ReservedJobs:
    """The jobs reserved behind the one that runs, in their order; ``most`` of them, while jobs are short."""

    def __init__(self) -> None:
        self.most = 0
        self.sent: deque[SentResult] = deque()
        self._jobs: deque[ClaimedJob] = deque()
        self._is_valid = True
        self._has_asked = False
        self._job_seconds = float("inf")
        self._returned_at: float | None = None

    def __bool__(self) -> bool:
        return bool(self._jobs) or self._has_asked

    @property
    def has_next(self) -> bool:
        """Whether a job is known that can be started."""
        return bool(self._jobs)

    def note_return(self) -> None:
        """Note that a job begins."""
        self._returned_at = time.monotonic()

    def note_call(self) -> None:
        """Note that the job has ended, if one ran."""
        if self._returned_at is not None:
            seconds = time.monotonic() - self._returned_at
            is_first = self._job_seconds == float("inf")
            self._job_seconds = seconds if is_first else max(seconds, self._job_seconds * _DECAY)
            self._returned_at = None

    def wanted(self) -> int:
        """Return how many to have, by how long the last jobs took."""
        return min(self.most, int(_SECONDS / max(self._job_seconds, 1e-6)))

    def replace(self, jobs: Iterable[ClaimedJob]) -> None:
        """Take over all that the worker has reserved in Redis."""
        self._jobs = deque(jobs)
        self._is_valid, self._has_asked = True, False

    def invalidate(self) -> None:
        """Forget the jobs: some may be reserved no more, and a claim is needed that returns all that are."""
        self._jobs.clear()
        self._is_valid = False

    def follow(self, verb: str, words: list[Any]) -> SentResult | None:
        """Take the first job, to be started by this result, which is kept until it is answered; None without one."""
        if not self._jobs or verb != "finish" or sum(map(len, words[3:])) > _SENT_BYTES:
            return None
        job, wanted = self._jobs.popleft(), self.wanted()
        asked = 0 if self._has_asked or len(self._jobs) > wanted // 2 else wanted
        self._has_asked = self._has_asked or asked > 0
        self.sent.append(SentResult(verb, words, job, asked))
        return self.sent[-1]

    def answer(self, jobs: Iterable[ClaimedJob], *, is_void: bool) -> None:
        """Note the answer to the first result that was sent: more reserved jobs, or that its job must not run."""
        if self.sent.popleft().asked:
            self._has_asked = False
        if is_void:
            self.invalidate()
        elif self._is_valid:
            self._jobs.extend(jobs)
