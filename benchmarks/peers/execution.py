"""What every job does, whichever queue runs it: it leaves a line at its start and one at its end.

The lines are what is counted, not the queues' own books: ``<job> start|end <process> <seconds since 1970>``, appended
to the file ``EXECUTIONS`` in one write each. Between the two a job sleeps for ``JOB_SECONDS``. Where that is not set,
which is to measure speed, jobs do nothing: only one named ``first`` or ``last`` leaves a line, at its start.

It is imported into the environments of all peers, so it imports nothing but the standard library.
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
    """Run one job, and let others run meanwhile."""
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
