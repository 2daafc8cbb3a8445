"""What a parent of workers learns from a heartbeat."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Heartbeat", "WorkerLease", "read_worker_lease"]


class WorkerLease(NamedTuple):
    """What Redis says of one worker: the job and attempt it holds (`""` for none), the seconds until that is over its
    time, and the job and attempt that it is ordered to stop."""

    id: str
    attempt: str
    seconds_left: float
    stop: tuple[str, ...]


class Heartbeat(NamedTuple):
    """What one tick learned: the time of Redis, in seconds since 1970; the workers whose lease is over, and for each of
    the parent's own what it holds, or None where it is gone; and whether more is to be queued or removed than one tick
    does."""

    clock: float
    expired: list[str]
    held: list[WorkerLease | None]
    more: bool


def read_worker_lease(jid: bytes, attempt: bytes, microseconds_left: int | bytes, stop: bytes) -> WorkerLease:
    """What ``renew.lua`` answers for one worker."""
    return WorkerLease(jid.decode(), attempt.decode(), int(microseconds_left) / 1e6, tuple(stop.decode().split()))
