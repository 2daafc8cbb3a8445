"""What a worker knows of the jobs that it has reserved, and of the acknowledgements sent ahead of their answers."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable

from jobstore.acknowledgement import Acknowledgement, ClaimedJob
from jobstore.collected_results import CollectedResults
from jobstore.model import Run

__all__ = ["ReservedJobs"]

_SECONDS = 0.005
"""The time that the reserved jobs may take together, by how long the last ones took."""
_DECAY = 0.75
_SENT_BYTES = 2**14
"""A larger result is not sent ahead of the answer: each is kept until it is answered."""


class ReservedJobs:
    """The jobs reserved behind the one that runs, in their order; ``most`` of them, while jobs are short."""

    def __init__(self) -> None:
        self.most = 0
        self.sent: deque[Acknowledgement] = deque()
        self.collected = CollectedResults()
        self._jobs: deque[ClaimedJob] = deque()
        self._is_valid = True
        self._has_asked = False
        self._job_seconds = float("inf")
        self._returned_at: float | None = None
        self._last_seconds = 0.0

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
            seconds = self._last_seconds = time.monotonic() - self._returned_at
            is_first = self._job_seconds == float("inf")
            self._job_seconds = seconds if is_first else max(seconds, self._job_seconds * _DECAY)
            self._returned_at = None

    def wanted(self) -> int:
        """Return how many to have, by how long the last jobs took."""
        return min(self.most, int(_SECONDS / max(self._job_seconds, 1e-6)))

    def reset(self) -> None:
        """Forget the jobs and what was not sent or answered."""
        self.sent.clear()
        self.collected.take()
        self.invalidate()

    def replace(self, jobs: Iterable[ClaimedJob]) -> None:
        """Take over all that the worker has reserved in Redis."""
        self._jobs = deque(jobs)
        self._is_valid, self._has_asked = True, False

    def invalidate(self) -> None:
        """Forget the jobs: some may be reserved no more, and a claim is needed that returns all that are."""
        self._jobs.clear()
        self._is_valid = False

    def collect(self, ended: Acknowledgement) -> ClaimedJob | None:
        """Keep a small result back, and return the first job; None where the result is one that is sent alone."""
        if not self._jobs or ended.verb != "finish" or not self.collected.add(ended.words, self._last_seconds):
            return None
        return self._jobs.popleft()

    def take_due(self, worker: str, following: ClaimedJob) -> Acknowledgement | None:
        """Take the collected results if they are to be sent before this job, which they start."""
        if not self.collected.are_due(len(self._jobs), self._job_seconds, has_asked=self._has_asked):
            return None
        return self.take_collected(worker, following)

    def take_collected(self, worker: str, following: ClaimedJob | Run | None) -> Acknowledgement:
        """Take the collected results; they are kept until they are answered. They start this job."""
        asked = self._ask() if isinstance(following, ClaimedJob) else 0
        self.sent.append(Acknowledgement("collect", [worker, self.collected.take()], following, asked))
        return self.sent[-1]

    def stop_collecting(self) -> None:
        """Forget the collected results that were sent first: their jobs run again, and each result is sent alone."""
        self.sent.popleft()
        self.collected.stop()

    def follow(self, ended: Acknowledgement) -> ClaimedJob | None:
        """Take the first job, to be started by the result, which is kept until it is answered; None without one."""
        if not self._jobs or ended.verb != "finish" or ended.size > _SENT_BYTES:
            return None
        job = self._jobs.popleft()
        self.sent.append(ended._replace(following=job, asked=self._ask()))
        return job

    def _ask(self) -> int:
        """Return how many more jobs to ask for."""
        wanted = self.wanted()
        asked = 0 if self._has_asked or len(self._jobs) > wanted // 2 else wanted
        self._has_asked = self._has_asked or asked > 0
        return asked

    def answer(self, jobs: Iterable[ClaimedJob], *, is_void: bool) -> None:
        """Note the answer to the first result that was sent: more reserved jobs, or that its job must not run."""
        ended = self.sent.popleft()
        if ended.verb == "collect":
            self.collected.note_answer(ended.words[1])
        if ended.asked:
            self._has_asked = False
        if is_void:
            self.invalidate()
        elif self._is_valid:
            self._jobs.extend(jobs)
