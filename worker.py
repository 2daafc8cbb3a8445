"""Claims jobs from the queue and runs them: ``python worker.py``.

A supervisor process starts ``WORKERS`` child processes; only the children run analyses. A child claims a job, runs its
analysis and sends the outcome. Every half second, or less often while all are idle, the supervisor renews the
children's leases, stops runs that were cancelled or timed out, replaces children that exited and releases their jobs.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if __name__ == "__main__":  # before the slow imports, so that a stray signal does not end a worker that starts
    for _stray in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(_stray, signal.SIG_IGN)

import jobs
from config.events import Event
from config.logs import log_unavailable, set_up_logging
from config.settings import Settings, load_or_exit
from jobs import ClaimedJob, ReleaseReason, WorkerNotRegistered, q
from runtime import (
    HeartbeatFile,
    NotPrepared,
    Outdated,
    Stopped,
    Supervisor,
    become_subreaper,
    handle_stop_signals,
    ignore_stray_signals,
    raise_oom_score,
    tick_seconds,
)

if TYPE_CHECKING:
    from runtime.executor import Executor

__all__ = ["execute_job", "main"]

_log = logging.getLogger("worker")


@q.worker  # type: ignore[untyped-decorator]
def execute_job(executor: Executor, job: ClaimedJob) -> None:
    """Run one attempt of a job; the call that claims the next job sends its outcome."""
    executor.begin(job)
    try:
        task = executor.prepare(job)
        outcome = executor.run(job, task)
        results = executor.build(job, task, outcome)
    except Stopped as stopped:
        executor.stop(job, stopped)
    except Outdated:
        executor.release(job)
    except NotPrepared as failed:
        executor.fail(job, failed.reason, failed.error)
    except BaseException as error:  # including a panic in polars and SystemExit
        executor.fail(job, ReleaseReason.ERROR, error)
    else:
        executor.complete(job, results)
    finally:
        executor.end()


def main() -> None:
    """Run the supervisor, or with ``--child`` a child; an unusable server ends it at once."""
    settings = load_or_exit()
    jobs.connect(settings)
    set_up_logging(settings.log_level, settings.log_format)
    if sys.argv[1:2] == ["--child"]:
        worker, *numbers = sys.argv[2:]
        _run_child(settings, worker, *map(int, numbers))
    heartbeat_file = _open_heartbeat_file(settings.health_file)
    # In a container this is process 1, which ignores signals without a handler.
    handle_stop_signals(lambda *_: sys.exit(0))
    _wait_for_redis(heartbeat_file, tick_seconds(settings))
    supervisor = Supervisor(settings, __file__, heartbeat_file)
    if settings.metrics_port:
        from runtime.metrics import serve_metrics  # not in the children: it takes memory

        serve_metrics(supervisor.counts, settings.metrics_host, settings.metrics_port)
    supervisor.run()


def _run_child(settings: Settings, worker: str, control: int, status: int, output: int, parent: int) -> None:
    """Execute jobs until this process is drained; never returns."""
    ignore_stray_signals()
    exit_status = 1
    try:
        become_subreaper()
        raise_oom_score()
        # Not in the supervisor: they take memory, and time while the children start.
        from analyses import get_registry
        from runtime.executor import Executor

        log_unavailable(get_registry().broken)
        executor = Executor.open(q, settings, control, status, output, parent)
        executor.control.wait_to_go()
        q.set_worker_id(worker)
        with suppress(WorkerNotRegistered):
            execute_job(executor)
        exit_status = 0
    except BaseException:
        _log.exception(Event.CHILD_FAILED)
    finally:
        # Returning would make the interpreter wait for threads that an analysis left running.
        logging.shutdown()
        os._exit(exit_status)


def _wait_for_redis(heartbeat_file: HeartbeatFile, pause: float) -> None:
    while True:
        heartbeat_file.touch(time.monotonic())
        try:
            return jobs.check_redis()
        except jobs.RedisUnavailable as error:
            _log.warning(Event.REDIS_UNAVAILABLE, pause, extra={"error": str(error)})
            time.sleep(pause)
        except jobs.UnusableServer as error:
            sys.exit(str(error))


def _open_heartbeat_file(path: str) -> HeartbeatFile:
    try:
        return HeartbeatFile(path)
    except OSError as error:
        sys.exit(f"HEALTH_FILE={path!r} cannot be written: {error.strerror}")


if __name__ == "__main__":
    main()
