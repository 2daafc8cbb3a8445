"""What a job is: its statuses, its members, and how they stand in its record in Redis."""

from record.errors import (
    BadCursor,
    DatasetMoved,
    IdempotencyConflict,
    ImpossibleChange,
    JobError,
    JobNotFound,
    QueueFull,
)
from record.heartbeat import Heartbeat, Held, read_held
from record.job import (
    Idempotency,
    Job,
    JobPage,
    Status,
    Submission,
    fields_of,
    generate_jid,
    new_job,
    read_job,
    rfc3339,
)

__all__ = [
    "BadCursor",
    "DatasetMoved",
    "Heartbeat",
    "Held",
    "Idempotency",
    "IdempotencyConflict",
    "ImpossibleChange",
    "Job",
    "JobError",
    "JobNotFound",
    "JobPage",
    "QueueFull",
    "Status",
    "Submission",
    "fields_of",
    "generate_jid",
    "new_job",
    "read_held",
    "read_job",
    "rfc3339",
]
