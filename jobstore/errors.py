"""What cannot be done to a job, one exception for each reason."""

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
]


class JobError(Exception):
    """What was asked cannot be done to a job."""


class JobNotFound(JobError):
    """There is no job with this id, or it is past its retention."""


class InvalidTransition(JobError):
    """The job's status does not allow this change."""

    def __init__(self, job: Job, wanted: str) -> None:
        super().__init__(f"Job {job['id']} is {job['status']}: it cannot become {wanted}.")
        self.job = job


class DatasetChanged(JobError):
    """The dataset was replaced after the jobs were validated: validate them anew."""


class IdempotencyKeyReused(JobError):
    """This idempotency key belongs to a request with another body."""


class InvalidCursor(JobError):
    """This is not a cursor that a page gave."""


class QueueFull(JobError):
    """With these jobs there would be more unfinished ones than ``MAX_QUEUED_JOBS``."""
