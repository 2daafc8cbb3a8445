"""The job store: the model of a job, its queue, and each change of a job as one atomic Lua script."""

from jobstore import bulk
from jobstore.adding import add_submissions, find_by_key
from jobstore.bulk import Terms
from jobstore.errors import (
    DatasetChanged,
    IdempotencyKeyReused,
    InvalidCursor,
    InvalidTransition,
    JobError,
    JobNotFound,
    QueueFull,
    QuotaExceeded,
)
from jobstore.filters import Filters
from jobstore.heartbeat import Heartbeat, HeldUp, WorkerLease, renew_and_keep_house
from jobstore.ids import generate_jids
from jobstore.listing import Reserve, read_page
from jobstore.model import (
    RETRIED_FIELDS,
    SELECTION_FIELDS,
    Idempotency,
    Job,
    JobPage,
    ReleaseReason,
    Run,
    Status,
    Submission,
    job_from_record,
    new_jobs,
    rfc3339,
    to_records,
)
from jobstore.operations import Action, Operation, Operations
from jobstore.queue import ClaimedJob, JobQueue, WorkerNotRegistered
from jobstore.rate_limit import RateLimiter
from jobstore.redis import (
    NotConnected,
    RedisAuth,
    RedisError,
    RedisFull,
    RedisUnavailable,
    Unbound,
    UnboundPool,
    UnusableServer,
    check_server,
    classify_redis_error,
    clone_pool,
    open_client,
)
from jobstore.results import ResultsGone, StoredResults, read_log
from jobstore.round_trip import read_hash
from jobstore.scripts import NoScript, Script, Transitions, by_name
from jobstore.stats import EndedMinute, read_ended, read_stats, read_workers

__all__ = [
    "RETRIED_FIELDS",
    "SELECTION_FIELDS",
    "Action",
    "ClaimedJob",
    "DatasetChanged",
    "EndedMinute",
    "Filters",
    "Heartbeat",
    "HeldUp",
    "Idempotency",
    "IdempotencyKeyReused",
    "InvalidCursor",
    "InvalidTransition",
    "Job",
    "JobError",
    "JobNotFound",
    "JobPage",
    "JobQueue",
    "NoScript",
    "NotConnected",
    "Operation",
    "Operations",
    "QueueFull",
    "QuotaExceeded",
    "RateLimiter",
    "RedisAuth",
    "RedisError",
    "RedisFull",
    "RedisUnavailable",
    "ReleaseReason",
    "Reserve",
    "ResultsGone",
    "Run",
    "Script",
    "Status",
    "StoredResults",
    "Submission",
    "Terms",
    "Transitions",
    "Unbound",
    "UnboundPool",
    "UnusableServer",
    "WorkerLease",
    "WorkerNotRegistered",
    "add_submissions",
    "bulk",
    "by_name",
    "check_server",
    "classify_redis_error",
    "clone_pool",
    "find_by_key",
    "generate_jids",
    "job_from_record",
    "new_jobs",
    "open_client",
    "read_ended",
    "read_hash",
    "read_log",
    "read_page",
    "read_stats",
    "read_workers",
    "renew_and_keep_house",
    "rfc3339",
    "to_records",
]
