"""The job that every queue runs: it writes one line at its start and one at its end.

The benchmark counts these lines: ``<job> start|end <process> <seconds since 1970>``, each appended to the file
``EXECUTIONS`` in one write. In between, a job sleeps for ``JOB_SECONDS``. If that is not set, to measure throughput,
jobs do nothing: only those named ``first`` or ``last`` write a line, at their start.

All peers import this module in their own environments, so it imports only the standard library.
"""

from __future__ import annotations

import asyncio
import os
import time

_SECONDS = float(os.environ.get("JOB_SECONDS", "0"))


def execute(job: str) -> None:
    """Run one job."""
    if not _SECONDS:
        _mark(job)
        return
    _note(job, "start")
    time.sleep(_SECONDS)
    _note(job, "end")


async def execute_async(job: str) -> None:
    """Run one job without blocking the event loop."""
    if not _SECONDS:
        _mark(job)
        return
    _note(job, "start")
    await asyncio.sleep(_SECONDS)
    _note(job, "end")


def _mark(job: str) -> None:
    if job in ("first", "last"):
        _note(job, "start")


def _note(job: str, what: str) -> None:
    line = f"{job} {what} {os.getpid()} {time.time():.6f}\n"
    file = os.open(os.environ["EXECUTIONS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, line.encode("ascii"))
    os.close(file)
