"""The log events of all processes: their names, and a sentence on each.

A line is ``time LEVEL logger event name=value …``. Where an event holds a ``%s``, a value is part of its text.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Event"]


class Event(StrEnum):
    """Names a log event; ``meaning`` is its line in ``docs/operations.md``. Log it as a message:
    ``log.info(Event.JOB_STARTED, extra={"job": job.id})``."""

    meaning: str

    def __new__(cls, text: str, meaning: str) -> Event:
        event = str.__new__(cls, text)
        event._value_ = text
        event.meaning = meaning
        return event

    # The supervisor: python worker.py
    WORKER_STARTED = "worker started", "The supervisor is up: `host`, `pid`, the address of `redis`, `children` to run."
    CHILD_REGISTERED = "child registered", "A child process is ready to claim jobs: its id (`worker`) and `pid`."
    CHILD_EXITED = "child exited (%s)", "A child ended with this exit status or signal; `reason` as of a release."
    CANNOT_SPAWN = "cannot spawn child", "The system refuses another process: `error`. It is tried again."
    CHILD_FAILED = "child failed", "A child ends with an error of the worker's own, followed by its traceback."
    LEASE_EXPIRED = "lease expired, job released", "Another `worker` sent no heartbeat within its lease; `job` if any."
    DRAINING = "draining", "A stop was requested: no more jobs are claimed, running ones have `seconds`."
    STOPPED = "stopped", "All children have exited and their jobs are released."
    # The life of a job
    JOB_STARTED = "job started", "An attempt starts: `job`, `analysis`, `attempt`, `worker`."
    JOB_COMPLETED = "job completed", "An attempt ended with results after `seconds`."
    JOB_FAILED = "job failed", "An attempt ended with an `error` of this type; the job and its log have the message."
    JOB_CANCELLED = "job cancelled", "An attempt was stopped after `seconds`, because its job was cancelled."
    JOB_RELEASED = "job released", "A `job` went back to its queue, or failed for good: `reason`, `worker`."
    STALE_RESULT = "stale result rejected", "A worker no longer held the `job` whose result it sent, in this `attempt`."
    RESULTS_REJECTED = "results rejected", "Redis rejects the results of a `job`: `error`. The job fails."
    COLLECTED_REJECTED = (
        "collected results rejected",
        "Redis rejects results that a dead child had not sent: `worker`, `error`. Their jobs run again.",
    )
    ANALYSIS_RAISED = "the analysis raised", "An exception of an analysis, with its traceback, in the log of the job."
    # The files in analyses/
    ANALYSIS_UNAVAILABLE = "analysis unavailable", "The file of an `analysis` cannot be used; a traceback follows."
    ANALYSES_RELOADED = (
        "analyses reloaded",
        "A file in `analyses/` has changed (`RELOAD=yes`); the API adds their `count`.",
    )
    # What an analysis left in its process
    THREADS_LEFT = "threads outlived the attempt, replacing the process", "An analysis left `threads` running."
    HELPERS_LEFT = "multiprocessing helpers are left, replacing the process", "An analysis used multiprocessing."
    PROCESSES_LEFT = "processes outlived the attempt", "An analysis left processes running, which were `ended`."
    STATE_LEFT = "process state stays changed, replacing the process", "What `state` an analysis left: `error`."
    # Settings
    SETTING_RENAMED = (
        "setting renamed",
        "A setting has its `old` name, which the next release ignores: use `new`.",
    )
    # Redis
    REDIS_UNAVAILABLE = "Redis unavailable, retrying in %s s", "A call failed with `error`; nothing is lost."
    REDIS_NOT_READY = "Redis unavailable at startup: %s", "The API starts nevertheless and answers 503 until it is."
    REDIS_LOST = (
        "Redis unavailable, answering 503",
        "A call of the API failed: `error`. The next ones are not logged.",
    )
    REDIS_BACK = "Redis available again", "Redis answers the API again, after `seconds`."
    # The API
    REQUEST = "request", "A request was answered: `method`, `path`, `status`, `ms`, `bytes`, `client`, `request_id`."
    REQUEST_REFUSED = "request refused", "A malformed or slow request was answered: `status`, `request_id`."
    CANNOT_ACCEPT = "No connection can be taken: %s", "The server is out of file descriptors or memory."
    RESPONSE_ABORTED = "Response broken off: %s", "A client disconnected before it had read the response (DEBUG)."
    REQUEST_FAILED = "Error handling request", "An error of the server's own, with its traceback."
    CONNECTION_FAILED = "Error on a connection", "An error of the server's own, with its traceback."
    KEYS_OFF = (
        "API is open to everyone who can reach it: set API_KEYS_FILE",
        "`API_HOST` is not a loopback address and there are no keys (WARNING).",
    )
    KEYS_REJECTED = "key file rejected, keeping the old keys", "`API_KEYS_FILE` has changed and is broken: `error`."
    SOURCE_LOADED = "data source loaded", "The dataset was loaded from `DATA_SOURCE`: its `version`, how many `rows`."
    SOURCE_AWAY = "data source not loaded, retrying in %s s", "`DATA_SOURCE` cannot be read or parsed: `error`."
    OPERATION_ENDED = "operation ended", "An `operation` on many jobs: its `action`, `matched`, `done`, `skipped`."
    OPERATION_FAILED = "operation failed", "An `operation` on many jobs cannot go on: `error`."
    # Commands
    BACKED_UP = "backed up", "A back-up was written: `file`, `bytes`, and how many old ones were `removed`."
    BACKUP_UPLOADED = (
        "back-up uploaded",
        "It is in `BACKUP_STORE` too: `file`, and how many were `removed` there.",
    )
    RESTORED = "restored", "A back-up was restored: `file`, `keys`."
    NO_BACKUP = "there is no back-up %s", "The back-up to restore does not exist, or the file is not a back-up."
