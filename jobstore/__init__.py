"""The job store: what a job is, its queue, and each change of a job as one Lua script, atomic in Redis."""

from jobstore import bulk
from jobstore.bulk import Terms
from jobstore.errors import (
    BadCursor,
    DatasetMoved,
    IdempotencyConflict,
    ImpossibleChange,
    JobError,
    JobNotFound,
    QueueFull,
)
from jobstore.heartbeat import Heartbeat, Held, read_held
from jobstore.listing import Listing, Range
from jobstore.model import (
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
from jobstore.queue import JobQueue, TakenJob, WorkerGone
from jobstore.redis import (
    Access,
    RedisError,
    RedisFull,
    RedisUnavailable,
    UnusableServer,
    check_server,
    connect,
    named,
)
from jobstore.results import ResultsGone, StoredResults
from jobstore.scripts import NoScript, Script, Transitions

__all__ = [
    "Access",
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
    "JobQueue",
    "Listing",
    "NoScript",
    "QueueFull",
    "Range",
    "RedisError",
    "RedisFull",
    "RedisUnavailable",
    "ResultsGone",
    "Script",
    "Status",
    "StoredResults",
    "Submission",
    "TakenJob",
    "Terms",
    "Transitions",
    "UnusableServer",
    "WorkerGone",
    "bulk",
    "check_server",
    "connect",
    "fields_of",
    "generate_jid",
    "named",
    "new_job",
    "read_held",
    "read_job",
    "rfc3339",
]
