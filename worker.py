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
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from types import FrameType
from typing import Any, NamedTuple

if __name__ == "__main__":  # before what takes long to import: a stray signal ends no worker that starts
    for _stray in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(_stray, signal.SIG_IGN)

import jobs
from analyses import (
    Analysis,
    BrokenAnalysis,
    InvalidParams,
    Outcome,
    Params,
    UnknownAnalysis,
    get_analyses,
    get_analysis,
)
from config.logs import set_up_logging
from config.settings import load_or_exit
from dataset import BoundsError, Store, Table, VersionNotFound
from jobs import ClaimedJob, ReleaseReason, Run, WorkerNotRegistered, q
from ops.health import Pulse
from runtime import (
    ALLOCATOR_SETTINGS,
    GRACE_SECONDS,
    ChildProcess,
    ControlChannel,
    MemoryWatch,
    Output,
    ProcessState,
    Reporter,
    SharedStatus,
    Stopped,
    Tables,
    become_subreaper,
    build_results,
    cache_settings,
    end_orphans,
    error_from_exception,
    failure,
    ignore_stray_signals,
    parse_bound,
    raise_oom_score,
    status_corrupted,
    thread_settings,
    usable_cores,
)


def tick_seconds() -> float:
    """Return the pause between two ticks: a lease must outlast several of them, or each would count as a gap."""
    return min(0.5, jobs.settings.lease_seconds / 6)


SPARE_AFTER_SECONDS = 5.0

_log = logging.getLogger("worker")

# ------------------------------------------------------------------------------------------------- the child


@q.worker  # type: ignore[untyped-decorator]
def execute_job(job: ClaimedJob) -> None:
    """Run one job, and say what became of it with the call that takes the next one."""
    if child.traces.are_lasting:
        q.drain()
        q.defer_release(job, ReleaseReason.DRAIN, "", "")
        return
    child.begin(job)
    try:
        prepared = _prepare(job)
        outcome = _run(job, prepared)
        most = jobs.settings.max_result_bytes
        document, artifacts = build_results(job, outcome, prepared.posted, prepared.height, most)
    except Stopped as stop:
        if stop.reason == "timeout":
            _give_back(job, "timeout", failure("timeout"))
    except _NotPrepared as failed:
        _give_back(job, failed.why, error_from_exception(failed.error, "invalid"))
    except InvalidParams as error:  # the analysis' own verdict: no further attempt would end otherwise
        _give_back(job, "invalid", error_from_exception(error, "invalid"))
    except BaseException as error:  # a panic in polars, an exit: whatever is not Stopped is the analysis' own
        logging.getLogger().error("the analysis raised", exc_info=error)
        _give_back(job, "error", error_from_exception(error, "error"))
    else:
        q.defer_complete(job, document, [(a.name, a.content) for a in artifacts], child.output.text())
    finally:
        child.end()


class Child:
    """What a child has beside the queue: its output, its reporter, its orders and the word to its parent."""

    def __init__(self, worker: str, orders: int, slot: int, output: int, parent: int) -> None:
        self.worker = worker
        self.slot = SharedStatus(slot)
        self.output = Output(output)
        self.output.catch()
        self.orders = ControlChannel(os.fdopen(orders), parent, q.drain)
        self.reporter = Reporter(self.output)
        self.tables = Tables(Store(jobs.rd), jobs.settings.memory_limit_mb * 2**20)
        self.traces = ProcessState(orders)
        self._left = jobs.settings.max_jobs_per_child or None

    def begin(self, job: ClaimedJob) -> None:
        """A job was taken."""
        self.slot.runs(job.id, job.attempt)
        self.reporter.begin(lambda *progress: self._report(job, *progress))

    def end(self) -> None:
        """Its analysis is over, however it went."""
        self.reporter.end()
        if not self.traces.can_reuse_process() or self.tables.has_leak():
            q.drain()
        q.meanwhile(self._clean_up)
        self.slot.ran()
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                q.drain()

    def _clean_up(self) -> None:
        self.traces.remove()
        self.output.reset()

    def _report(self, job: ClaimedJob, progress: float | None, message: str | None, log: str) -> None:
        with suppress(jobs.RedisError):
            jobs.report_progress(job, self.worker, progress, message, log)


child: Child


class _Prepared(NamedTuple):
    """An analysis and what it takes; ``posted`` are the parameters with their defaults, as JSON."""

    analysis: Analysis
    params: Params
    posted: dict[str, Any]
    rows: Any

    @property
    def height(self) -> int:
        return 0 if self.rows is None else self.rows.height


class _NotPrepared(Exception):
    """This worker or the dataset cannot do what the job asks for; ``why`` is the reason of its release."""

    def __init__(self, why: str, error: Exception) -> None:
        super().__init__(why)
        self.why, self.error = why, error


def _prepare(job: ClaimedJob) -> _Prepared:
    """Read what the job names, before its analysis runs; raises _NotPrepared."""
    try:
        analysis = get_analysis(job.analysis)
        child.tables.make_room(job.dataset)
        params, posted = _read_params(job.analysis, job.params, job.dataset)
        rows = None
        if analysis.reads_dataset:
            rows = _load_table(job.dataset).slice(parse_bound(job.start), parse_bound(job.end))
    except (UnknownAnalysis, InvalidParams) as error:  # the API knows them: a worker of another version will
        raise _NotPrepared("unknown", error) from error
    except (BoundsError, VersionNotFound) as error:
        raise _NotPrepared("invalid", error) from error
    return _Prepared(analysis, params, posted, rows)


def _run(job: ClaimedJob, prepared: _Prepared) -> Outcome:
    child.orders.begin(job.id, job.attempt)
    try:
        return prepared.analysis.run(prepared.rows, prepared.params, child.reporter.progress)
    finally:
        child.orders.end()


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
            return child.tables.get(version)
        except jobs.RedisUnavailable as error:
            _log.warning("redis is away", extra={"error": str(error)})
            time.sleep(tick_seconds())


def _give_back(job: ClaimedJob, why: str, error: dict[str, str]) -> None:
    q.defer_release(job, ReleaseReason(why), json.dumps(error), child.output.text())


def run_child(worker: str, orders: int, slot: int, output: int, parent: int) -> None:
    """What a child process does until it is drained, recycled or killed."""
    global child
    become_subreaper()
    raise_oom_score()
    child = Child(worker, orders, slot, output, parent)
    child.orders.wait_to_go()
    q.set_worker_id(worker)
    with suppress(WorkerNotRegistered):
        execute_job()


# ------------------------------------------------------------------------------------------------- the parent


def _child_environ() -> dict[str, str]:
    # A library's own default is a thread for each core, in each child.
    environ = {**os.environ, **thread_settings(os.environ, max(1, usable_cores() // _wanted_children()))}
    return environ | ALLOCATOR_SETTINGS if jobs.settings.memory_limit_mb else environ


def _wanted_children() -> int:
    return jobs.settings.workers or usable_cores()


class Parent:
    """Keeps the children; :meth:`tick` is what it does, again and again."""

    def __init__(self, pulse: Pulse | None = None) -> None:
        self._pulse = pulse or Pulse("")
        self._environ = _child_environ()
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
        become_subreaper()
        os.set_blocking(self._ear, False)
        os.set_blocking(self._mouth, False)
        # The byte that a signal writes here ends the sleep of the loop: a dead child is replaced at once.
        signal.set_wakeup_fd(self._mouth, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        _handle_stops(self._on_signal)
        MemoryWatch(lambda: list(self.children))
        with cache_settings(os.environ) as cache:
            self._environ |= cache
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
        ready, _, _ = select.select([self._ear], [], [], 0 if self._hurry else tick_seconds())
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
        wanted = _wanted_children()
        try:
            while len(self.children) < wanted and (self.spares or now >= self._next_birth):
                if not self.spares:
                    # Spares wait until those that are needed at once have started: all compete for the processor.
                    self._next_spare = now + SPARE_AFTER_SECONDS
                self.children.append(self.spares.pop(0) if self.spares else self._new_child())
            while len(self.spares) < jobs.settings.standby_children and now >= max(self._next_birth, self._next_spare):
                self.spares.append(self._new_child())
        except OSError as error:
            self._next_birth = now + tick_seconds()
            _log.error("no child can be started", extra={"error": str(error)})

    def _new_child(self) -> ChildProcess:
        return ChildProcess(__file__, jobs.settings.memory_limit_mb * 2**20, self._environ)

    def _dismiss_dead(self) -> None:
        while self.dead:
            one = self.dead[0]
            held = jobs.deregister_worker(
                one.worker, ReleaseReason(one.why), one.error, only_if_run=Run(*one.meant) if one.meant else None
            )
            if held is not None:
                _log.warning("job given back", extra={"job": held, "why": one.why, "worker": one.worker})
            self.dead.pop(0)

    def _register_new(self) -> None:
        for one in self.children:
            if not one.registered:
                jobs.register_worker(one.worker, socket.gethostname(), one.process.pid)
                one.registered = True
                one.order("go")

    def _look_after(self, one: ChildProcess, held: jobs.WorkerLease | None, now: float) -> None:
        if held is None:
            # Others took it for lost and gave its job away: whatever it does now is void.
            one.kill("drain")
            return
        if held.stop:
            one.stop(held.stop, "cancelled", now)
        run = Run(held.id, held.attempt)
        if held.id and one.is_timed_out(run, held.seconds_left, now):
            one.stop(run, "timeout", now)
        if held.id == "" or one.slot.read()[1] == run:
            one.stray = None
        elif one.stray != run:
            one.stray, one.stray_since = run, now
        elif one.is_garbled() and now - one.stray_since >= tick_seconds():
            one.kill("killed", status_corrupted(), run)
        elif now - one.stray_since >= tick_seconds():
            jobs.release_job(run, one.worker, ReleaseReason.DRAIN)

    def _note_steady(self, clock: float, now: float) -> None:
        """An outage, or a stall of this process, is a gap: others may have had it as well, and are not lost. Nor are
        they when the clock of Redis jumps, which may end every lease at once."""
        gap, jump = now - self._last_learned, abs((clock - self._last_clock) - (now - self._last_learned))
        if self._steady_since is None or max(gap, jump) > jobs.settings.lease_seconds / 3:
            self._steady_since = now
        self._last_learned, self._last_clock = now, clock

    def _release_lost(self, expired: list[str]) -> None:
        if self._steady_since is None or self._last_learned - self._steady_since < jobs.settings.lease_seconds:
            return
        for worker in expired:
            held = jobs.deregister_worker(worker, ReleaseReason.LOST, failure("lost"), expired=True)
            _log.warning("worker lost", extra={"worker": worker, "job": held})

    def _on_signal(self, number: int, _: object) -> None:
        """The first drains, the second gives back what still runs at once; the next tick gives the orders."""
        if number == signal.SIGHUP and self.draining:
            return  # service managers send it right after the first
        self.stop_by = time.monotonic() + (0 if self.draining else jobs.settings.drain_seconds)
        self.draining = True


def main() -> None:
    """Run the parent; a server that cannot keep the promises is refused."""
    jobs.connect(load_or_exit())
    set_up_logging(jobs.settings.log_level)
    try:
        get_analyses()
    except BrokenAnalysis as error:
        sys.exit(str(error))
    if sys.argv[1:2] == ["--child"]:
        ignore_stray_signals()
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
    _handle_stops(lambda *_: sys.exit(0))
    while True:
        pulse.beat(time.monotonic())
        try:
            jobs.check_redis()
            break
        except jobs.RedisUnavailable as error:
            _log.warning("redis is away", extra={"error": str(error)})
            time.sleep(tick_seconds())
        except jobs.UnusableServer as error:
            sys.exit(str(error))
    Parent(pulse).run()


def _handle_stops(handler: Callable[[int, FrameType | None], object]) -> None:
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(each, handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup's own
        signal.signal(signal.SIGHUP, handler)


def _open_pulse() -> Pulse:
    try:
        return Pulse(jobs.settings.health_file)
    except OSError as error:
        sys.exit(f"HEALTH_FILE={jobs.settings.health_file!r} cannot be written: {error.strerror}")


if __name__ == "__main__":
    main()
