"""The errors of operations on jobs."""

from __future__ import annotations

from jobstore.model import Job

__all__ = [
    "DatasetChanged",
    "IdempotencyKeyReused",
    "InvalidCursor",
    "InvalidTransition",
    "JobError",
    "JobNotFound",
    "QueueFull",
    "QuotaExceeded",
]


class JobError(Exception):
    """An operation on a job is not possible."""


class JobNotFound(JobError):
    """There is no job with this id, or it is past its retention."""


class InvalidTransition(JobError):
    """The job's status does not allow this change."""

    def __init__(self, job: Job, wanted: str) -> None:
        super().__init__(f"Job {job['id']} is {job['status']}: it cannot become {wanted}.")
        self.job = job


class DatasetChanged(JobError):
    """The dataset was replaced after the jobs were validated: validate them again."""


class IdempotencyKeyReused(JobError):
    """The idempotency key belongs to a request with another body."""


class InvalidCursor(JobError):
    """The cursor is not from a page."""


class QueueFull(JobError):
    """With these jobs there would be more than ``MAX_QUEUED_JOBS`` unfinished ones."""


class QuotaExceeded(JobError):
    """With these jobs their owner would have more than ``MAX_UNFINISHED_JOBS`` unfinished ones."""

    def __init__(self, unfinished: int, most: int) -> None:
        super().__init__(f"This key has {unfinished} unfinished jobs, and may have {most}.")
        self.unfinished = unfinished
        self.most = most
