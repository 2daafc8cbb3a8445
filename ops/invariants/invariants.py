"""The invariants of jobs in Redis, and the search for violations.

1. Every accepted job has a record; an unfinished one is in exactly one place: a queue, the scheduled set, or the job
   or the reserved jobs of one worker. (A queued id whose record is not `submitted` is allowed: a claim drops it.)
2. Ended statuses never change; results exist if and only if a job is complete: one, from the attempt in the record.
3. No job has more failed attempts than allowed; the jobs in progress are those that registered workers hold.
4. Indexes, counts, pins and records agree; no job past its retention is left, and no key without an owner.
5. A cancelled job stays cancelled: it has no results, no worker and no due time.

The search works on a Redis under load: all keys are read in pages, and each suspected violation is read again
atomically, by one script or transaction, before it is reported.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import redis

from config.settings import load
from ops.invariants.job import check_job
from ops.invariants.keys import (
    check_bulk,
    check_chunk,
    check_derived,
    check_idempotency,
    check_operation,
    check_queue_key,
    check_version,
    check_workers,
)
from ops.invariants.reader import PAGE, Job, Reader, pages, text
from ops.invariants.violation import Violation

__all__ = ["HOUSEKEEPING_SECONDS", "MOST", "find_violations"]

HOUSEKEEPING_SECONDS = 60.0

MOST = 1000
"""After so many violations the search ends."""

_INDEXES = {
    "jobs",
    "jobs.due",
    "jobs.ended",
    *(f"jobs.{s}" for s in "scheduled submitted complete failed cancelled".split()),
}
_INDEXES_OF_A_FIELD = {"jobs.analysis.": "analysis", "jobs.owner.": "owner", "jobs.unfinished.": "owner"}
_NO_VERSIONS = ("data.current", "data.folder", "data.owner")
_EXPIRING = ("session.", "rate:")


def find_violations(
    records: redis.Redis,
    queue: redis.Redis,
    queue_name: str = "queue",
    *,
    retention_seconds: float | None = None,
    housekeeping_seconds: float = HOUSEKEEPING_SECONDS,
) -> list[Violation]:
    """Verify the invariants and return the violations. Only reads; may be used on a live system.

    ``records`` is a client of ``REDIS_DB``, ``queue`` one of ``QUEUE_DB``, which may be the same number;
    ``retention_seconds`` is the workers' setting, None for that of the environment; ``housekeeping_seconds`` is how
    long due or expired jobs may stay while a worker is alive.
    """
    retention = load().retention_seconds if retention_seconds is None else retention_seconds
    found: dict[Violation, None] = {}
    for violation in _Search(Reader(records, queue, queue_name), retention, housekeeping_seconds).run():
        found[violation] = None
        if len(found) == MOST:
            break
    return list(found)


class _Search:
    def __init__(self, reader: Reader, retention_seconds: float, housekeeping_seconds: float) -> None:
        self._reader = reader
        self._retention = round(retention_seconds * 1e6)
        self._housekeeping = round(housekeeping_seconds * 1e6)
        self._late_since: int | None = None
        self._queued: Counter[str] = Counter()
        self._held: Counter[str] = Counter()
        self._retained: set[str] = set()
        self._candidates: dict[tuple[str, str], None] = {}

    def run(self) -> Iterator[Violation]:
        reader = self._reader
        self._note_lateness()
        self._note_places()
        self._first_pass([(jid, "") for jid in self._held])
        yield from check_workers(reader)
        versions = {text(reader.records.get("data.current"))}
        for keys in pages(reader.records.scan_iter(count=PAGE)):
            self._first_pass([(key[4:], "") for key in keys if key.startswith("job.")])
            for key in keys:
                if key.startswith("data.") and key.count(".") == 1 and key not in _NO_VERSIONS:
                    versions.add(key[5:])
                elif not key.startswith("job."):
                    yield from self._check_key(key)
        if not reader.in_one:
            for keys in pages(reader.queue.scan_iter(count=PAGE)):
                for key in keys:
                    yield from _known(key, check_queue_key(reader, key))
        yield from self._second_pass()
        for version in versions - {""}:
            yield from check_version(reader, version)
        yield from check_derived(reader)

    def _note_lateness(self) -> None:
        """Report late jobs only if a worker has been alive long enough to process them."""
        now = self._reader.now()
        late = now - self._housekeeping
        if any(began < late for began in self._reader.living_since(now)):
            self._late_since = late

    def _note_places(self) -> None:
        self._queued, self._held = self._reader.queued(), Counter(self._reader.held())
        self._retained = self._reader.retained()

    def _first_pass(self, wanted: list[tuple[str, str]]) -> None:
        for job in self._reader.jobs(wanted):
            queued, holders, retained = self._queued[job.id], self._held[job.id], int(job.id in self._retained)
            if any(self._check(job._replace(queued=queued, holders=holders, retained=retained))):
                self._candidates[job.id, job.found_in] = None

    def _second_pass(self) -> Iterator[Violation]:
        """Check suspected jobs again: first in pages, then the remaining ones one by one, each atomically."""
        candidates, self._candidates = list(self._candidates), {}
        if candidates:
            self._note_places()
            self._first_pass(candidates)
        for job in self._reader.jobs(list(self._candidates), deep=True):
            if job.has_results and job.results_attempt != str(job.number("attempt")):
                job = job._replace(results_attempt=self._read_attempt(job.id))
            yield from self._check(job)

    def _check(self, job: Job) -> Iterator[Violation]:
        yield from check_job(job)
        if self._late_since is not None and job.record is not None:
            ended = job.number("ended") or self._late_since
            if ended + self._retention < self._late_since:
                yield Violation(4, f"job.{job.id}", "past its retention, and not removed")
            if job.status == "scheduled" and job.scores.get("jobs.due", self._late_since) < self._late_since:
                yield Violation(4, f"job.{job.id}", "due, and not queued")

    def _read_attempt(self, jid: str) -> str:
        """Read the attempt from the field ``about`` of a large document, or from a small document; neither changes."""
        about, document = self._reader.records.hmget(f"results.{jid}", "about", "document")
        document = about or document
        try:
            return str(json.loads(document or "{}").get("attempt", ""))
        except (ValueError, AttributeError):
            return ""

    def _check_key(self, key: str) -> Iterator[Violation]:
        reader = self._reader
        kind, _, rest = key.partition(".")
        if kind in ("results", "log"):
            if not reader.records.exists(f"job.{rest}"):
                self._candidates[rest, ""] = None
        elif key in _INDEXES or key.startswith(tuple(_INDEXES_OF_A_FIELD)):
            self._find_strays(key)
        elif key.startswith(_EXPIRING):
            if reader.records.pttl(key) == -1:
                yield Violation(4, key, "does not expire")
        elif kind == "idempotency":
            yield from check_idempotency(reader, key)
        elif kind == "bulk":
            yield from check_bulk(reader, key, self._late_since)
        elif kind == "operation":
            yield from check_operation(reader, key)
        elif kind == "data":
            yield from check_chunk(reader, key) if key not in _NO_VERSIONS else ()
        elif key not in ("backup.last", "bulks", "operations", "queue.epoch", "jobs.retention"):
            yield from _known(key, check_queue_key(reader, key) if reader.in_one else None)

    def _find_strays(self, index: str) -> None:
        field, wanted = next(
            (
                (field, index.removeprefix(start))
                for start, field in _INDEXES_OF_A_FIELD.items()
                if index.startswith(start)
            ),
            ("analysis", None),
        )
        for ids in pages(jid for jid, _ in self._reader.records.zscan_iter(index, count=PAGE)):
            for jid, found in zip(ids, self._reader.field(ids, field), strict=True):
                if not found or wanted not in (None, found):
                    self._candidates[jid, index] = None


def _known(key: str, found: list[Violation] | None) -> list[Violation]:
    return [Violation(4, key, "a key that nobody knows")] if found is None else found
