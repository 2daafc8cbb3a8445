"""Reads jobs, workers and the dataset from Redis: in pages, so that no call takes long, or atomically. Never writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import redis

__all__ = ["PAGE", "Job", "Reader", "pages", "text"]

PAGE = 100
"""How many jobs or keys one call reads: a few milliseconds of the server's time."""

_RECORD = (
    "status id created analysis priority worker attempt failed_attempts max_attempts dataset ended charged owner"
).split()
_INDEXES = ("jobs", "jobs.scheduled", "jobs.submitted", "jobs.complete", "jobs.failed", "jobs.cancelled")
_LISTED = 1000
_PINNING_AT_ONCE = 5_000


class Job(NamedTuple):
    """The keys of one job, read atomically."""

    id: str
    record: dict[str, str] | None
    """Those fields that the record has, of those that matter here; None where there is no record."""
    scores: dict[str, int]
    """By index that it stands in: its creation, its due time in `jobs.due`; its end in `jobs.ended`, where workers of
    older releases put it."""
    found_in: str
    """The index that it was found in, which is among those of `scores` if it still is."""
    has_results: bool
    results_attempt: str
    has_log: bool
    has_dataset: bool
    """Whether the version of the dataset that it names is kept."""
    worker_lives: bool
    worker_holds: list[str]
    """The first two jobs that the worker of the record holds."""
    queued: int
    """The number of its entries in the queues and among what workers have reserved; -1 if they were not counted."""
    holders: int
    """The number of workers that hold it; -1 if they were not counted."""
    retained: int
    """Whether it is in the list of the ended jobs; -1 if that was not searched."""

    @property
    def status(self) -> str:
        return (self.record or {}).get("status", "")

    def number(self, name: str) -> int:
        """Return a number of the record, 0 if it is missing."""
        return int((self.record or {}).get(name, "") or 0)


class Reader:
    """The two databases of one server."""

    def __init__(self, records: redis.Redis, queue: redis.Redis, queue_name: str) -> None:
        self.records, self.queue = records, queue
        self.waiting = f"hotqueue:{queue_name}"
        own = "" if queue_name == "queue" else f"{self.waiting}."
        self.workers, self.worker = f"{own}workers", f"{own}worker."
        home, there = (client.connection_pool.connection_kwargs.get("db", 0) for client in (records, queue))
        self.in_one = home == there
        self._opening = [home, home, there, self.waiting]
        self._look, self._pins = (
            records.register_script((Path(__file__).parent / f"{name}.lua").read_text("utf-8"))
            for name in ("read_jobs", "read_pins")
        )

    def jobs(self, wanted: Sequence[tuple[str, str]], *, deep: bool = False) -> Iterator[Job]:
        """Read jobs by id and the index in which each was found; ``deep`` searches all queues and workers too."""
        left = list(wanted)
        while left:
            size = 1 if deep else PAGE
            words = [word for pair in left[:size] for word in pair]
            seen: Any = self._look(args=[*self._opening, int(deep), *words])
            del left[: len(seen)]
            yield from map(_job, seen)

    def pins(self, version: str) -> tuple[int, int] | None:
        """Return the pins of a version and the number of unfinished jobs that hold it; None if unknown."""
        pins, holders = map(int, self._once(version))
        return (pins, holders) if holders >= 0 else self._count_pinning(version)

    def queued(self) -> Counter[str]:
        """Count each id in the queues and among what workers reserved, in pages: jobs that move can be missed."""
        reserving: Any = self.queue.smembers(f"{self.waiting}.reserving")
        pipeline = self.queue.pipeline(transaction=False)
        for worker in reserving:
            pipeline.lrange(f"{self.waiting}:{text(worker)}.reserved", 0, -1)
        count: Counter[str] = Counter(text(jid) for ids in pipeline.execute() for jid in ids)
        for suffix in (".high", "", ".low"):
            at = 0
            while ids := list_of(self.queue, self.waiting + suffix, at, at + _LISTED - 1):
                count.update(ids)
                at += len(ids)
        return count

    def retained(self) -> set[str]:
        """Return the ids in the list of the ended jobs, read in pages."""
        found: set[str] = set()
        at = 0
        while ids := list_of(self.records, "jobs.retention", at, at + _LISTED - 1):
            found.update(ids)
            at += len(ids)
        return found

    def held(self) -> list[str]:
        """Return the jobs that the registered workers hold."""
        workers = [text(worker) for worker in _any(self.queue.zrange(self.workers, 0, -1))]
        pipeline = self.queue.pipeline(transaction=False)
        for worker in workers:
            pipeline.lrange(f"{self.waiting}:{worker}", 0, -1)
        return [text(jid) for ids in pipeline.execute() for jid in ids]

    @cached_property
    def _others(self) -> set[str]:
        """Return the keys of other queues in the same database."""
        found = {text(key).removesuffix(".epoch") for key in self.queue.scan_iter("hotqueue:*.epoch", count=PAGE)}
        return found - {self.waiting}

    def is_of_another_queue(self, key: str) -> bool:
        """Return whether a key belongs to another queue in the same database."""
        if "hotqueue:queue" in self._others and (key == "workers" or key.startswith("worker.")):
            return True
        return any(key == name or key.startswith((f"{name}.", f"{name}:")) for name in self._others)

    def field(self, ids: Sequence[str], name: str) -> list[str]:
        """Return a field of each job's record, '' if it is missing."""
        return [value for (value,) in self._fields([f"job.{jid}" for jid in ids], name)]

    def living_since(self, now: int) -> list[int]:
        """Return the earliest registration, in microseconds, of workers with a valid lease."""
        workers = _any(self.queue.zrangebyscore(self.workers, now, "+inf", start=0, num=PAGE))
        pipeline = self.queue.pipeline(transaction=False)
        for worker in workers:
            pipeline.hget(f"{self.worker}{text(worker)}", "since")
        return [int(since) for since in pipeline.execute() if since is not None]

    def now(self) -> int:
        """Return the time of Redis' clock, in microseconds."""
        seconds, microseconds = _any(self.records.time())
        return int(seconds) * 1_000_000 + int(microseconds)

    def _once(self, version: str) -> list[Any]:
        found: Any = self._pins(args=[*self._opening, version, _PINNING_AT_ONCE])
        return [found[0] or 0, found[1]]

    def _count_pinning(self, version: str) -> tuple[int, int] | None:
        """Count in all records, in pages. Adding or ending a job of this version changes the version's key, so the
        count is consistent if the key did not change."""
        key = f"data.{version}"
        with self.records.pipeline() as watching:
            watching.watch(key, "bulks")  # type: ignore[no-untyped-call]
            if watching.exists("bulks"):
                return None
            pins = self._job_pins(key)
            holders: set[str] = set()
            for keys in pages(self.records.scan_iter("job.*", count=PAGE)):
                for name, (status, dataset) in zip(keys, self._fields(keys, "status", "dataset"), strict=True):
                    if dataset == version and status in ("scheduled", "submitted", "in progress"):
                        holders.add(name)
                if self._job_pins(key) != pins:
                    return None
            try:
                watching.multi()
                watching.exists(key)
                watching.execute()
            except redis.WatchError:
                return None
        return pins, len(holders)

    def _job_pins(self, key: str) -> int:
        """Return the pins of a version without those of the versions that are derived from it."""
        pins, derived = _any(self.records.hmget(key, "pins", "derived"))
        return int(pins or 0) - int(derived or 0)

    def _fields(self, keys: Sequence[str], *names: str) -> list[list[str]]:
        pipeline = self.records.pipeline(transaction=False)
        for key in keys:
            pipeline.hmget(key, names)
        return [[text(value) for value in values] for values in pipeline.execute()]


def pages(found: Iterable[Any]) -> Iterator[list[str]]:
    """Yield keys or ids as text, in pages."""
    page = []
    for one in found:
        page.append(text(one))
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page


def list_of(client: redis.Redis, key: str, first: int, last: int) -> list[str]:
    return [text(one) for one in _any(client.lrange(key, first, last))]


def text(value: Any) -> str:
    """Return a reply of Redis as text; '' for None."""
    if value is None:
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _any(answer: Any) -> Any:
    return answer


def _job(seen: list[Any]) -> Job:
    (
        jid,
        index,
        kept,
        fields,
        scores,
        analysis,
        owned,
        pending,
        stray,
        due,
        ended,
        results,
        attempt,
        log,
        loaded,
        lives,
        holds,
        *places,
    ) = seen
    record = {name: text(value) for name, value in zip(_RECORD, fields, strict=True) if value is not None}
    standing = dict(zip(_INDEXES, scores, strict=True)) | {"jobs.due": due, "jobs.ended": ended}
    standing[f"jobs.analysis.{record.get('analysis', '')}"] = analysis
    standing[f"jobs.owner.{record.get('owner', '')}"] = owned
    standing[f"jobs.unfinished.{record.get('owner', '')}"] = pending
    if text(index):
        standing[text(index)] = stray
    return Job(
        id=text(jid),
        record=record if kept else None,
        scores={name: int(float(score)) for name, score in standing.items() if score is not None},
        found_in=text(index),
        has_results=bool(results),
        results_attempt=text(attempt),
        has_log=bool(log),
        has_dataset=bool(loaded),
        worker_lives=lives is not None,
        worker_holds=[text(one) for one in holds],
        queued=places[0],
        holders=places[1],
        retained=places[2],
    )
