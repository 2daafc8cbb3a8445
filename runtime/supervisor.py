"""The supervisor of a worker: starts child processes, renews their leases and replaces those that exit."""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import jobs
from config.cpu import usable_cores
from config.events import Event
from config.settings import Settings
from jobstore import HeldUp, ReleaseReason, Run, WorkerLease
from runtime.analysis_files import AnalysisFiles
from runtime.cache_folders import cache_settings
from runtime.child_process import GRACE_SECONDS, ChildProcess
from runtime.cpu import thread_settings
from runtime.descendants import become_subreaper, end_orphans
from runtime.errors import failure, status_corrupted
from runtime.heartbeat_file import HeartbeatFile
from runtime.memory import ALLOCATOR_SETTINGS, MemoryWatch
from runtime.worker_counts import WorkerCounts

__all__ = ["STANDBY_AFTER_SECONDS", "Supervisor", "handle_stop_signals", "tick_seconds"]

STANDBY_AFTER_SECONDS = 5.0

_ASK_SECONDS = 1.2  # a job that is cancelled is stopped within two

_log = logging.getLogger("worker")


def tick_seconds(settings: Settings) -> float:
    """Return the pause between rounds. A lease outlasts several, or each round would count as a heartbeat gap."""
    return min(0.5, settings.lease_seconds / 6)


class Supervisor:
    """Runs child processes; :meth:`tick` is one round of its loop."""

    def __init__(
        self,
        settings: Settings,
        script: str,
        heartbeat_file: HeartbeatFile | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._script = script
        self._heartbeat_file = heartbeat_file or HeartbeatFile("")
        self._clock = clock
        self._tick_seconds = tick_seconds(settings)
        self._wanted = settings.workers or usable_cores()
        self._environ = _child_environ(settings, self._wanted)
        self._analysis_files = AnalysisFiles()
        self.counts = WorkerCounts()
        self.children: list[ChildProcess] = []
        self.dead: list[ChildProcess] = []
        self.standby: list[ChildProcess] = []
        self.draining = False
        self.stop_by = float("inf")
        self._wakeup_r, self._wakeup_w = os.pipe()
        self._has_backlog = False
        self._pause = self._busy_pause = 0.0
        self._stop_orders, self._asked_for_stops = 0, 0.0
        self._steady_since: float | None = None
        self._last_heartbeat = self._last_redis_time = 0.0
        self._failed_starts = 0
        self._next_spawn = 0.0
        self._next_standby = 0.0

    def run(self) -> None:
        """Run until a signal requests a drain and all children have exited."""
        self._log_start()
        become_subreaper()
        self._install_handlers()
        MemoryWatch(lambda: list(self.children))
        was_draining = False
        with cache_settings(os.environ) as cache:
            self._environ |= cache
            while not self._is_done(now := self._clock()):
                self._heartbeat_file.touch(now)
                if self.draining and not was_draining:
                    was_draining = True
                    _log.info(Event.DRAINING, extra={"seconds": round(max(0.0, self.stop_by - now), 1)})
                self.tick(now)
                self._sleep()
            self._end_orphans()
        _log.info(Event.STOPPED)

    def tick(self, now: float) -> None:
        """Do one round: reap and replace children, renew leases, enforce limits, release the jobs of lost workers."""
        self.reap(now)
        if self._settings.reload and not self.draining:
            self.replace_outdated()
        self.spawn_missing(now)
        self._drain(now)
        try:
            self.release_dead()
            self._register_new()
            if self._can_skip_heartbeat(now):
                return
            registered = [child for child in self.children if child.registered]
            heartbeat = jobs.heartbeat([child.worker for child in registered], self._held_up(registered))
            for child, lease in zip(registered, heartbeat.held, strict=True):
                self.enforce(child, lease, now)
            self.track_heartbeat_gaps(heartbeat.clock, self._clock())
            self.release_expired(heartbeat.expired)
        except jobs.RedisError as error:
            # Even an unexpected error of Redis must not end the supervisor: the children depend on it.
            self._steady_since, self._has_backlog, self._pause, self._busy_pause = None, False, 0.0, 0.0
            self.counts.count_redis_error()
            _log.warning(Event.REDIS_UNAVAILABLE, self._tick_seconds, extra={"error": str(error)})
        else:
            self._has_backlog = heartbeat.more
            self._pause, self._busy_pause = heartbeat.pause, heartbeat.busy_pause

    def _can_skip_heartbeat(self, now: float) -> bool:
        """Return whether the next heartbeat can wait: the more workers there are, the less often each one calls.

        A short lease is renewed at each tick, what a long job holds up is given back at once, and an order to stop a
        job is looked for every other second.
        """
        if self._settings.lease_seconds < 12 * self._tick_seconds:
            return False
        is_busy = any(child.status.read()[0] for child in self.children)
        pause = self._busy_pause if is_busy else self._pause
        if now - self._last_heartbeat >= pause - self._tick_seconds / 2:
            return False
        if is_busy and now - self._asked_for_stops >= _ASK_SECONDS:
            before, self._stop_orders, self._asked_for_stops = self._stop_orders, jobs.count_stop_orders(), now
            if self._stop_orders != before:
                return False
        return not any(child.holds_up_reserved() for child in self.children)

    def _held_up(self, children: list[ChildProcess]) -> list[HeldUp]:
        """Return the workers whose reserved jobs are to be queued; they learn it first, and start none of them."""
        found = []
        for child in children:
            if child.holds_up_reserved():
                running = child.status.read()
                child.status.mark_lost()
                lines = child.results.read()
                # Otherwise it may have begun another one before it learned of it.
                if lines is not None and child.status.read() == running:
                    found.append(HeldUp(child.worker, running[1], lines))
        return found

    def reap(self, now: float) -> None:
        """Collect the children that have exited, and end the processes that they left."""
        exited = [child for child in self.children + self.standby if child.has_exited()]
        self.dead += [child for child in exited if child in self.children]
        self.children = [child for child in self.children if child not in exited]
        self.standby = [child for child in self.standby if child not in exited]
        # This process has adopted the processes that dead children had started.
        end_orphans({child.process.pid for child in self.children + self.standby})
        for child in exited:
            self.counts.retire(child.meters, child.outcome, child.reason)
            # A child that fails to start will probably fail again: wait longer each time.
            self._failed_starts = self._failed_starts + 1 if child.failed_to_start() else 0
            self._next_spawn = now + min(10.0, 0.1 * 2 ** min(self._failed_starts, 10)) if self._failed_starts else now
            code = child.process.returncode
            how = f"signal {-code}" if code < 0 else f"status {code}"
            _log.info(Event.CHILD_EXITED, how, extra={"reason": child.reason, "worker": child.worker})

    def spawn_missing(self, now: float) -> None:
        """Start children until ``WORKERS`` run and ``STANDBY_CHILDREN`` stand by; in a drain, end the latter."""
        if self.draining:
            for child in self.standby:
                child.kill(ReleaseReason.DRAIN)
            return
        try:
            while len(self.children) < self._wanted and (self.standby or now >= self._next_spawn):
                if not self.standby:
                    # Standby children wait until the needed ones have started: all compete for the processor.
                    self._next_standby = now + STANDBY_AFTER_SECONDS
                self.children.append(self.standby.pop(0) if self.standby else self._spawn())
            while len(self.standby) < self._settings.standby_children and now >= max(
                self._next_spawn, self._next_standby
            ):
                self.standby.append(self._spawn())
        except OSError as error:
            self._next_spawn = now + self._tick_seconds
            _log.error(Event.CANNOT_SPAWN, extra={"error": str(error)})

    def replace_outdated(self) -> None:
        """If a file of an analysis has changed, replace the children, each after the job that it runs."""
        if not self._analysis_files.have_changed():
            return
        _log.info(Event.ANALYSES_RELOADED)
        for child in self.children:
            child.send("drain")
        for child in self.standby:
            child.kill(ReleaseReason.DRAIN)

    def release_dead(self) -> None:
        """Deregister dead children and release their jobs; those of which Redis fails stay for the next round."""
        while self.dead:
            child = self.dead[0]
            self._complete_collected(child)
            if child.last_output is not None:
                run, output = child.last_output
                jobs.report_progress(run, child.worker, None, None, output)
            held = jobs.deregister_worker(child.worker, child.reason, child.error, only_if_run=child.only_run)
            if held is not None:
                self._log_released(held, child.reason, child.worker)
            self.dead.pop(0)

    def _complete_collected(self, child: ChildProcess) -> None:
        """Send the results that a dead child had not sent, and that it had begun its last run."""
        try:
            if lines := child.results.read():
                jobs.complete_collected(HeldUp(child.worker, child.status.read()[1], lines))
        except jobs.RedisUnavailable:
            raise
        except jobs.RedisError as error:
            _log.error(Event.COLLECTED_REJECTED, extra={"worker": child.worker, "error": str(error)})

    def enforce(self, child: ChildProcess, lease: WorkerLease | None, now: float) -> None:
        """Stop a cancelled or timed-out run, and release a job that the child holds but does not run."""
        if lease is None:
            # Its lease expired and its job was released: its result would be rejected.
            child.kill(ReleaseReason.DRAIN)
            return
        if lease.stop:
            child.stop(lease.stop, lease.stop_reason, now)
        run = Run(lease.id, lease.attempt)
        if lease.id and child.is_timed_out(run, lease.seconds_left, now):
            child.stop(run, "timeout", now)
        if lease.id == "" or child.status.read()[1] == run:
            child.unmatched_run = None
        elif child.unmatched_run != run:
            child.unmatched_run, child.unmatched_since = run, now
        elif now - child.unmatched_since >= self._tick_seconds:
            if child.has_corrupted_status():
                child.kill(ReleaseReason.KILLED, status_corrupted(), run)
            else:
                jobs.release_job(run, child.worker, ReleaseReason.DRAIN)
                self._log_released(run.job_id, ReleaseReason.DRAIN, child.worker)

    def _log_released(self, jid: str, reason: ReleaseReason, worker: str) -> None:
        _log.warning(Event.JOB_RELEASED, extra={"job": jid, "reason": reason, "worker": worker, **_request_of(jid)})

    def track_heartbeat_gaps(self, redis_time: float, now: float) -> None:
        """Note since when heartbeats follow each other without a gap.

        In an outage, or while this process stalls, other supervisors may stall too without being lost. A jump of Redis'
        clock may end every lease at once.
        """
        gap = now - self._last_heartbeat
        jump = abs((redis_time - self._last_redis_time) - gap)
        if self._steady_since is None or max(gap, jump) > self._settings.lease_seconds / 3:
            self._steady_since = now
        self._last_heartbeat, self._last_redis_time = now, redis_time

    def release_expired(self, expired: list[str]) -> None:
        """Release the jobs of workers whose lease expired, after a whole lease without a heartbeat gap."""
        if self._steady_since is None or self._last_heartbeat - self._steady_since < self._settings.lease_seconds:
            return
        for worker in expired:
            held = jobs.deregister_worker(worker, ReleaseReason.LOST, failure("lost"), expired=True)
            self.counts.leases_lost += 1
            _log.warning(Event.LEASE_EXPIRED, extra={"worker": worker, "job": held, **_request_of(held)})

    def request_stop(self, number: int, _: object = None) -> None:
        """Drain at the first signal, and stop running jobs at the second; the next tick acts."""
        if number == signal.SIGHUP and self.draining:
            return  # service managers send it right after SIGTERM
        self.stop_by = self._clock() + (0 if self.draining else self._settings.drain_seconds)
        self.draining = True

    def _log_start(self) -> None:
        address = f"{self._settings.redis_ip}:{self._settings.redis_port}"
        extra = {"host": socket.gethostname(), "pid": os.getpid(), "redis": address, "children": self._wanted}
        _log.info(Event.WORKER_STARTED, extra=extra)

    def _install_handlers(self) -> None:
        os.set_blocking(self._wakeup_r, False)
        os.set_blocking(self._wakeup_w, False)
        # The byte that a signal writes here ends the sleep of the loop: a dead child is replaced at once.
        signal.set_wakeup_fd(self._wakeup_w, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        handle_stop_signals(self.request_stop)

    def _is_done(self, now: float) -> bool:
        """Return whether the drain is over. While Redis is away, jobs of dead children are not waited for forever."""
        if not self.draining or self.children or self.standby:
            return False
        return not self.dead or now >= self.stop_by + GRACE_SECONDS

    def _drain(self, now: float) -> None:
        if self.draining:
            for child in self.children:
                child.send("drain")
        if now >= self.stop_by:
            for child in self.children:
                child.kill(ReleaseReason.DRAIN)

    def _sleep(self) -> None:
        ready, _, _ = select.select([self._wakeup_r], [], [], 0 if self._has_backlog else self._tick_seconds)
        if ready:
            os.read(self._wakeup_r, 4096)

    def _wake(self) -> None:
        """End the sleep of the loop."""
        with suppress(BlockingIOError):
            os.write(self._wakeup_w, b"\0")

    def _end_orphans(self) -> None:
        give_up = self._clock() + GRACE_SECONDS
        while end_orphans(()) and self._clock() < give_up:
            time.sleep(0.02)

    def _spawn(self) -> ChildProcess:
        child = ChildProcess(self._script, self._settings.memory_limit_mb * 2**20, self._environ, self._wake)
        self.counts.add(child.meters)
        return child

    def _register_new(self) -> None:
        for child in self.children:
            if not child.registered:
                jobs.register_worker(child.worker, socket.gethostname(), child.process.pid)
                child.registered = True
                child.send("go")
                _log.info(Event.CHILD_REGISTERED, extra={"worker": child.worker, "pid": child.process.pid})


def handle_stop_signals(handler: Callable[[int, FrameType | None], object]) -> None:
    """Install ``handler`` for the signals that request a stop; SIGHUP stays ignored under nohup."""
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(each, handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, handler)


def _request_of(jid: str | None) -> dict[str, str]:
    """Return the id of the request that submitted a job, for its log lines."""
    with suppress(jobs.JobNotFound, jobs.RedisError):
        if jid and (request_id := jobs.get_job_by_id(jid)["request_id"]):
            return {"request_id": request_id}
    return {}


def _child_environ(settings: Settings, children: int) -> dict[str, str]:
    # By default, numeric libraries start a thread for each core in each child.
    environ = {**os.environ, **thread_settings(os.environ, max(1, usable_cores() // children))}
    return environ | ALLOCATOR_SETTINGS if settings.memory_limit_mb else environ
