"""Takes jobs off the queue and runs them: ``python worker.py``.

A parent that cannot be hurt starts ``WORKERS`` children that may be. A child takes a job, runs its analysis and says
what became of it. The parent runs no analysis: every half second it renews its children's leases and learns what they
hold, stops what was cancelled or is over its time, replaces children that died and gives back what they held.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from functools import lru_cache
from typing import Any

import jobs
from analyses import (
    BrokenAnalysis,
    InvalidParams,
    Outcome,
    Params,
    UnknownAnalysis,
    get_analyses,
    get_analysis,
)
from attempt import (
    GRACE_SECONDS,
    ChildProcess,
    Orders,
    Output,
    Reporter,
    Slot,
    Stopped,
    Traces,
    adopt_orphans,
    compose_results,
    end_orphans,
    failure,
    failure_of,
    garbled,
    give_way,
    read_bound,
)
from dataset import BoundsError, Store, Table, VersionGone
from jobs import TakenJob, WorkerGone, q, settings
from ops.health import Pulse
from ops.logs import set_up_logging

# A lease must outlast several ticks, or a parent would take each of them for a gap, and never release what others lost.
TICK_SECONDS = min(0.5, settings.lease_seconds / 6)
SPARE_AFTER_SECONDS = 5.0

_log = logging.getLogger("worker")

# ------------------------------------------------------------------------------------------------- the child


@q.worker  # type: ignore[untyped-decorator]
def execute_job(job: TakenJob) -> None:
    """Run one job, and say what became of it with the call that takes the next one."""
    child.begin(job)
    try:
        outcome, params, count = _run_analysis(job)
        document, artifacts = compose_results(job, outcome, params, count, settings.max_result_bytes)
    except Stopped as stop:
        if stop.reason == "timeout":
            _give_back(job, "timeout", failure("timeout"))
    except (UnknownAnalysis, InvalidParams) as error:  # the API knows them: a worker of another version will
        _give_back(job, "unknown", failure_of(error, "invalid"))
    except (BoundsError, VersionGone) as error:
        _give_back(job, "invalid", failure_of(error, "invalid"))
    except BaseException as error:  # a panic in polars, an exit: whatever is not Stopped is the analysis' own
        logging.getLogger().error("the analysis raised", exc_info=error)
        _give_back(job, "error", failure_of(error, "error"))
    else:
        q.finish(job, document, [(a.name, a.content) for a in artifacts], child.output.text())
    finally:
        child.end()


class Child:
    """What a child has beside the queue: its output, its reporter, its orders and the word to its parent."""

    def __init__(self, worker: str, orders: int, slot: int, parent: int) -> None:
        self.worker = worker
        self.slot = Slot(slot)
        self.output = Output()
        self.output.catch()
        self.orders = Orders(os.fdopen(orders), parent, q.drain)
        self.reporter = Reporter(self.output)
        self.store = Store(jobs.rd)
        self.traces = Traces(orders)
        self._left = settings.max_jobs_per_child or None

    def begin(self, job: TakenJob) -> None:
        """A job was taken."""
        self.slot.runs(job.id, job.attempt)
        self.output.begin()
        self.reporter.begin(lambda *progress: self._report(job, *progress))

    def end(self) -> None:
        """Its analysis is over, however it went."""
        self.reporter.end()
        if not self.traces.are_removable():
            q.drain()
        q.meanwhile(self.traces.remove)
        self.slot.ran()
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                q.drain()

    def _report(self, job: TakenJob, progress: float | None, message: str | None, log: str) -> None:
        with suppress(jobs.RedisError):
            jobs.report_progress(job, self.worker, progress, message, log)


child: Child


def _run_analysis(job: TakenJob) -> tuple[Outcome, dict[str, Any], int]:
    """The outcome, the parameters with their defaults, and the count of rows in range."""
    analysis = get_analysis(job.analysis)
    params, posted = _read_params(job.analysis, job.params, job.dataset)
    rows = None
    if analysis.reads_dataset:
        rows = _load_table(job.dataset).slice(read_bound(job.start), read_bound(job.end))
    child.orders.begin(job.id, job.attempt)
    try:
        outcome = analysis.run(rows, params, child.reporter.progress)
    finally:
        child.orders.end()
    return outcome, posted, 0 if rows is None else rows.height


@lru_cache(maxsize=256)
def _read_params(analysis: str, params: str, dataset: str) -> tuple[Params, dict[str, Any]]:
    """The parameters, as the analysis takes them and as JSON: most jobs of a bulk have the same, so they are kept."""
    description = _load_table(dataset).description if dataset else None
    columns, index = (description.types(), description.index) if description else ({}, None)
    read = get_analysis(analysis).read_params_text(params, columns, index)
    return read, read.as_json()


def _load_table(version: str) -> Table:
    """The job's dataset, however long Redis is away."""
    while True:
        try:
            return child.store.table(version)
        except jobs.RedisUnavailable as error:
            _log.warning("redis is away", extra={"error": str(error)})
            time.sleep(TICK_SECONDS)


def _give_back(job: TakenJob, why: str, error: dict[str, str]) -> None:
    q.release(job, why, json.dumps(error), child.output.text())


def run_child(worker: str, orders: int, slot: int, parent: int) -> None:
    """What a child process does until it is drained, recycled or killed."""
    global child
    adopt_orphans()
    give_way()
    child = Child(worker, orders, slot, parent)
    child.orders.wait_to_go()
    q.hold_as(worker)
    with suppress(WorkerGone):
        execute_job()


# ------------------------------------------------------------------------------------------------- the parent


def _new_child() -> ChildProcess:
    return ChildProcess(__file__, settings.memory_limit_mb * 2**20)


class Parent:
    """Keeps the children; :meth:`tick` is what it does, again and again."""

    def __init__(self, pulse: Pulse | None = None) -> None:
        self._pulse = pulse or Pulse("")
        self.children: list[ChildProcess] = []
        self.dead: list[ChildProcess] = []
        self.spares: list[ChildProcess] = []
        self.draining = False
        self.stop_by = float("inf")
        self._ear, self._mouth = os.pipe()
        self._hurry = False
        self._steady_since: float | None = None
        self._last_learned = self._last_clock = 0.0
        self._failed_starts = 0
        self._next_birth = 0.0
        self._next_spare = 0.0

    def run(self) -> None:
        """Until a signal says to drain, and the children have."""
        adopt_orphans()
        os.set_blocking(self._ear, False)
        os.set_blocking(self._mouth, False)
        # The byte that a signal writes here ends the sleep of the loop: a dead child is replaced at once.
        signal.set_wakeup_fd(self._mouth, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        while not self._is_done(time.monotonic()):
            now = time.monotonic()
            self._pulse.beat(now)
            self.tick(now)
            self._sleep()
        give_up = time.monotonic() + GRACE_SECONDS
        while end_orphans(()) and time.monotonic() < give_up:
            time.sleep(0.02)

    def _is_done(self, now: float) -> bool:
        """The drain is over; what dead children held cannot be given back without end while Redis is away."""
        if not self.draining or self.children or self.spares:
            return False
        return not self.dead or now >= self.stop_by + GRACE_SECONDS

    def tick(self, now: float) -> None:
        """One round: bury and replace, renew and learn, stop, release, tidy up."""
        self._bury(now)
        self._give_birth(now)
        for one in self.children:
            one.hold_to_memory()
        if self.draining:
            for one in self.children:
                one.order("drain")
        if now >= self.stop_by:
            for one in self.children:
                one.kill("drain")
        try:
            self._dismiss_dead()
            self._register_new()
            registered = [one for one in self.children if one.registered]
            heartbeat = jobs.heartbeat([one.worker for one in registered])
            for one, held in zip(registered, heartbeat.held, strict=True):
                self._look_after(one, held, now)
            self._note_steady(heartbeat.clock, time.monotonic())
            self._release_lost(heartbeat.expired)
        except jobs.RedisError as error:
            # Whatever Redis has, the children need their parent.
            self._steady_since, self._hurry = None, False
            _log.warning("redis is away", extra={"error": str(error)})
        else:
            self._hurry = heartbeat.more

    def _sleep(self) -> None:
        ready, _, _ = select.select([self._ear], [], [], 0 if self._hurry else TICK_SECONDS)
        if ready:
            os.read(self._ear, 4096)

    def _bury(self, now: float) -> None:
        over = [one for one in self.children + self.spares if one.is_over()]
        self.dead += [one for one in over if one in self.children]
        self.children = [one for one in self.children if one not in over]
        self.spares = [one for one in self.spares if one not in over]
        # What dead children had started is now this process' own.
        end_orphans({one.process.pid for one in self.children + self.spares})
        for one in over:
            # A child that cannot even start will not do so the next time either: wait longer each time.
            self._failed_starts = self._failed_starts + 1 if one.failed_to_start() else 0
            self._next_birth = now + min(10.0, 0.1 * 2 ** min(self._failed_starts, 10)) if self._failed_starts else now
            _log.info("child ended", extra={"worker": one.worker, "why": one.why, "status": one.process.returncode})

    def _give_birth(self, now: float) -> None:
        if self.draining:
            for one in self.spares:
                one.kill("drain")
            return
        wanted = settings.workers or os.cpu_count() or 1
        try:
            while len(self.children) < wanted and (self.spares or now >= self._next_birth):
                if not self.spares:
                    # Spares wait until those that are needed at once have started: all compete for the processor.
                    self._next_spare = now + SPARE_AFTER_SECONDS
                self.children.append(self.spares.pop(0) if self.spares else _new_child())
            while len(self.spares) < settings.spare_children and now >= max(self._next_birth, self._next_spare):
                self.spares.append(_new_child())
        except OSError as error:
            self._next_birth = now + TICK_SECONDS
            _log.error("no child can be started", extra={"error": str(error)})

    def _dismiss_dead(self) -> None:
        while self.dead:
            one = self.dead[0]
            held = jobs.dismiss_worker(one.worker, one.why, one.error, meant=one.meant)
            if held is not None:
                _log.warning("job given back", extra={"job": held, "why": one.why, "worker": one.worker})
            self.dead.pop(0)

    def _register_new(self) -> None:
        for one in self.children:
            if not one.registered:
                jobs.register_worker(one.worker, socket.gethostname(), one.process.pid)
                one.registered = True
                one.order("go")

    def _look_after(self, one: ChildProcess, held: jobs.Held | None, now: float) -> None:
        if held is None:
            # Others took it for lost and gave its job away: whatever it does now is void.
            one.kill("drain")
            return
        if held.stop:
            one.stop(held.stop, "cancelled", now)
        run = (held.id, held.attempt)
        if held.id and one.is_over_time(run, held.seconds_left, now):
            one.stop(run, "timeout", now)
        if held.id == "" or one.slot.read()[1] == run:
            one.stray = None
        elif one.stray != run:
            one.stray, one.stray_since = run, now
        elif one.is_garbled() and now - one.stray_since >= TICK_SECONDS:
            one.kill("killed", garbled(), run)
        elif now - one.stray_since >= TICK_SECONDS:
            jobs.release_job(*run, one.worker, "drain")

    def _note_steady(self, clock: float, now: float) -> None:
        """An outage, or a stall of this process, is a gap: others may have had it as well, and are not lost. Nor are
        they when the clock of Redis jumps, which may end every lease at once."""
        gap, jump = now - self._last_learned, abs((clock - self._last_clock) - (now - self._last_learned))
        if self._steady_since is None or max(gap, jump) > settings.lease_seconds / 3:
            self._steady_since = now
        self._last_learned, self._last_clock = now, clock

    def _release_lost(self, expired: list[str]) -> None:
        if self._steady_since is None or self._last_learned - self._steady_since < settings.lease_seconds:
            return
        for worker in expired:
            held = jobs.dismiss_worker(worker, "lost", failure("lost"), expired=True)
            _log.warning("worker lost", extra={"worker": worker, "job": held})

    def _on_signal(self, *_: object) -> None:
        """The first drains, the second gives back what still runs at once; the next tick gives the orders."""
        self.stop_by = time.monotonic() + (0 if self.draining else settings.drain_seconds)
        self.draining = True


def main() -> None:
    """Run the parent; a server that cannot keep the promises is refused."""
    set_up_logging(settings.log_level)
    try:
        get_analyses()
    except BrokenAnalysis as error:
        sys.exit(str(error))
    if sys.argv[1:2] == ["--child"]:
        worker, *numbers = sys.argv[2:]
        status = 1
        try:
            run_child(worker, *map(int, numbers))
            status = 0
        except BaseException:
            _log.exception("the child fails")
        finally:
            # Not by return: the interpreter would wait for threads that an analysis left behind.
            logging.shutdown()
            os._exit(status)
    pulse = _open_pulse()
    # The first process of a container is deaf to a signal that it has no handler for.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        pulse.beat(time.monotonic())
        try:
            jobs.check_redis()
            break
        except jobs.RedisUnavailable as error:
            _log.warning("redis is away", extra={"error": str(error)})
            time.sleep(TICK_SECONDS)
        except jobs.UnusableServer as error:
            sys.exit(str(error))
    Parent(pulse).run()


def _open_pulse() -> Pulse:
    try:
        return Pulse(settings.health_file)
    except OSError as error:
        sys.exit(f"HEALTH_FILE={settings.health_file!r} cannot be written: {error.strerror}")


if __name__ == "__main__":
    main()
