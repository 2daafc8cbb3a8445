"""What a parent of workers learns from a heartbeat."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Heartbeat", "Held", "read_held"]


class Held(NamedTuple):
    """What Redis says of one worker: the job and attempt it holds (`""` for none), whether that is over its time, and
    the job and attempt that it is ordered to stop."""

    id: str
    attempt: str
    over_time: bool
    stop: tuple[str, ...]


class Heartbeat(NamedTuple):
    """What one tick learned: the workers whose lease is over, and for each of the parent's own what it holds, or
    None where it is gone; and whether more is to be queued or removed than one tick does."""

    expired: list[str]
    held: list[Held | None]
    more: bool


def read_held(jid: bytes, attempt: bytes, over_time: int, stop: bytes) -> Held:
    """What ``renew.lua`` answers for one worker."""
    return Held(jid.decode(), attempt.decode(), bool(over_time), tuple(stop.decode().split()))
