"""Adds jobs: a few in one call, many staged in slices, accepted by one short call, and published slice by slice.

A staged slice is invisible and expires. Once accepted, a bulk is published by the process that added it, or by the
workers' housekeeping if that process dies.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

from jobstore.model import Records
from jobstore.scripts import Transitions

__all__ = ["Terms", "add", "publish"]

_SLICE_JOBS = 200
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


def add(transitions: Transitions, terms: Terms, records: Records) -> list[Any]:
    """Add jobs; return the answer of the script."""
    common, rows = records
    width = len(rows[0])
    slices = list(_slices(rows))
    if len(slices) == 1:
        return transitions.run("add", *terms, width, len(common), *common, *_flat(rows))
    bulk = str(uuid.uuid4())
    staged = {f"bulk.{bulk}.{n}": [str(first), *common, *_flat(part)] for n, (first, part) in enumerate(slices)}
    transitions.stage(staged, _STAGED_SECONDS)
    pinned = sum(row[_DATASET] != "" for row in rows)
    ids = " ".join(row[0] for row in rows)
    answer = transitions.run("accept", *terms, bulk, len(slices), len(rows), pinned, width, len(common), ids)
    if answer[0] == b"added":
        publish(transitions, bulk)
    else:
        transitions.client.unlink(*staged)
    return answer


def publish(transitions: Transitions, bulk: str) -> None:
    """Store and queue the remaining jobs of an accepted bulk."""
    while transitions.run("publish", bulk)[2]:
        pass


def _slices(rows: Sequence[tuple[str, ...]]) -> Iterator[tuple[int, Sequence[tuple[str, ...]]]]:
    """Yield the jobs in slices that take little time to store, each with the position of its first job."""
    first = size = 0
    for n, row in enumerate(rows):
        its_size = sum(map(len, row))
        if n > first and (n - first == _SLICE_JOBS or size + its_size > _SLICE_BYTES):
            yield first, rows[first:n]
            first, size = n, 0
        size += its_size
    yield first, rows[first:]


def _flat(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    return chain.from_iterable(rows)
