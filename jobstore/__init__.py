"""The job store: what a job is, its queue, and each change of a job as one Lua script, atomic in Redis."""

from jobstore import bulk
from jobstore.bulk import Terms
from jobstore.errors import (
    DatasetChanged,
    IdempotencyKeyReused,
    InvalidCursor,
    InvalidTransition,
    JobError,
    JobNotFound,
    QueueFull,
)
from jobstore.heartbeat import Heartbeat, WorkerLease, read_worker_lease
from jobstore.listing import Listing, Range
from jobstore.model import (
    Idempotency,
    Job,
    JobPage,
    ReleaseReason,
    Run,
    Status,
    Submission,
    generate_jid,
    job_from_record,
    new_job,
    rfc3339,
    to_add_args,
)
from jobstore.queue import ClaimedJob, JobQueue, WorkerNotRegistered
from jobstore.redis import (
    NotConnected,
    RedisAuth,
    RedisError,
    RedisFull,
    RedisUnavailable,
    UnboundPool,
    UnusableServer,
    check_server,
    classify_redis_error,
    clone_pool,
    open_client,
)
from jobstore.results import ResultsGone, StoredResults
from jobstore.scripts import NoScript, Script, Transitions, by_name

__all__ = [
    "ClaimedJob",
    "DatasetChanged",
    "Heartbeat",
    "Idempotency",
    "IdempotencyKeyReused",
    "InvalidCursor",
    "InvalidTransition",
    "Job",
    "JobError",
    "JobNotFound",
    "JobPage",
    "JobQueue",
    "Listing",
    "NoScript",
    "NotConnected",
    "QueueFull",
    "Range",
    "RedisAuth",
    "RedisError",
    "RedisFull",
    "RedisUnavailable",
    "ReleaseReason",
    "ResultsGone",
    "Run",
    "Script",
    "Status",
    "StoredResults",
    "Submission",
    "Terms",
    "Transitions",
    "UnboundPool",
    "UnusableServer",
    "WorkerLease",
    "WorkerNotRegistered",
    "bulk",
    "by_name",
    "check_server",
    "classify_redis_error",
    "clone_pool",
    "generate_jid",
    "job_from_record",
    "new_job",
    "open_client",
    "read_worker_lease",
    "rfc3339",
    "to_add_args",
]
