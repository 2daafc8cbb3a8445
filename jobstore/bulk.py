"""Adds jobs: a few in one call, many staged in slices, accepted by one short call, and published slice by slice.

A staged slice is invisible and expires. Once accepted, a bulk is published by the process that added it, or by the
workers' housekeeping if that process dies.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from jobstore.scripts import Transitions

__all__ = ["Terms", "add", "publish"]

_SLICE_JOBS = 100
_SLICE_BYTES = 2**20
_STAGED_SECONDS = 600
_DATASET = 5


class Terms(NamedTuple):
    """The conditions of *add*: the dataset version of the validation, the hash of the idempotency key and the body's
    fingerprint (``""`` for none), the key's lifetime in seconds, the most unfinished jobs, the owner (``""`` for none)
    and the most unfinished jobs of that owner (0 for no limit)."""

    version: str
    idempotency: str
    fingerprint: str
    seconds: int
    most: int
    owner: str
    quota: int


def add(transitions: Transitions, terms: Terms, records: Sequence[list[Any]]) -> list[Any]:
    """Add jobs, given as the arguments of ``includes/store_jobs.lua``; return the answer of the script."""
    width = len(records[0])
    slices = list(_slices(records))
    if len(slices) == 1:
        return transitions.run("add", *terms, width, *_flat(records))
    bulk = str(uuid.uuid4())
    staged = [f"bulk.{bulk}.{n}" for n in range(len(slices))]
    for key, (first, slice_) in zip(staged, slices, strict=True):
        transitions.stage(key, [first, *_flat(slice_)], _STAGED_SECONDS)
    pinned = sum(record[_DATASET] != "" for record in records)
    ids = " ".join(record[0] for record in records)
    answer = transitions.run("accept", *terms, bulk, len(slices), len(records), pinned, width, ids)
    if answer[0] == b"added":
        publish(transitions, bulk)
    else:
        transitions.client.unlink(*staged)
    return answer


def publish(transitions: Transitions, bulk: str) -> None:
    """Store and queue the remaining jobs of an accepted bulk."""
    while transitions.run("publish", bulk)[2]:
        pass


def _slices(records: Sequence[list[Any]]) -> Iterator[tuple[int, Sequence[list[Any]]]]:
    """Yield the records in slices that take little time to store, each with the position of its first record."""
    first = size = 0
    for n, record in enumerate(records):
        its_size = sum(len(word) for word in record if isinstance(word, str))
        if n > first and (n - first == _SLICE_JOBS or size + its_size > _SLICE_BYTES):
            yield first, records[first:n]
            first, size = n, 0
        size += its_size
    yield first, records[first:]


def _flat(records: Sequence[list[Any]]) -> list[Any]:
    return [word for record in records for word in record]
