"""The invariants of one job, checked on a consistent reading of its keys."""

from __future__ import annotations

from collections.abc import Iterator

from ops.invariants.reader import Job
from ops.invariants.violation import Violation

__all__ = ["check_job"]

_UNFINISHED = ("scheduled", "submitted", "in progress")
_ENDED = ("complete", "failed", "cancelled")
_NEEDED = ("created", "analysis")
_DEFAULT_ATTEMPTS = 3


def check_job(job: Job) -> Iterator[Violation]:
    """Yield the violations of a job whose places are counted and whose results' attempt is known."""
    key = f"job.{job.id}"
    if job.record is None:
        yield from _check_remains(job, key)
        return
    missing = [name for name in _NEEDED if name not in job.record]
    if missing or job.status not in _UNFINISHED + _ENDED:
        yield Violation(4, key, f"status {job.status!r}, and in its record is no {' and no '.join(missing) or 'other'}")
        return
    yield from _check_place(job, key)
    yield from _check_end(job, key)
    yield from _check_results(job, key)
    yield from _check_charges(job, key)
    yield from _check_indexes(job, key)
    if job.status in _UNFINISHED and "dataset" in job.record and not job.has_dataset:
        yield Violation(4, key, f"{job.status}, and version {job.record['dataset']} of its dataset is gone")


def _check_remains(job: Job, key: str) -> Iterator[Violation]:
    for name in sorted(job.scores):
        yield Violation(4, name, f"holds {job.id}, which has no record")
    if job.has_results:
        yield Violation(4, f"results.{job.id}", "its job has no record")
    if job.has_log:
        yield Violation(4, f"log.{job.id}", "its job has no record")
    if job.holders:
        yield Violation(1, key, "a worker holds it, and it has no record")


def _check_place(job: Job, key: str) -> Iterator[Violation]:
    if job.status == "submitted" and job.queued != 1:
        yield Violation(1, key, f"submitted, and {job.queued} times in the queues")
    if job.status == "scheduled" and "jobs.due" not in job.scores:
        yield Violation(1, key, "scheduled, and not among what is due some time")
    if job.status != "scheduled" and "jobs.due" in job.scores:
        yield Violation(5 if job.status == "cancelled" else 1, key, f"{job.status}, and due some time")
    if job.status != "in progress":
        if job.holders:
            number = 5 if job.status == "cancelled" else 3
            yield Violation(number, key, f"{job.status}, and {job.holders} workers hold it")
        return
    worker = (job.record or {}).get("worker", "")
    if not job.worker_lives:
        yield Violation(1, key, f"in progress, and its worker {worker!r} is not registered")
    elif job.worker_holds != [job.id]:
        yield Violation(1, key, f"in progress, and its worker {worker!r} holds {job.worker_holds}")
    elif job.holders != 1:
        yield Violation(1, key, f"in progress, and {job.holders} workers hold it")


def _check_end(job: Job, key: str) -> Iterator[Violation]:
    """Check the end: an unfinished job with an end had a final status before."""
    ended = (job.record or {}).get("ended")
    if job.status in _ENDED:
        if ended is None:
            yield Violation(2, key, f"{job.status}, and its record says not when")
        elif not job.retained and job.scores.get("jobs.ended") != int(ended):
            yield Violation(4, "jobs.retention", f"{job.id} is {job.status}, and not there")
    elif ended is not None or "jobs.ended" in job.scores:
        yield Violation(2, key, f"{job.status}, and it has ended before")


def _check_results(job: Job, key: str) -> Iterator[Violation]:
    if (job.status == "complete") != job.has_results:
        number = 5 if job.status == "cancelled" else 2
        yield Violation(number, key, f"{job.status}, and there are {'' if job.has_results else 'no '}results")
    elif job.has_results and job.results_attempt != str(job.number("attempt")):
        computed = job.results_attempt or "no number"
        yield Violation(
            2, key, f"complete in attempt {job.number('attempt')}, and its results are of attempt {computed}"
        )


def _check_charges(job: Job, key: str) -> Iterator[Violation]:
    charged, most, attempts = (
        max(job.number("failed_attempts"), job.number("charged")),  # older workers write `charged`
        job.number("max_attempts") or _DEFAULT_ATTEMPTS,
        job.number("attempt"),
    )
    if charged > most:
        yield Violation(3, key, f"charged {charged} of {most} attempts")
    elif charged == most and job.status != "failed":
        yield Violation(3, key, f"charged all of its {most} attempts, and {job.status}")
    if charged > attempts:
        yield Violation(3, key, f"charged {charged} attempts of {attempts} that were made")


def _check_indexes(job: Job, key: str) -> Iterator[Violation]:
    record = job.record or {}
    analysis = f"jobs.analysis.{record['analysis']}"
    # Jobs that a worker of an older release ended are in `jobs` until they are moved.
    right = {analysis} | ({"jobs"} if job.status in _UNFINISHED or "jobs.ended" in job.scores else set())
    right |= {f"jobs.{job.status}"} if job.status != "in progress" else set()
    if owner := record.get("owner"):
        right |= {f"jobs.owner.{owner}"} | ({f"jobs.unfinished.{owner}"} if job.status in _UNFINISHED else set())
    for name in sorted(right):
        if job.scores.get(name) != int(record["created"]):
            yield Violation(4, name, f"{job.id} is not there with its creation")
    for name in sorted(set(job.scores) - right - {"jobs.due", "jobs.ended"}):
        yield Violation(4, name, f"holds {job.id}, which is {job.status} and of analysis {record['analysis']}")
    if record.get("id", job.id) != job.id:
        yield Violation(4, key, f"its record is that of {record['id']}")
