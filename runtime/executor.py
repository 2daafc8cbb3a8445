"""The steps of one attempt in a child process: prepare, run, send the outcome, restore the process."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import jobs
from analyses import (
    Analysis,
    Artifact,
    BrokenAnalysis,
    InvalidParams,
    Outcome,
    Params,
    UnknownAnalysis,
    get_analysis,
    has_changed,
)
from config.events import Event
from config.logs import set_request_id_source
from config.settings import Settings
from dataset import (
    BoundsError,
    Busy,
    FilterError,
    ObjectChunks,
    ScannedTable,
    SharedFiles,
    Store,
    Table,
    VersionNotFound,
)
from jobs import ClaimedJob, JobQueue
from jobstore import ReleaseReason
from runtime.control import ControlChannel, Stopped
from runtime.dataset_cache import Tables
from runtime.errors import NotPrepared, Outdated, error_from_exception, failure
from runtime.meters import Meters
from runtime.output import Output
from runtime.process_state import ProcessState
from runtime.reporter import Reporter
from runtime.results import Rows, build_results, parse_selection
from runtime.shared_results import SharedResults
from runtime.shared_status import SharedStatus
from runtime.supervisor import tick_seconds

__all__ = ["Executor", "Results", "Task"]

_log = logging.getLogger("worker")


class Task(NamedTuple):
    """An analysis with its input; ``params_json`` has the parameters with their defaults."""

    analysis: Analysis
    params: Params
    params_json: dict[str, Any]
    rows: Any
    selected: Rows


class Results(NamedTuple):
    """The results document and the artifacts of a completed attempt."""

    document: bytes
    artifacts: list[Artifact]


@dataclass
class Executor:
    """Executes the jobs of one child process, one attempt at a time, and sends their outcomes by ``queue``."""

    queue: JobQueue
    settings: Settings
    status: SharedStatus
    meters: Meters
    output: Output
    control: ControlChannel
    reporter: Reporter
    tables: Tables
    state: ProcessState
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _started: float = field(default=0.0, init=False)
    _outcome: tuple[Event, dict[str, Any]] | None = field(default=None, init=False)
    _request_id: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self._jobs_left = self.settings.max_jobs_per_child
        # Most jobs of a bulk have the same parameters.
        self._read_params = lru_cache(maxsize=256)(self._parse_params)

    @classmethod
    def open(cls, queue: JobQueue, settings: Settings, control: int, status: int, output: int, parent: int) -> Executor:
        """Take over this process' output and signals; the numbers are inherited descriptors and the parent's id."""
        caught = Output(output)
        caught.catch()
        meters = Meters(status)
        queue.on_error = meters.count_redis_error
        queue.reserved.most = settings.max_reserved_jobs
        shared_status = SharedStatus(status)
        queue.reserved.collected.copy = SharedResults(status)
        queue.has_lost_reserved = shared_status.has_lost_reserved
        executor = cls(
            queue,
            settings,
            shared_status,
            meters,
            caught,
            ControlChannel(os.fdopen(control), parent, queue.drain),
            Reporter(caught),
            Tables(_open_store(settings), settings.memory_limit_mb * 2**20),
            ProcessState(control),
        )
        set_request_id_source(lambda: executor._request_id)
        return executor

    def begin(self, job: ClaimedJob) -> None:
        """Publish and log that the attempt starts, and send its progress from now on."""
        self._started, self._outcome, self._request_id = self.clock(), None, job.request_id
        self.status.mark_running(job.run, has_reserved=bool(self.queue.reserved))
        self.meters.begin(job.analysis, max(0, job.waited) / 1e6)
        self.reporter.begin(lambda *progress: self._report(job, *progress))
        if _log.isEnabledFor(logging.INFO):
            _log.info(Event.JOB_STARTED, extra=self._about(job))

    def prepare(self, job: ClaimedJob) -> Task:
        """Load the analysis, its parameters and the rows.

        :raises NotPrepared: one of them is not available or does not fit.
        :raises Outdated: with ``RELOAD``, if a file of an analysis has changed.
        """
        if self.settings.reload and has_changed():
            raise Outdated
        try:
            analysis = get_analysis(job.analysis)
            self.tables.make_room(job.dataset)
            params, params_json = self._read_params(job.analysis, job.params, job.dataset)
            rows, selected = None, Rows(parse_selection(job))
            if analysis.reads_dataset:
                table = self._load_table(job.dataset)
                rows = table.select(selected.selection)
                selected = Rows(selected.selection, table.selector.index(selected.selection), rows.height)
        except (UnknownAnalysis, BrokenAnalysis, InvalidParams) as error:
            # The API accepted them: a worker of another version knows them.
            raise NotPrepared(ReleaseReason.UNKNOWN, error) from error
        except Busy as error:
            raise NotPrepared(ReleaseReason.UNKNOWN, error) from error
        except (BoundsError, FilterError, VersionNotFound) as error:
            raise NotPrepared(ReleaseReason.INVALID, error) from error
        return Task(analysis, params, params_json, rows, selected)

    def run(self, job: ClaimedJob, task: Task) -> Outcome:
        """Run the analysis.

        :raises Stopped: the job was cancelled or has timed out.
        :raises NotPrepared: the analysis rejects its parameters: further attempts would end the same way; or it reads
            rows from a storage that does not answer.
        """
        self.control.begin(job.run)
        try:
            return task.analysis.run(task.rows, task.params, self.reporter.progress)
        except InvalidParams as error:
            raise NotPrepared(ReleaseReason.INVALID, error) from error
        except Busy as error:
            raise NotPrepared(ReleaseReason.UNKNOWN, error) from error
        finally:
            self.control.end()

    def build(self, job: ClaimedJob, task: Task, outcome: Outcome) -> Results:
        """Build the results document and the artifacts.

        :raises ValueError: they are larger than ``MAX_RESULT_BYTES``.
        """
        return Results(*build_results(job, outcome, task.params_json, task.selected, self.settings.max_result_bytes))

    def complete(self, job: ClaimedJob, results: Results) -> None:
        """End the attempt with results."""
        artifacts = [(artifact.name, artifact.content) for artifact in results.artifacts]
        self.queue.defer_complete(job, results.document, artifacts, self.output.text())
        self.meters.end("complete")
        self._note(job, Event.JOB_COMPLETED)

    def stop(self, job: ClaimedJob, stopped: Stopped) -> None:
        """End an attempt that was stopped; a cancelled or released job is no longer this worker's."""
        if stopped.reason == "timeout":
            self._release(job, ReleaseReason.TIMEOUT, failure("timeout"))
        elif stopped.reason == "released":
            self.meters.end(ReleaseReason.DRAIN)
            self._note(job, Event.JOB_RELEASED, reason=ReleaseReason.DRAIN)
        else:
            self.meters.end("cancelled")
            self._note(job, Event.JOB_CANCELLED)

    def fail(self, job: ClaimedJob, reason: ReleaseReason, error: BaseException) -> None:
        """End the attempt with an error; the reason decides whether the job is retried."""
        if reason is ReleaseReason.ERROR:
            logging.getLogger().error(Event.ANALYSIS_RAISED, exc_info=error)
        word = "error" if reason is ReleaseReason.ERROR else "invalid"
        self._release(job, reason, error_from_exception(error, word))

    def release(self, job: ClaimedJob) -> None:
        """Release a job that was not run, and let another process replace this one."""
        self.queue.drain()
        self.queue.defer_release(job, ReleaseReason.DRAIN, "", self.output.text())
        self.meters.end(ReleaseReason.DRAIN)
        self._note(job, Event.JOB_RELEASED, reason=ReleaseReason.DRAIN)

    def end(self) -> None:
        """Restore the process while the outcome is sent, or drain so that another process replaces it."""
        self.reporter.end()
        self._jobs_left -= 1  # 0 at first stands for no limit, and is never met again
        if not self.state.can_reuse_process() or self.tables.has_leak() or self._jobs_left == 0:
            self.queue.drain()
        self.status.mark_idle()
        self.queue.run_while_waiting(self._restore)

    def _restore(self) -> bool:
        restored = self.state.restore()
        self.output.reset()
        if self._outcome is not None:
            event, extra = self._outcome
            _log.info(event, extra=extra)
        self._request_id = ""
        return restored

    def _release(self, job: ClaimedJob, reason: ReleaseReason, error: dict[str, str]) -> None:
        self.queue.defer_release(job, reason, json.dumps(error), self.output.text())
        self.meters.end(reason)
        # Not the message, which may quote parameters or data: the job and its log have it.
        self._note(job, Event.JOB_FAILED, reason=reason, error=error["type"])

    def _note(self, job: ClaimedJob, event: Event, **more: Any) -> None:
        """Keep the outcome for the log, which is written once the process state is restored."""
        if _log.isEnabledFor(logging.INFO):
            self._outcome = event, self._about(job) | {"seconds": round(self.clock() - self._started, 3)} | more

    def _about(self, job: ClaimedJob) -> dict[str, Any]:
        about = {"job": job.id, "analysis": job.analysis, "attempt": job.attempt, "worker": self.queue.worker_id}
        return about | {"request_id": job.request_id} if job.request_id else about

    def _parse_params(self, analysis: str, params: str, dataset: str) -> tuple[Params, dict[str, Any]]:
        """Return the parameters as the analysis takes them, and as JSON."""
        description = self._load_table(dataset).description if dataset else None
        columns, index = (description.types(), description.index) if description else ({}, None)
        read = get_analysis(analysis).read_params_text(params, columns, index)
        return read, read.as_json()

    def _load_table(self, version: str) -> Table | ScannedTable:
        """Return the job's dataset; retry while Redis is unavailable."""
        pause = tick_seconds(self.settings)
        while True:
            try:
                return self.tables.get(version)
            except jobs.RedisUnavailable as error:
                self.meters.count_redis_error()
                _log.warning(Event.REDIS_UNAVAILABLE, pause, extra={"error": str(error)})
                self.sleep(pause)

    def _report(self, job: ClaimedJob, progress: float | None, message: str | None, log: str) -> None:
        with suppress(jobs.RedisError):
            jobs.report_progress(job.run, self.queue.worker_id or "", progress, message, log)


def _open_store(settings: Settings) -> Store:
    objects = ObjectChunks(settings.dataset_store) if settings.dataset_store else None
    return Store(jobs.rd, files=SharedFiles(settings.dataset_files_mb * 2**20), objects=objects)
