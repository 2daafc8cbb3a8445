"""The kinds of trials: the jobs, the fault, the steps after it, and the expected result."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import jobs
from tests.faults.trials import requests
from tests.faults.trials.fault import Fault
from tests.faults.trials.harness import LEASE_SECONDS, Harness, Verdict

__all__ = ["KINDS", "Kind", "play"]


@dataclass(frozen=True)
class Kind:
    """One row of the table. ``share`` is the weight of this kind among the trials."""

    title: str
    fault: Callable[[int], Fault]
    play: Callable[[Harness, Verdict], None]
    share: int = 4


def play(harness: Harness, name: str, point: int, seed: int) -> Verdict:
    """Run one trial of this kind with its fault at step ``point`` (0: no fault, only count the steps)."""
    kind = KINDS[name]
    verdict = Verdict(name, point, seed)
    harness.begin(name, seed, kind.fault(point))
    try:
        kind.play(harness, verdict)
    finally:
        harness.end()
    return verdict


# ------------------------------------------------------------------------------------------------ a child is killed

_HELD_UP: tuple[dict[str, object], ...] = ({}, {}, {}, {}, {"seconds_first": 0.3}, {}, {}, {})


def _child_runs(*jobs_params: dict[str, object], max_charged: int = 1, **options: object) -> Callable[..., None]:
    """One worker runs these jobs to their end."""

    def play(harness: Harness, verdict: Verdict) -> None:
        harness.add(*jobs_params, **options)
        harness.start_worker()
        harness.wait_for_fault()
        harness.check(verdict, max_charged=max_charged)

    return play


def _child_works(harness: Harness, verdict: Verdict) -> None:
    harness.add({})
    harness.add({}, priority=harness.dice.choice(["high", "normal", "low"]))
    harness.start_worker()
    harness.wait_for_fault()
    harness.check(verdict)


def _child_stops_cancelled(harness: Harness, verdict: Verdict) -> None:
    first = _cancel_first(harness)
    # The child claims the next job after it was stopped; half a second is for the claim.
    if not harness.wait(lambda: harness.counter.hit_at or harness.has_begun(1), 2.5):
        verdict.unexpected.append(f"{first} was cancelled, and occupied its process for more than 2 s")
    harness.wait_for_fault()
    harness.check(verdict)


def _child_drains(harness: Harness, verdict: Verdict) -> None:
    parent = _drain(harness)
    harness.wait(lambda: not harness.is_alive(parent))
    if harness.is_alive(parent):
        verdict.unexpected.append("the worker does not stop draining")
    harness.start_worker()
    harness.check(verdict)


def _standby_takes_over(harness: Harness, verdict: Verdict) -> None:
    harness.add({"seconds_first": 0.3}, {})
    harness.start_worker()
    harness.wait(lambda: harness.has_begun(0))
    for child in harness.registered():
        harness.signal(child, signal.SIGKILL)
    harness.wait_for_fault()
    harness.check(verdict, max_charged=2)


# ------------------------------------------------------------------------------- a parent or a whole worker is killed


def _parent_works(harness: Harness, verdict: Verdict) -> None:
    harness.add({"seconds": 0.6}, {})
    harness.start_worker()
    harness.wait_for_fault()
    _succeed(harness, verdict)


def _parent_queues_reserved(harness: Harness, verdict: Verdict) -> None:
    harness.add(*_HELD_UP)
    harness.start_worker()
    harness.wait_for_fault()
    _succeed(harness, verdict)


def _parent_reaps(harness: Harness, verdict: Verdict) -> None:
    harness.add({"seconds_first": 0.5}, {})
    harness.start_worker()
    harness.wait(lambda: harness.has_begun(0))
    harness.counter.cue()
    for child in harness.registered():
        harness.signal(child, signal.SIGKILL)
    harness.wait_for_fault()
    _succeed(harness, verdict, max_charged=2)


def _parent_stops_cancelled(harness: Harness, verdict: Verdict) -> None:
    _cancel_first(harness)
    harness.wait_for_fault()
    _succeed(harness, verdict)


def _parent_ends_over_time(harness: Harness, verdict: Verdict) -> None:
    harness.add({"seconds_first": 30}, {}, timeout=0.2)
    harness.start_worker()
    harness.wait(lambda: harness.has_begun(0))
    harness.counter.cue()
    harness.wait_for_fault()
    _succeed(harness, verdict, max_charged=2)


def _parent_drains(harness: Harness, verdict: Verdict) -> None:
    parent = _drain(harness)
    harness.wait_for_fault(over=lambda: not harness.is_alive(parent))
    _succeed(harness, verdict)


def _parent_releases_lost(harness: Harness, verdict: Verdict) -> None:
    harness.add({"seconds_first": 30}, {})
    lost = harness.start_worker()
    harness.wait(lambda: harness.has_begun(0))
    harness.signal(lost, signal.SIGKILL)
    harness.wait(lambda: not harness.descendants(), 2)
    harness.start_worker()
    harness.wait(lambda: harness.queue.zcount("workers", "-inf", time.time() * 1e6))
    harness.counter.cue()
    harness.wait_for_fault()
    _succeed(harness, verdict, max_charged=2)


def _worker_dies_whole(count: int) -> Callable[..., None]:
    def play(harness: Harness, verdict: Verdict) -> None:
        harness.add(*[{}] * count)
        parent = harness.start_worker()
        harness.wait_for_fault()
        harness.signal(parent, signal.SIGKILL)
        # Redis may not know yet which of the reserved jobs ran.
        harness.uncharged = True
        # On a busy machine the parent has time to start another child, which dies with the next job.
        _succeed(harness, verdict, max_charged=2)

    return play


def _child_then_parent(harness: Harness, verdict: Verdict) -> None:
    harness.add({}, {})
    parent = harness.start_worker()
    harness.wait_for_fault()
    time.sleep(harness.dice.uniform(0, 0.06))
    harness.signal(parent, signal.SIGKILL)
    harness.uncharged = True  # see _worker_dies_whole
    _succeed(harness, verdict, max_charged=2)


def _at_random(harness: Harness, verdict: Verdict) -> None:
    harness.add(*[{"seconds": harness.dice.uniform(0, 0.05)} for _ in range(30)], max_attempts=20)
    for _ in range(2):
        harness.start_worker(2)
    for _ in range(4):
        time.sleep(harness.dice.uniform(0, 0.25))
        victim = harness.dice.choice([*harness.workers, *harness.registered()])
        harness.signal(victim, signal.SIGKILL)
        if victim in harness.workers:
            harness.uncharged = True  # see _worker_dies_whole
            harness.workers.remove(victim)
            harness.start_worker(2)
    harness.check(verdict, max_charged=12)
    verdict.hit = True


# ----------------------------------------------------------------------------------------------------------- stalls


def _child_is_slow(harness: Harness, verdict: Verdict) -> None:
    """Stop a child while its analysis runs: it is slow, and its result counts."""
    harness.add({"seconds": 0.6})
    harness.start_worker()
    harness.wait(lambda: harness.has_begun(0))
    time.sleep(harness.dice.uniform(0, 0.2))
    [child] = harness.registered()
    harness.signal(child, signal.SIGSTOP)
    time.sleep(harness.dice.uniform(0, 1.5 * LEASE_SECONDS))
    harness.signal(child, signal.SIGCONT)
    harness.check(verdict, max_charged=0)
    verdict.hit = True


def _child_stalls(harness: Harness, verdict: Verdict) -> None:
    """Stop a child anywhere, until its time-out may have ended it."""
    # A job that a child holds but does not run is released uncharged.
    harness.uncharged = True
    harness.add({}, {}, timeout=0.2)
    harness.start_worker()
    if harness.wait_for_fault():
        harness.wait(lambda: harness.all_ended(), harness.dice.uniform(0.2, 2.0))
        harness.signal(harness.counter.victim, signal.SIGCONT)
    harness.check(verdict)


def _worker_stalls(harness: Harness, verdict: Verdict) -> None:
    """Stop a whole worker past its lease, then continue it: its late result is rejected."""
    harness.add({}, {})
    stalled = harness.start_worker()
    if harness.wait_for_fault():
        harness.signal(stalled, signal.SIGSTOP)
        others = set(harness.registered())
        harness.start_worker()
        harness.wait(lambda: set(harness.registered()) - others)
        harness.wait(harness.all_ended, harness.dice.choice([LEASE_SECONDS, 2.1 * LEASE_SECONDS, 10]))
        for pid in (stalled, harness.counter.victim):
            harness.signal(pid, signal.SIGCONT)
        harness.wait(harness.all_ended)
        time.sleep(0.3)
    harness.check(verdict)


def _parent_stalls(harness: Harness, verdict: Verdict) -> None:
    """Stop the supervisor past its lease, while its child continues."""
    harness.add({"seconds_first": harness.dice.choice([0.1, 2.5])}, {})
    harness.start_worker()
    if harness.wait_for_fault():
        harness.start_worker()
        time.sleep(2.4 * LEASE_SECONDS)
        harness.signal(harness.counter.victim, signal.SIGCONT)
        harness.wait(harness.all_ended)
        time.sleep(0.3)
        harness.add({})
    harness.check(verdict)


# ------------------------------------------------------------------------------------------------------ common steps


def _succeed(harness: Harness, verdict: Verdict, *, max_charged: int = 1) -> None:
    """Start another worker after one was killed: the children have died, and their jobs end."""
    # A fresh process checks for its parent after its imports; until then it holds no job.
    if harness.counter.hit_at and not harness.wait(lambda: not harness.descendants(), 15):
        alive = [pid for pid in harness.descendants() if pid not in harness.workers]
        if alive:
            verdict.unexpected.append(f"{len(alive)} children outlived their parent")
    harness.start_worker()
    harness.check(verdict, max_charged=max_charged)


def _cancel_first(harness: Harness) -> str:
    first = harness.add({"seconds": 30}, {})[0]
    harness.start_worker()
    harness.wait(lambda: harness.has_begun(0))
    harness.cancelled.append(first)
    harness.counter.cue()
    jobs.cancel_job(first)
    return first


def _drain(harness: Harness) -> int:
    harness.add({"seconds": 0.15}, {})
    parent = harness.start_worker()
    harness.wait(lambda: harness.has_begun(0))
    harness.counter.cue()
    harness.signal(parent, signal.SIGTERM)
    return parent


def _on(role: str, *, stop: bool = False, nth: int = 1, cue: bool = False, **more: object) -> Callable[[int], Fault]:
    sort = signal.SIGSTOP if stop else signal.SIGKILL
    return lambda at: Fault(role, at, signal=sort, nth=nth, cue=cue, **more)  # type: ignore[arg-type]


KINDS = {
    "child-works": Kind("a child is killed while it starts, claims, runs and finishes", _on("child"), _child_works, 12),
    "child-raises": Kind(
        "… claims, runs, and releases a job that raised", _on("child"), _child_runs({"raises": 1}, {}, max_charged=2), 8
    ),
    "child-timeout": Kind(
        "… stops and releases a job that timed out",
        _on("child"),
        _child_runs({"seconds_first": 30}, {}, timeout=0.2, max_charged=2),
    ),
    "child-cancel": Kind("… stops a cancelled job", _on("child", cue=True), _child_stops_cancelled),
    "child-drain": Kind("… drains", _on("child", cue=True), _child_drains),
    "child-recycled": Kind(
        "… is replaced after its last job",
        _on("child", environ={"MAX_JOBS_PER_CHILD": "2"}),
        _child_runs({}, {}, {}, {}),
    ),
    "child-reserves": Kind("… runs jobs that it has reserved", _on("child"), _child_runs(*[{}] * 12), 8),
    "child-held-up": Kind(
        "… runs a long job, behind which it has reserved others", _on("child"), _child_runs(*_HELD_UP, max_charged=2), 6
    ),
    "child-standby": Kind(
        "… takes over, as a standby child, from one that was killed", _on("child", nth=2), _standby_takes_over
    ),
    "child-sends": Kind(
        "… sends, in the middle of it, a result of 12 MiB",
        _on("child", sending=True),
        _child_runs({"megabytes": 12}, {}),
        2,
    ),
    "parent-works": Kind("a parent is killed while it starts and ticks", _on("parent"), _parent_works, 12),
    "parent-held-up": Kind("… queues jobs that its child has reserved", _on("parent"), _parent_queues_reserved, 6),
    "parent-reaps": Kind("… reaps a killed child and releases its job", _on("parent", cue=True), _parent_reaps, 6),
    "parent-cancel": Kind("… stops a cancelled job", _on("parent", cue=True), _parent_stops_cancelled),
    "parent-timeout": Kind("… ends a job that timed out", _on("parent", cue=True), _parent_ends_over_time),
    "parent-drain": Kind("… drains", _on("parent", cue=True), _parent_drains),
    "parent-lost": Kind("… releases the jobs of a lost worker", _on("parent", cue=True, nth=2), _parent_releases_lost),
    "worker-dies": Kind(
        "parent and child are killed at once, as when a host is gone", _on("child"), _worker_dies_whole(2), 6
    ),
    "worker-reserves": Kind(
        "… runs jobs that it has reserved",
        _on("child"),
        _worker_dies_whole(12),
        4,
    ),
    "child-parent": Kind("a child is killed, and its parent within 60 ms", _on("child"), _child_then_parent, 6),
    "random": Kind(
        "four of two parents and four children are killed at random, with 30 jobs", _on("nobody"), _at_random, 2
    ),
    "child-slow": Kind("a child stalls in its analysis, and its result counts", _on("nobody"), _child_is_slow, 2),
    "child-stalls": Kind("a child stalls anywhere, up to past its time-out", _on("child", stop=True), _child_stalls, 6),
    "worker-stalls": Kind("a whole worker stalls past its lease and wakes", _on("child", stop=True), _worker_stalls, 6),
    "parent-stalls": Kind(
        "a parent stalls past its lease, its child does not", _on("parent", stop=True), _parent_stalls
    ),
    "api-post": Kind(
        "the API is killed in POST /jobs, and the client asks again", _on("api", cue=True), requests.post, 6
    ),
    "api-change": Kind("… in cancel, retry, DELETE", _on("api", cue=True), requests.change),
    "api-data": Kind("… in POST /data and DELETE /data", _on("api", cue=True, nth=2), requests.data),
}
"""Kinds by name, as in a trial's number: ``child-works:17:1`` has its fault at step 17, and seed 1."""
