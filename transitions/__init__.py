"""Every change of a job: one Lua script each, run by Redis as one step.

A script checks the state that it leaves, writes the state that it enters with everything that belongs to it, and does
nothing otherwise. Each file opens with what it takes, what it guards and each answer it can give.
"""

from transitions import bulk
from transitions.bulk import Terms
from transitions.listing import Listing, Range
from transitions.queue import JobQueue, TakenJob, WorkerGone
from transitions.results import ResultsGone, StoredResults
from transitions.scripts import NoScript, Script, Transitions
from transitions.server import (
    Access,
    RedisError,
    RedisFull,
    RedisUnavailable,
    UnusableServer,
    check_server,
    connect,
    named,
)

__all__ = [
    "Access",
    "JobQueue",
    "Listing",
    "NoScript",
    "Range",
    "RedisError",
    "RedisFull",
    "RedisUnavailable",
    "ResultsGone",
    "Script",
    "StoredResults",
    "TakenJob",
    "Terms",
    "Transitions",
    "UnusableServer",
    "WorkerGone",
    "bulk",
    "check_server",
    "connect",
    "named",
]
