"""The kinds of trials: what is asked, on whom the blow falls, what goes on then, and what must come of it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import jobs
from tests.faults.trials import requests
from tests.faults.trials.fault import Blow
from tests.faults.trials.harness import LEASE_SECONDS, Stage, Verdict

__all__ = ["KINDS", "Kind", "play"]


@dataclass(frozen=True)
class Kind:
    """One row of the table. ``share`` weighs how many of the trials are of this kind."""

    title: str
    blow: Callable[[int], Blow]
    play: Callable[[Stage, Verdict], None]
    share: int = 4


def play(stage: Stage, name: str, point: int, seed: int) -> Verdict:
    """One trial of this kind, its blow at step ``point`` (0: none, the steps are only counted)."""
    kind = KINDS[name]
    verdict = Verdict(name, point, seed)
    stage.begin(name, seed, kind.blow(point))
    try:
        kind.play(stage, verdict)
    finally:
        stage.end()
    return verdict


# ------------------------------------------------------------------------------------------------ a child is killed


def _child_runs(*jobs_params: dict[str, object], most_charged: int = 1, **options: object) -> Callable[..., None]:
    """One worker runs these jobs to their end, whatever the blow hits."""

    def play(stage: Stage, verdict: Verdict) -> None:
        stage.add(*jobs_params, **options)
        stage.start_worker()
        stage.wait_for_blow()
        stage.judge(verdict, most_charged=most_charged)

    return play


def _child_works(stage: Stage, verdict: Verdict) -> None:
    stage.add({})
    stage.add({}, priority=stage.dice.choice(["high", "normal", "low"]))
    stage.start_worker()
    stage.wait_for_blow()
    stage.judge(verdict)


def _child_stops_cancelled(stage: Stage, verdict: Verdict) -> None:
    first = _cancel_first(stage)
    # The child takes the next job once it was stopped at this one; half a second is for the taking.
    if not stage.wait(lambda: stage.tally.struck or stage.has_begun(1), 2.5):
        verdict.unexpected.append(f"{first} was cancelled, and held its process for more than 2 s")
    stage.wait_for_blow()
    stage.judge(verdict)


def _child_drains(stage: Stage, verdict: Verdict) -> None:
    parent = _drain(stage)
    stage.wait(lambda: not stage.is_alive(parent))
    if stage.is_alive(parent):
        verdict.unexpected.append("the worker drains without end")
    stage.start_worker()
    stage.judge(verdict)


def _spare_takes_over(stage: Stage, verdict: Verdict) -> None:
    stage.add({"seconds_first": 0.3}, {})
    stage.start_worker()
    stage.wait(lambda: stage.has_begun(0))
    for child in stage.registered():
        stage.signal(child, signal.SIGKILL)
    stage.wait_for_blow()
    stage.judge(verdict, most_charged=2)


# ------------------------------------------------------------------------------- a parent or a whole worker is killed


def _parent_works(stage: Stage, verdict: Verdict) -> None:
    stage.add({"seconds": 0.6}, {})
    stage.start_worker()
    stage.wait_for_blow()
    _succeed(stage, verdict)


def _parent_buries(stage: Stage, verdict: Verdict) -> None:
    stage.add({"seconds_first": 0.5}, {})
    stage.start_worker()
    stage.wait(lambda: stage.has_begun(0))
    stage.tally.cue()
    for child in stage.registered():
        stage.signal(child, signal.SIGKILL)
    stage.wait_for_blow()
    _succeed(stage, verdict, most_charged=2)


def _parent_stops_cancelled(stage: Stage, verdict: Verdict) -> None:
    _cancel_first(stage)
    stage.wait_for_blow()
    _succeed(stage, verdict)


def _parent_ends_over_time(stage: Stage, verdict: Verdict) -> None:
    stage.add({"seconds_first": 30}, {}, timeout=0.2)
    stage.start_worker()
    stage.wait(lambda: stage.has_begun(0))
    stage.tally.cue()
    stage.wait_for_blow()
    _succeed(stage, verdict, most_charged=2)


def _parent_drains(stage: Stage, verdict: Verdict) -> None:
    parent = _drain(stage)
    stage.wait_for_blow(over=lambda: not stage.is_alive(parent))
    _succeed(stage, verdict)


def _parent_releases_lost(stage: Stage, verdict: Verdict) -> None:
    stage.add({"seconds_first": 30}, {})
    lost = stage.start_worker()
    stage.wait(lambda: stage.has_begun(0))
    stage.signal(lost, signal.SIGKILL)
    stage.wait(lambda: not stage.descendants(), 2)
    stage.start_worker()
    stage.wait(lambda: stage.queue.zcount("workers", "-inf", time.time() * 1e6))
    stage.tally.cue()
    stage.wait_for_blow()
    _succeed(stage, verdict, most_charged=2)


def _worker_dies_whole(stage: Stage, verdict: Verdict) -> None:
    stage.add({}, {})
    parent = stage.start_worker()
    stage.wait_for_blow()
    stage.signal(parent, signal.SIGKILL)
    _succeed(stage, verdict)


def _child_then_parent(stage: Stage, verdict: Verdict) -> None:
    stage.add({}, {})
    parent = stage.start_worker()
    stage.wait_for_blow()
    time.sleep(stage.dice.uniform(0, 0.06))
    stage.signal(parent, signal.SIGKILL)
    _succeed(stage, verdict, most_charged=2)


def _at_random(stage: Stage, verdict: Verdict) -> None:
    stage.add(*[{"seconds": stage.dice.uniform(0, 0.05)} for _ in range(30)], max_attempts=20)
    for _ in range(2):
        stage.start_worker(2)
    for _ in range(4):
        time.sleep(stage.dice.uniform(0, 0.25))
        victim = stage.dice.choice([*stage.workers, *stage.registered()])
        stage.signal(victim, signal.SIGKILL)
        if victim in stage.workers:
            stage.workers.remove(victim)
            stage.start_worker(2)
    stage.judge(verdict, most_charged=12)
    verdict.hit = True


# ----------------------------------------------------------------------------------------------------------- stalls


def _child_is_slow(stage: Stage, verdict: Verdict) -> None:
    """Stalled while its analysis runs: it is slow, and its result counts."""
    stage.add({"seconds": 0.6})
    stage.start_worker()
    stage.wait(lambda: stage.has_begun(0))
    time.sleep(stage.dice.uniform(0, 0.2))
    [child] = stage.registered()
    stage.signal(child, signal.SIGSTOP)
    time.sleep(stage.dice.uniform(0, 1.5 * LEASE_SECONDS))
    stage.signal(child, signal.SIGCONT)
    stage.judge(verdict, most_charged=0)
    verdict.hit = True


def _child_stalls(stage: Stage, verdict: Verdict) -> None:
    """Stalled anywhere, until its time-out may have ended it."""
    # What a child holds and does not run is given back uncharged.
    stage.uncharged = True
    stage.add({}, {}, timeout=0.2)
    stage.start_worker()
    if stage.wait_for_blow():
        stage.wait(lambda: stage.all_ended(), stage.dice.uniform(0.2, 2.0))
        stage.signal(stage.tally.victim, signal.SIGCONT)
    stage.judge(verdict)


def _worker_stalls(stage: Stage, verdict: Verdict) -> None:
    """Stalled whole past its lease, and then awake: its late result is refused."""
    stage.add({}, {})
    stalled = stage.start_worker()
    if stage.wait_for_blow():
        stage.signal(stalled, signal.SIGSTOP)
        others = set(stage.registered())
        stage.start_worker()
        stage.wait(lambda: set(stage.registered()) - others)
        stage.wait(stage.all_ended, stage.dice.choice([LEASE_SECONDS, 2.1 * LEASE_SECONDS, 10]))
        for pid in (stalled, stage.tally.victim):
            stage.signal(pid, signal.SIGCONT)
        stage.wait(stage.all_ended)
        time.sleep(0.3)
    stage.judge(verdict)


def _parent_stalls(stage: Stage, verdict: Verdict) -> None:
    """The parent alone stalls past its lease, while its child goes on."""
    stage.add({"seconds_first": stage.dice.choice([0.1, 2.5])}, {})
    stage.start_worker()
    if stage.wait_for_blow():
        stage.start_worker()
        time.sleep(2.4 * LEASE_SECONDS)
        stage.signal(stage.tally.victim, signal.SIGCONT)
        stage.wait(stage.all_ended)
        time.sleep(0.3)
        stage.add({})
    stage.judge(verdict)


# ------------------------------------------------------------------------------------------------------ common steps


def _succeed(stage: Stage, verdict: Verdict, *, most_charged: int = 1) -> None:
    """A killed worker's children die with it, and another worker ends what they held."""
    # A fresh process looks for its parent once it has imported everything; it holds nothing until then.
    if stage.tally.struck and not stage.wait(lambda: not stage.descendants(), 15 if stage.real else 2):
        alive = [pid for pid in stage.descendants() if pid not in stage.workers]
        if alive:
            verdict.unexpected.append(f"{len(alive)} children outlived their parent")
    stage.start_worker()
    stage.judge(verdict, most_charged=most_charged)


def _cancel_first(stage: Stage) -> str:
    first = stage.add({"seconds": 30}, {})[0]
    stage.start_worker()
    stage.wait(lambda: stage.has_begun(0))
    stage.cancelled.append(first)
    stage.tally.cue()
    jobs.cancel_job(first)
    return first


def _drain(stage: Stage) -> int:
    stage.add({"seconds": 0.15}, {})
    parent = stage.start_worker()
    stage.wait(lambda: stage.has_begun(0))
    stage.tally.cue()
    stage.signal(parent, signal.SIGTERM)
    return parent


def _on(role: str, *, stop: bool = False, nth: int = 1, cue: bool = False, **more: object) -> Callable[[int], Blow]:
    sort = signal.SIGSTOP if stop else signal.SIGKILL
    return lambda at: Blow(role, at, signal=sort, nth=nth, cue=cue, **more)  # type: ignore[arg-type]


KINDS = {
    "child-works": Kind("a child is killed while it starts, takes, runs and finishes", _on("child"), _child_works, 12),
    "child-raises": Kind(
        "… takes, runs, and gives back what raised", _on("child"), _child_runs({"raises": 1}, {}, most_charged=2), 8
    ),
    "child-timeout": Kind(
        "… stops and gives back what is over its time",
        _on("child"),
        _child_runs({"seconds_first": 30}, {}, timeout=0.2, most_charged=2),
    ),
    "child-cancel": Kind("… stops what was cancelled", _on("child", cue=True), _child_stops_cancelled),
    "child-drain": Kind("… drains", _on("child", cue=True), _child_drains),
    "child-recycled": Kind(
        "… is replaced after its last job",
        _on("child", environ={"MAX_JOBS_PER_CHILD": "2"}),
        _child_runs({}, {}, {}, {}),
    ),
    "child-spare": Kind("… takes over, as a spare, from one that was killed", _on("child", nth=2), _spare_takes_over),
    "child-sends": Kind(
        "… sends, in the middle of it, a result of 12 MiB",
        _on("child", sending=True),
        _child_runs({"megabytes": 12}, {}),
        2,
    ),
    "parent-works": Kind("a parent is killed while it starts and ticks", _on("parent"), _parent_works, 12),
    "parent-buries": Kind("… buries a killed child and gives back its job", _on("parent", cue=True), _parent_buries, 6),
    "parent-cancel": Kind("… stops what was cancelled", _on("parent", cue=True), _parent_stops_cancelled),
    "parent-timeout": Kind("… ends what is over its time", _on("parent", cue=True), _parent_ends_over_time),
    "parent-drain": Kind("… drains", _on("parent", cue=True), _parent_drains),
    "parent-lost": Kind("… gives back what a lost worker held", _on("parent", cue=True, nth=2), _parent_releases_lost),
    "worker-dies": Kind(
        "parent and child are killed at once, as when a host is gone", _on("child"), _worker_dies_whole, 6
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
"""By the name that stands in a trial's number: ``child-works:17:1`` is its blow at step 17, with seed 1."""
