"""The invariants of keys that do not belong to one job: they have an owner and agree with the jobs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from ops.invariants.reader import Reader, list_of, text
from ops.invariants.violation import Violation

__all__ = [
    "check_bulk",
    "check_chunk",
    "check_derived",
    "check_idempotency",
    "check_operation",
    "check_queue_key",
    "check_version",
    "check_workers",
]

_EXISTS_AT_ONCE = 1000
_RESERVED = ".reserved"
_TRIES = 20
_GONE, _FOR_EVER = -2, -1
_VERSION = re.compile(r"data\.(?!(current|owner|folder)$)[^.]+")


def check_idempotency(reader: Reader, key: str) -> Iterator[Violation]:
    """Check that an idempotency key expires, and not before its jobs."""
    ids = text(reader.records.hget(key, "jobs")).split()
    with reader.records.pipeline() as moment:
        moment.hget(key, "left")
        moment.pttl(key)
        moment.zscore("bulks", text(reader.records.hget(key, "bulk")))
        for at in range(0, len(ids), _EXISTS_AT_ONCE):
            moment.exists(*(f"job.{jid}" for jid in ids[at : at + _EXISTS_AT_ONCE]))
        left, lives, unpublished, *kept = moment.execute()
    if lives == -2 or unpublished is not None:
        return
    if lives == -1:
        yield Violation(4, key, "an idempotency key that lives for ever")
    if text(left) != str(sum(kept)) or not sum(kept):
        yield Violation(4, key, f"counts {text(left) or 'no'} jobs as left, and {sum(kept)} are")


def check_version(reader: Reader, version: str) -> Iterator[Violation]:
    """Check that a version is complete, current or pinned, and has as many pins as unfinished jobs."""
    key = f"data.{version}"
    chunks = int(text(reader.records.hget(key, "chunks")) or 0)
    base = text(reader.records.hget(key, "base"))
    with reader.records.pipeline() as moment:
        moment.get("data.current")
        moment.exists(key)
        moment.hmget(key, "description", "chunks", "pins", "base", "changes")
        moment.llen(f"data.{base}.changes")
        for n in range(chunks):
            moment.pttl(f"{key}.{n}")
        current, kept, fields, listed, *lives = moment.execute()
    is_current = text(current) == version
    if not kept:
        if is_current:
            yield Violation(4, "data.current", f"names version {version}, which is not kept")
        return
    description, counted, pins, has_base, changes = map(text, fields)
    if has_base and has_base == base and int(changes or 0) > listed:
        yield Violation(4, key, f"has {changes} changes to {base}, of which {listed} are kept")
    if not description or not (counted or has_base):
        yield Violation(4, key, "a version of the dataset without its description")
    if any(life != -1 for life in lives) and int(counted or 0) == chunks:
        yield Violation(4, key, "chunks of this version are gone, or will be")
    if not is_current and int(pins or 0) <= 0:
        yield Violation(4, key, f"neither current nor pinned, with {pins or 'no'} pins")
    if (agreed := reader.pins(version)) and agreed[0] != agreed[1]:
        yield Violation(4, key, f"{agreed[0]} pins, and {agreed[1]} unfinished jobs hold it")


def check_derived(reader: Reader) -> Iterator[Violation]:
    """Check that each version counts those that are derived from it; read again while records change."""
    for left in range(_TRIES - 1, -1, -1):
        keys = sorted(key for key in map(text, reader.records.scan_iter("data.*")) if _VERSION.fullmatch(key))
        with reader.records.pipeline() as moment:
            moment.get("data.current")
            for key in keys:
                moment.hmget(key, "base", "derived", "pins")
            current, *fields = moment.execute()
        bases = Counter(f"data.{text(base)}" for base, _, _ in fields)
        wrong = [
            Violation(4, key, f"counts {text(derived) or 'no'} versions that are derived from it, and {bases[key]} are")
            for key, (_, derived, pins) in zip(keys, fields, strict=True)
            if pins is not None and int(derived or 0) != bases[key]
        ]
        if not wrong or (not left and (not current or f"data.{text(current)}" in keys)):
            yield from wrong
            return


def check_chunk(reader: Reader, key: str) -> Iterator[Violation]:
    """Check that a chunk expires or belongs to a version, and a list of changes to one that others are derived from."""
    version, _, number = key.removeprefix("data.").partition(".")
    with reader.records.pipeline() as moment:
        moment.pttl(key)
        moment.hmget(f"data.{version}", "chunks", "derived")
        life, (counted, derived) = moment.execute()
    if number == "changes":
        if life == -1 and int(derived or 0) <= 0:
            yield Violation(4, key, "changes that no version needs")
        return
    has_place = counted is not None and number.isdigit() and int(number) < int(counted)
    if life == -1 and not has_place:
        yield Violation(4, key, "a chunk of no version")


def check_bulk(reader: Reader, key: str, late_since: int | None) -> Iterator[Violation]:
    """Check that a bulk is staged and expires, or is accepted and published soon."""
    bulk = key.split(".")[1]
    with reader.records.pipeline() as moment:
        moment.pttl(key)
        moment.zscore("bulks", bulk)
        life, accepted = moment.execute()
    if life == -1 and accepted is None:
        yield Violation(4, key, "of a bulk that was not accepted, and does not expire")
    elif accepted is not None and late_since is not None and accepted < late_since:
        yield Violation(1, key, "of a bulk that was accepted, and is not queued")


def check_operation(reader: Reader, key: str) -> Iterator[Violation]:
    """Check that an operation is in progress and worked on, or has ended and expires."""
    with reader.records.pipeline() as moment:
        moment.pttl(key)
        moment.hget(key, "status")
        moment.zscore("operations", key.split(".")[1])
        life, status, lease = moment.execute()
    runs = text(status) == "in progress"
    if life != _GONE and (runs != (lease is not None) or runs != (life == _FOR_EVER)):
        yield Violation(4, key, f"{text(status) or 'no status'}, and {'kept' if life == _FOR_EVER else 'expires'}")


def check_queue_key(reader: Reader, key: str) -> list[Violation] | None:
    """Return the violations of a key of the queue or its workers; None for other keys."""
    suffixes = ("", ".high", ".low", ".wake", ".reserving", ".epoch", ".repair", ".totals", ".housekeeper", ".stops")
    own = {reader.workers, *(reader.waiting + suffix for suffix in suffixes)}
    if key in own or key.startswith(f"{reader.waiting}.rate."):
        return []
    for start in (reader.worker, f"{reader.waiting}:"):
        if key.startswith(start):
            return list(_check_workers_key(reader, key, key.removeprefix(start).removesuffix(_RESERVED)))
    return [] if reader.is_of_another_queue(key) else None


def check_workers(reader: Reader) -> Iterator[Violation]:
    """Check that each registered worker has a host and a process, and holds at most one job."""
    workers: Any = reader.queue.zrange(reader.workers, 0, -1)
    for worker in map(text, workers):
        with reader.queue.pipeline() as moment:
            moment.zscore(reader.workers, worker)
            moment.hmget(f"{reader.worker}{worker}", "host", "pid", "since")
            registered, about = moment.execute()
        if registered is not None and None in about:
            yield Violation(4, f"{reader.worker}{worker}", "registered, and nothing tells where it runs")


def _check_workers_key(reader: Reader, key: str, worker: str) -> Iterator[Violation]:
    with reader.queue.pipeline() as moment:
        moment.exists(key)
        moment.zscore(reader.workers, worker)
        kept, registered = moment.execute()
    if kept and registered is None:
        yield Violation(4, key, "its worker is not registered")
    if key.endswith(_RESERVED):
        return
    if key.startswith(f"{reader.waiting}:") and len(held := list_of(reader.queue, key, 0, -1)) > 1:
        yield Violation(1, key, f"a worker holds {len(held)} jobs: {held[:3]}")
