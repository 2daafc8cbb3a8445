"""The heartbeat of a supervisor: renews the leases of its workers and does the housekeeping."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from jobstore.model import Run
from jobstore.scripts import Transitions, by_name

__all__ = ["BATCH", "Heartbeat", "HeldUp", "WorkerLease", "renew_and_keep_house"]

BATCH = 100
"""The most jobs that one call of the housekeeping changes: some milliseconds of Redis' time. A full batch means a
backlog, and the next heartbeat follows at once."""
_BACKLOG = {"promote": BATCH, "purge": BATCH}


class WorkerLease(NamedTuple):
    """A worker's state in Redis: the job and attempt that it holds (`""` for none), the seconds until its time-out, and
    the run that it is ordered to stop, because it was ``cancelled`` or ``released``."""

    id: str
    attempt: str
    seconds_left: float
    stop: Run | None
    stop_reason: str = "cancelled"

    @property
    def run(self) -> Run | None:
        """The run that the worker holds."""
        return Run(self.id, self.attempt) if self.id else None


class HeldUp(NamedTuple):
    """A worker whose run takes long, that run, and the results that it has collected before and not sent."""

    worker: str
    run: Run
    collected: bytes = b""

    def calls(self) -> Iterator[tuple[Any, ...]]:
        """Yield the calls that send these results and queue what is reserved."""
        if self.collected:
            yield ("finish_collected", self.worker, 0, *self.run, self.collected)
        yield ("unreserve", self.worker, *self.run)


class Heartbeat(NamedTuple):
    """The time of Redis, in seconds since 1970; the workers whose lease is over; each renewed worker's lease, None for
    one that is not registered; whether housekeeping has a backlog; and the seconds until the next heartbeat: while no
    worker holds a job, and while one does. Less than a tick, as with few workers, or while housekeeping is due within
    the next second, means that each tick is one."""

    clock: float
    expired: list[str]
    held: list[WorkerLease | None]
    more: bool
    pause: float = 0.0
    busy_pause: float = 0.0


def _read_worker_lease(held: dict[str, Any]) -> WorkerLease:
    """Parse the answer of ``renew.lua`` for one worker."""
    jid, attempt, *reason = held["stop"].decode().split() or ("", "")
    run = Run(jid, attempt) if jid else None
    return WorkerLease(held["id"].decode(), held["attempt"].decode(), int(held["left"]) / 1e6, run, *reason)


def renew_and_keep_house(
    transitions: Transitions, workers: Sequence[str], held_up: Sequence[HeldUp], lease: str, retention: str
) -> Heartbeat:
    """Renew the leases of these workers, then do the housekeeping that is due; times are in microseconds.

    What the workers ``held_up`` have reserved is queued again.
    """
    *_, renewed = transitions.run_all(
        [*(call for worker in held_up for call in worker.calls()), ("renew", lease, retention, *workers)]
    )
    now, expired, leases, due, *pauses = renewed
    housekeeping: dict[str, tuple[Any, ...]] = {
        "promote": (BATCH, ""),
        "purge": (retention, BATCH),
        "publish": ("",),
        "repair": (BATCH,),
        "unreserve": ("", "", ""),
    }
    names = [name.decode() for name in due]
    done = transitions.run_all([(name, *housekeeping[name]) for name in names])
    more = any(answer[1] >= _BACKLOG.get(name, 1) for name, answer in zip(names, done, strict=True))
    held = [None if entry[0] == b"gone" else _read_worker_lease(by_name(entry[1:])) for entry in leases]
    idle_pause, busy_pause = (0.0 if due or None in held else pause / 1e6 for pause in pauses)
    if any(held_lease is not None and held_lease.id for held_lease in held):
        idle_pause = busy_pause
    return Heartbeat(int(now) / 1e6, [worker.decode() for worker in expired], held, more, idle_pause, busy_pause)
