"""The answer to a heartbeat."""

from __future__ import annotations

from typing import Any, NamedTuple

from jobstore.model import Run

__all__ = ["Heartbeat", "WorkerLease", "read_worker_lease"]


class WorkerLease(NamedTuple):
    """A worker's state in Redis: the job and attempt that it holds (`""` for none), the seconds until its time-out, and
    the run that it is ordered to stop."""

    id: str
    attempt: str
    seconds_left: float
    stop: Run | None

    @property
    def run(self) -> Run | None:
        """The run that the worker holds."""
        return Run(self.id, self.attempt) if self.id else None


class Heartbeat(NamedTuple):
    """The time of Redis, in seconds since 1970; the workers whose lease is over; each renewed worker's lease, None for
    one that is not registered; and whether housekeeping has a backlog."""

    clock: float
    expired: list[str]
    held: list[WorkerLease | None]
    more: bool


def read_worker_lease(held: dict[str, Any]) -> WorkerLease:
    """Parse what ``renew.lua`` answers for one worker."""
    stop = Run(*held["stop"].decode().split()) if held["stop"] else None
    return WorkerLease(held["id"].decode(), held["attempt"].decode(), int(held["left"]) / 1e6, stop)
