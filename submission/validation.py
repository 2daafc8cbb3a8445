"""Validates posted jobs against the analyses and the dataset, and queues them: all of them, or none."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any

from pydantic_core import from_json

import jobs
from analyses import Analysis, DatasetColumns, InvalidParams, Range, get_registry
from dataset import BoundsError, Description, Ranges, Selection, Selector, Store, start_after_end
from jobstore import RETRIED_FIELDS
from submission.schema import MAX_ERRORS, JobRequest, invalid_body, parse_job_requests
from web.auth import owner
from web.metrics import count_submitted
from web.problems import RETRY_AFTER, Problem, pointer_to
from web.request_id import current_request_id

__all__ = ["request_again", "submit"]

_MAX_TRIES = 50
_NO_COLUMNS = DatasetColumns({})


def submit(
    values: Iterable[Any],
    prefixes: Sequence[str],
    store: Store,
    max_params_bytes: int,
    idempotency: jobs.Idempotency | None,
    repeats: Sequence[dict[str, Any]] = (),
) -> tuple[list[jobs.Job], bool]:
    """Validate posted jobs and queue all of them, or none.

    ``prefixes`` are the JSON pointers of the values in the request body, ``repeats`` the members ``retry_of`` and
    ``id`` of jobs that repeat others. The flag is true if the idempotency key was used before; the jobs are then those
    of the first request.

    :raises Problem: invalid, unknown-analysis, no-dataset; unavailable if the dataset keeps being replaced.
    """
    requests = parse_job_requests(values, prefixes, max_params_bytes)
    known = get_registry().analyses
    reading = {name for name in {job.analysis for job in requests} if name in known and known[name].reads_dataset}
    reads_dataset = bool(reading)
    validated: Description | None = None
    submissions: list[jobs.Submission] = []
    for _ in range(_MAX_TRIES):
        dataset = store.current() if reads_dataset else None
        if validated is not None and dataset is not None and dataset.has_columns_of(validated):
            # Only records have changed: a new validation could take longer than the next change.
            submissions = [replace(each, dataset=each.dataset and dataset.version) for each in submissions]
        else:
            submissions = _validate_jobs(requests, prefixes, store, dataset, reading)
            if repeats:
                submissions = [replace(each, **more) for each, more in zip(submissions, repeats, strict=True)]
        validated = dataset
        try:
            added, replayed = jobs.add_jobs(submissions, idempotency)
        except jobs.DatasetChanged:
            continue  # replaced since the validation
        if not replayed:
            count_submitted(added)
        return added, replayed
    raise Problem("unavailable", "The dataset is being replaced all the time; try again.", headers=RETRY_AFTER)


def request_again(job: jobs.Job) -> dict[str, Any]:
    """Return the request that a retry of this job posts."""
    members: dict[str, Any] = {**job}
    return {name: members[name] for name in (*RETRIED_FIELDS, *jobs.SELECTION_FIELDS) if name in members}


def _validate_jobs(
    requests: Sequence[JobRequest],
    prefixes: Sequence[str],
    store: Store,
    dataset: Description | None,
    reading: Container[str],
) -> list[jobs.Submission]:
    known, broken, _ = get_registry()
    checks, version = _Checks(store, dataset), dataset.version if dataset else None
    submitter = {"owner": owner(), "request_id": current_request_id()}
    submissions, errors, unknown = [], [], 0
    for job, prefix in zip(requests, prefixes, strict=True):
        reads = job.analysis in reading
        if job.analysis in broken:
            detail = f"This analysis is unavailable: {broken[job.analysis]}"
            errors.append({"pointer": f"{prefix}/analysis", "detail": detail})
        elif job.analysis not in known:
            unknown += 1
            errors.append({"pointer": f"{prefix}/analysis", "detail": f"Expected one of: {', '.join(known)}."})
        elif reads and dataset is None:
            detail = f"The analysis {job.analysis!r} reads a dataset: load one by POST /data."
            raise Problem("no-dataset", detail, errors=[{"pointer": f"{prefix}/analysis", "detail": detail}])
        else:
            faults = checks.faults(job, known[job.analysis], reads)
            errors += [{"pointer": prefix + pointer, "detail": detail} for pointer, detail in faults]
            if not errors:
                submissions.append(_submission(job, version if reads else None, submitter))
        if len(errors) >= MAX_ERRORS:
            break
    if errors:
        raise invalid_body(errors, "unknown-analysis" if unknown == len(errors) else "invalid")
    return submissions


class _Checks:
    """Checks jobs against their analyses and the dataset; equal ones of a bulk once."""

    def __init__(self, store: Store, dataset: Description | None) -> None:
        self._rows = _RowCheck(dataset) if dataset else None
        self._columns = DatasetColumns(dataset.types(), dataset.index) if dataset else _NO_COLUMNS
        self._ranges = Ranges(store, dataset.version) if dataset else None
        self._found: dict[tuple[Any, ...], list[tuple[str, str]]] = {}

    def faults(self, job: JobRequest, analysis: Analysis, reads: bool) -> list[tuple[str, str]]:
        """Return JSON pointers and details of the members that are rejected."""
        bounds = job.start, type(job.start), job.end, type(job.end)
        key = (job.analysis, job.params, *bounds, job.index, job.where, job.search)
        if key not in self._found:
            self._found[key] = [
                *_param_errors(job, analysis, *((self._columns, self._ranges) if reads else (_NO_COLUMNS, None))),
                *(self._rows.errors(job) if self._rows and reads else _bound_errors(job)),
            ]
        return self._found[key]


def _param_errors(
    job: JobRequest, analysis: Analysis, columns: DatasetColumns, ranges: Ranges | None
) -> list[tuple[str, str]]:
    """Return JSON pointers and details of the parameters that the analysis rejects."""
    try:
        params = analysis.read_params_text(job.params, columns)
        if ranges is not None:
            try:
                params.check_ranges(lambda column: _range(ranges.of(column)))
            except InvalidParams:  # for the range of all rows; the range of the job's rows takes longer to find
                params.check_ranges(lambda column: _range(ranges.of(column, _selection(job))))
    except InvalidParams as error:
        return [(f"/params{pointer}", detail) for pointer, detail in error.errors]
    return []


def _range(found: tuple[float, float] | None) -> Range | None:
    return None if found is None else Range(*found)


class _RowCheck:
    """Checks the rows that jobs select in a dataset."""

    def __init__(self, dataset: Description) -> None:
        self._check_bounds = dataset.bounds_check()
        self._dataset = dataset
        # Most jobs of a bulk have the same filters.
        self._found = lru_cache(maxsize=256, typed=True)(self._check_selection)

    @cached_property
    def _selector(self) -> Selector:
        return Selector(self._dataset)

    def errors(self, job: JobRequest) -> list[tuple[str, str]]:
        """Return JSON pointers and details of the members that select rows and do not fit the dataset."""
        if job.index is None and job.where is None:
            try:
                self._check_bounds(job.start, job.end)
            except BoundsError:
                pass
            else:
                return []
        return self._found(job.start, job.end, job.index, job.where)

    def _check_selection(self, start: Any, end: Any, index: str | None, where: str | None) -> list[tuple[str, str]]:
        selection = Selection(start, end, index, json.loads(where or "null"))
        return [(pointer_to(*path), detail) for path, detail in self._selector.errors(selection)]


def _bound_errors(job: JobRequest) -> list[tuple[str, str]]:
    """Return the JSON pointer and the detail of bounds that are in the wrong order, for an unknown type of index."""
    if job.start is None or job.end is None or not start_after_end(job.start, job.end):
        return []
    return [("/start", "`start` is after `end`.")]


def _selection(job: JobRequest) -> Selection:
    return Selection(job.start, job.end, job.index, json.loads(job.where or "null"), job.search)


def _submission(job: JobRequest, version: str | None, submitter: Mapping[str, Any]) -> jobs.Submission:
    members = {**vars(job), "params": from_json(job.params)}
    selection = {name: value for name in jobs.SELECTION_FIELDS if (value := members.pop(name))}
    if job.where:
        selection["where"] = json.loads(job.where)
    return jobs.Submission(**members, dataset=version, **submitter, selection=selection)
