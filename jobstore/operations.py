"""Operations: an action on all jobs that match some filters, in slices.

The process that works on an operation holds it by a lease that each slice renews; another process continues it once the
lease is over. A slice and the progress that it makes are one script, so that no job is acted on twice.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from jobstore.filters import Candidate, Filters
from jobstore.listing import MAX_WALKED, Stretch, read_records, walk
from jobstore.model import Status, rfc3339
from jobstore.scripts import Transitions, by_name

__all__ = ["Action", "Operation", "Operations"]

_SLICE = 100
_MAX_STRETCHES = 20
_NOTHING_LEFT = ("end", "")


class Action(StrEnum):
    """What an operation does to each job."""

    CANCEL = "cancel"
    RETRY = "retry"
    DELETE = "delete"


class Operation(NamedTuple):
    """The record of an operation. Its counts are about the jobs that were ``walked`` so far, of ``total``.

    ``status`` is `in progress`, `complete`, `failed` or `cancelled`; ``created`` and ``ended`` are microseconds.
    """

    id: str
    action: Action
    filters: Filters
    status: Status
    created: int
    ended: int | None
    owner: str | None
    role: str | None
    request_id: str
    fingerprint: str
    holder: str
    seen: tuple[str, str]
    walked: int
    total: int
    matched: int
    done: int
    skipped: int
    error: str | None

    def as_json(self) -> dict[str, Any]:
        """Return the operation as clients see it, without links."""
        filters = {name: value for name, value in self.filters._asdict().items() if value is not None}
        times = {name: rfc3339(round(filters[name] * 1e6)) for name in filters if name.startswith("created_")}
        walked = 1.0 if self.status is Status.COMPLETE else min(1.0, self.walked / max(1, self.total))
        return {
            "id": self.id,
            "action": self.action,
            "filters": filters | times,
            "status": self.status,
            "progress": round(walked, 3),
            **self.counts,
            "created": rfc3339(self.created),
            "ended": rfc3339(self.ended) if self.ended else None,
            "owner": self.owner,
            "error": self.error,
        }

    @property
    def counts(self) -> dict[str, int]:
        """How many jobs matched, and how many of them were done and skipped."""
        return {"matched": self.matched, "done": self.done, "skipped": self.skipped}


class Operations:
    """The operations in Redis, as ``holder`` works on them; ``lease`` is in microseconds."""

    def __init__(self, transitions: Transitions, holder: str, lease: str) -> None:
        self._transitions = transitions
        self._holder = holder
        self._lease = lease

    def start(self, action: Action, filters: Filters, about: Mapping[str, str], id: str = "") -> Operation:
        """Start an operation and hold it; return the present one if there is one of this ``id``.

        :param about: its ``owner``, ``role``, ``request_id`` and ``fingerprint``; an empty text is none.
        """
        given = {name: value for name, value in filters._asdict().items() if value is not None}
        fields = {"action": action, "filters": json.dumps(given), **about}
        words = [word for pair in fields.items() for word in pair]
        return self._run("start_operation", id or str(uuid.uuid4()), self._holder, self._lease, *words)

    def get(self, id: str) -> Operation | None:
        """Return an operation, None if there is none."""
        record: Any = self._transitions.client.hgetall(f"operation.{id}")
        return _operation(record) if record else None

    def claim(self) -> Operation | None:
        """Take over an operation that nobody works on, None if there is none."""
        answer = self._transitions.run("claim_operation", self._holder, self._lease)
        return _operation(by_name(answer)) if answer else None

    def is_held(self, operation: Operation) -> bool:
        """Return whether this process is to go on with the operation."""
        return operation.status is Status.IN_PROGRESS and operation.holder == self._holder

    def next_slice(self, operation: Operation) -> tuple[Stretch, list[Candidate]]:
        """Return the stretch of jobs that follows, and those of them that match: at most as many as one script acts on.

        While they are fewer, it walks on for a while, which is much shorter than a lease.
        """
        # Retries are created later, and are not caught.
        wanted = operation.filters.range(ascending=True)
        greatest = min(int(wanted.greatest or operation.created), operation.created)
        wanted = wanted._replace(greatest=str(greatest))
        fields = sorted({*operation.filters.fields, "owner", "started"})
        last, limit, walked, matched = operation.seen, _SLICE, 0, []
        for _ in range(_MAX_STRETCHES):
            found = walk(self._transitions, wanted, last, limit, fields)
            last, limit, walked = found.last, MAX_WALKED, walked + found.walked
            matched += [job for job in found.jobs if _covers(operation, job)]
            if not found.more or len(matched) >= _SLICE:
                break
        if len(matched) > _SLICE:
            last_job = matched[_SLICE - 1]
            share = (found.jobs.index(last_job) + 1) / len(found.jobs)
            walked -= found.walked - round(share * found.walked)
            found = found._replace(last=last_job.place, more=True)
        return found._replace(walked=walked), matched[:_SLICE]

    def advance(
        self, operation: Operation, stretch: Stretch, *, matched: int, done: int = 0, ids: Sequence[str] = ()
    ) -> Operation:
        """Cancel or delete the jobs ``ids`` and record the progress; return the operation as it is then.

        :param done: how many jobs of the stretch are done already; the others that matched are skipped.
        """
        action = "" if operation.action is Action.RETRY else operation.action
        last = stretch.last if stretch.last[0] else _NOTHING_LEFT
        counts = (int(stretch.more), stretch.walked, max(operation.total, stretch.total or 0), matched, done)
        status = operation.filters.status or ""
        held = (operation.id, self._holder, self._lease, *operation.seen, *last)
        return self._run("advance_operation", *held, *counts, action, status, *ids)

    def release(self, operation: Operation) -> None:
        """Let any process go on with the operation."""
        self._transitions.client.zadd("operations", {operation.id: 0}, xx=True)

    def end(self, id: str, status: Status, error: str = "") -> Operation | None:
        """End an operation unless it has ended; return it, None if there is none."""
        answer = self._transitions.run("end_operation", id, status, error)
        return _operation(by_name(answer)) if answer else None

    def forget(self, operation: Operation) -> None:
        """Delete the record of an operation that has ended."""
        self._transitions.client.unlink(f"operation.{operation.id}")

    def read_jobs(self, ids: Sequence[str]) -> list[dict[bytes, bytes]]:
        """Return the records of these jobs, an empty one for a job that is gone."""
        records: list[dict[bytes, bytes]] = []
        while len(records) < len(ids):
            records += read_records(self._transitions, list(ids[len(records) :]), None)
        return records

    def find_jobs(self, ids: Iterable[str]) -> set[str]:
        """Return which of these jobs exist."""
        asked = list(ids)
        pipeline = self._transitions.client.pipeline(transaction=False)
        for jid in asked:
            pipeline.exists(f"job.{jid}")
        return {jid for jid, exists in zip(asked, pipeline.execute(), strict=True) if exists}

    def _run(self, name: str, *arguments: Any) -> Operation:
        return _operation(by_name(self._transitions.run(name, *arguments)))


def _covers(operation: Operation, job: Candidate) -> bool:
    """Return whether the operation is about a job: it matches, and was running at the start if that is a condition."""
    if not operation.filters.matches(job):
        return False
    # A worker that is rid of its job takes the next one: that would be cancelled as well.
    return operation.filters.status != Status.IN_PROGRESS or int(job.started or 0) < operation.created


def _operation(record: Mapping[Any, bytes | int]) -> Operation:
    texts = {
        key if isinstance(key, str) else key.decode(): str(value) if isinstance(value, int) else value.decode()
        for key, value in record.items()
    }
    return Operation(
        id=texts["id"],
        action=Action(texts["action"]),
        filters=Filters(**json.loads(texts["filters"])),
        status=Status(texts["status"]),
        created=int(texts["created"]),
        ended=int(texts["ended"]) if "ended" in texts else None,
        owner=texts["owner"] or None,
        role=texts["role"] or None,
        request_id=texts["request_id"],
        fingerprint=texts["fingerprint"],
        holder=texts["holder"],
        seen=(texts["seen_created"], texts["seen_id"]),
        **{name: int(texts[name]) for name in ("walked", "total", "matched", "done", "skipped")},
        error=texts.get("error"),
    )
