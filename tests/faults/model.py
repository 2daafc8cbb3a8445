"""A model of the transitions in plain Python, with which the real ones are compared.

One method per transition, with its arguments; each returns the value that Redis must return. Times are seconds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from jobs import Submission

LEASE = 15.0
RETENTION = 1000.0
KEY_LIVES = 300.0
UNKNOWN_TIMEOUT = 600.0
MOST = 16
QUOTA = 5
FINAL = ("complete", "failed", "cancelled")


@dataclass
class Job:
    """One job; `due` while it is scheduled, `ended` and its place in the order of ends once it has ended."""

    id: str
    asked: Submission
    key: str
    created: tuple[int, int]
    status: str = "submitted"
    worker: str | None = None
    attempt: int = 0
    charged: int = 0
    due: float | None = None
    started: float = 0.0
    ended: float | None = None
    ended_as: int = 0
    message: str | None = None
    reason: str | None = None
    unknown_since: float | None = None
    results: int | None = None
    logs: dict[str, str] = field(default_factory=dict)


@dataclass
class Worker:
    deadline: float
    held: str | None = None
    stop: str = ""
    reserved: list[str] = field(default_factory=list)


@dataclass
class Key:
    fingerprint: str
    ids: list[str]
    left: int
    until: float
    bulk: str = ""


@dataclass
class Bulk:
    """Accepted jobs that are not stored yet, in slices; `first` is the position of the first one by creation."""

    slices: list[list[tuple[str, Submission]]]
    key: str
    accepted: int
    published: int = 0

    @property
    def left(self) -> int:
        return sum(map(len, self.slices))


class Model:
    """The whole state."""

    def __init__(self) -> None:
        self.now = 0.0
        self.jobs: dict[str, Job] = {}
        self.queues: dict[str, list[str]] = {"high": [], "normal": [], "low": []}
        self.workers: dict[str, Worker] = {}
        self.keys: dict[str, Key] = {}
        self.pins: dict[str, int] = {}
        self.current: str | None = None
        self.staged: dict[str, int] = {}
        self.bulks: dict[str, Bulk] = {}
        self._created = self._ends = 0

    def deadlines(self) -> list[float]:
        """Return the times at which something changes without a transition."""
        found = [worker.deadline for worker in self.workers.values()]
        found += [key.until for key in self.keys.values()]
        for job in self.jobs.values():
            found += [job.due, job.due - 1] if job.due is not None else []
            found += [job.ended + RETENTION] if job.ended is not None else []
            found += [job.started + job.asked.timeout] if job.status == "in progress" else []
            found += [job.unknown_since + UNKNOWN_TIMEOUT] if job.unknown_since is not None else []
        return found

    def pass_time(self, now: float) -> None:
        self.now = now
        self.keys = {name: key for name, key in self.keys.items() if key.until > now}

    # ------------------------------------------------------------------------------------------- clients

    def listed(self) -> list[str]:
        """Return all jobs by creation."""
        return sorted(self.jobs, key=lambda jid: self.jobs[jid].created)

    def unfinished(self) -> list[str]:
        """Return the jobs that have not ended, by creation."""
        return [jid for jid in self.listed() if self.jobs[jid].status not in FINAL]

    def unfinished_of(self, owner: str | None) -> list[str]:
        """Return the stored jobs of an owner that have not ended, by creation."""
        return [
            jid for jid in self.listed() if (job := self.jobs[jid]).asked.owner == owner and job.status not in FINAL
        ]

    def add(self, asked: list[tuple[str, Submission]], key: str, fingerprint: str) -> list[Any]:
        if key and key in self.keys:
            return self._replay(key)
        if any(jid in self.jobs for jid, _ in asked):
            return ["there"]
        if refusal := self._refuse(asked):
            return refusal
        self._accept(asked, key, fingerprint, "")
        for position, (jid, submission) in enumerate(asked):
            self._store(jid, submission, key, (self._created, position))
        return ["added"]

    def accept(self, bulk: str, slices: list[list[tuple[str, Submission]]], key: str, fingerprint: str) -> list[Any]:
        if key and key in self.keys:
            return self._replay(key)
        if bulk in self.bulks:
            return ["added"]
        if bulk not in self.staged:
            return ["gone"]
        asked = [one for slice_ in slices for one in slice_]
        if refusal := self._refuse(asked):
            return refusal
        self._accept(asked, key, fingerprint, bulk)
        self.bulks[bulk] = Bulk(list(slices), key, self._created)
        del self.staged[bulk]
        return ["added"]

    def publish(self, bulk: str) -> list[Any]:
        bulk = bulk or next(iter(self.bulks), "")
        if bulk not in self.bulks:
            return ["published", 0, 0]
        known = self.bulks[bulk]
        slice_ = known.slices.pop(0)
        for jid, submission in slice_:
            self._store(jid, submission, known.key, (known.accepted, known.published))
            known.published += 1
        if not known.slices:
            del self.bulks[bulk]
        return ["published", len(slice_), known.left]

    def cancel(self, jid: str) -> list[Any]:
        job = self.jobs.get(jid)
        if job is None:
            return ["unknown"]
        if job.status in ("complete", "failed"):
            return ["ended"]
        if job.status != "cancelled":
            if job.status == "in progress":
                self.workers[job.worker].held = None
                self.workers[job.worker].stop = f"{jid} {job.attempt}"
            self._end(job, "cancelled")
        return ["cancelled"]

    def delete(self, jid: str) -> list[Any]:
        job = self.jobs.get(jid)
        if job is None:
            return ["unknown"]
        if job.status not in FINAL:
            return ["unfinished"]
        self._delete_job(job)
        return ["deleted"]

    def put(self, *ids: str) -> list[Any]:
        for jid in ids:
            job = self.jobs.get(jid)
            if job is not None and job.status == "submitted":
                self._unqueue(jid)
                self.queues[job.asked.priority].append(jid)
        return ["put"]

    def push(self, *ids: str) -> list[Any]:
        """Push an id as a plain HotQueue does."""
        self.queues["normal"].extend(ids)
        return ["pushed"]

    # ------------------------------------------------------------------------------------------- workers

    def register(self, worker: str) -> list[Any]:
        there = self.workers.setdefault(worker, Worker(0))
        there.deadline = self.now + LEASE
        return ["registered"]

    def renew(self, *workers: str) -> list[Any]:
        held = [self._renew(worker) for worker in workers]
        expired = [worker for worker, known in self.workers.items() if known.deadline < self.now]
        return [sorted(expired), held, self._due_scripts()]

    def _due_scripts(self) -> list[str]:
        due = any(job.due is not None and job.due <= self.now + 1 for job in self.jobs.values())
        old = any(job.ended is not None and job.ended + RETENTION <= self.now for job in self.jobs.values())
        return ["promote"] * due + ["purge"] * old

    def _renew(self, worker: str) -> list[Any]:
        known = self.workers.get(worker)
        if known is None:
            return ["gone"]
        known.deadline = self.now + LEASE
        if known.held is None:
            return ["held", {"id": "", "attempt": "", "left": 0, "stop": known.stop}]
        job = self.jobs[known.held]
        late = int(self.now > job.started + job.asked.timeout)
        return ["held", {"id": job.id, "attempt": str(job.attempt), "left": late, "stop": known.stop}]

    def claim(self, worker: str, most: int) -> list[Any]:
        known = self.workers.get(worker)
        if known is None:
            return ["gone"]
        if known.held is not None:
            return ["job", [self._claimed(self.jobs[known.held]), *self._reserve(worker, most, known.reserved)]]
        while (jid := self._next(worker)) is not None:
            if self._waits(jid):
                return self._start_any(jid, worker, most)
        return ["none"]

    def finish(self, worker: str, jid: str, attempt: str, log: str) -> list[Any]:
        job = self.jobs.get(jid)
        if job is None or job.worker != worker or str(job.attempt) != attempt:
            return ["refused"]
        if job.status != "in progress":
            return ["complete" if job.status == "complete" else "refused"]
        self.workers[worker].held = None
        self._end(job, "complete")
        job.results = job.attempt
        job.logs[attempt] = log
        return ["complete"]

    def finish_claim(
        self, worker: str, jid: str, attempt: str, log: str, most: int, following: str, next_attempt: str
    ) -> list[Any]:
        before = self.jobs.get(jid)
        held = before is not None and before.status == "in progress"
        answer = self.finish(worker, jid, attempt, log)
        if following:
            return [*answer, *self._start_reserved(worker, most, following, next_attempt)]
        if not (held and answer == ["complete"]):
            return [*answer, "again"]
        jid = self._next(worker)
        if jid is None:
            return ["complete", "none"]
        return ["complete", *(self._start_any(jid, worker, most) if self._waits(jid) else ["again"])]

    def finish_collected(
        self, worker: str, most: int, following: str, next_attempt: str, *ended: tuple[str, str]
    ) -> list[Any]:
        known = self.workers.get(worker, Worker(0))
        refused = [f"{jid} {attempt}" for jid, attempt in ended if not self._collects(known, worker, jid, attempt)]
        if following:
            return [refused, *self._start_reserved(worker, most, following, next_attempt)]
        return [refused, "none", self._reserve(worker, most, [])]

    def _collects(self, known: Worker, worker: str, jid: str, attempt: str) -> bool:
        """Complete a job that the worker holds or has reserved first; return whether it is complete by this worker."""
        job = self.jobs.get(jid)
        if job is not None and known.reserved[:1] == [jid] and self._waits(jid) and str(job.attempt + 1) == attempt:
            known.reserved.pop(0)
            job.worker, job.attempt = worker, job.attempt + 1
        elif self._holds(worker, jid, attempt):
            known.held = None
        else:
            if known.reserved[:1] == [jid] and not self._waits(jid):
                known.reserved.pop(0)
            return job is not None and (job.status, job.worker, str(job.attempt)) == ("complete", worker, attempt)
        self._end(job, "complete")
        job.results = job.attempt
        return True

    def unreserve(self, worker: str, is_lost: bool = False) -> list[Any]:
        known = self.workers.get(worker, Worker(0))
        ids, known.reserved = [jid for jid in known.reserved if self._waits(jid)], []
        for jid in reversed(ids):
            self.queues[self.jobs[jid].asked.priority].insert(0, jid)
            self.jobs[jid].attempt += is_lost
        return ["unreserved", len(ids)]

    def release(self, worker: str, jid: str, attempt: str, why: str, log: str) -> list[Any]:
        if not self._holds(worker, jid, attempt):
            return ["refused"]
        job = self.jobs[jid]
        self._give_back(job, why)
        job.logs[attempt] = log
        return [job.status]

    def report(self, worker: str, jid: str, attempt: str, message: str) -> list[Any]:
        if not self._holds(worker, jid, attempt):
            return ["refused"]
        self.jobs[jid].message = message
        return ["noted"]

    def deregister(self, worker: str, why: str, jid: str, attempt: str, expired: int) -> list[Any]:
        known = self.workers.get(worker)
        if known is None:
            return ["deregistered", ""]
        if expired and known.deadline > self.now:
            return ["alive"]
        self.unreserve(worker, is_lost=bool(expired))
        if known.held is not None:
            job = self.jobs[known.held]
            meant = not jid or (jid, attempt) == (job.id, str(job.attempt))
            self._give_back(job, why if meant else "drain")
            del self.workers[worker]
            return ["deregistered", job.id]
        del self.workers[worker]
        return ["deregistered", ""]

    # -------------------------------------------------------------------------------------- housekeeping

    def promote(self, most: int, jid: str) -> list[Any]:
        if jid:
            due = [job for job in self.jobs.values() if job.id == jid and job.status == "scheduled"]
        else:
            due = [job for job in self.jobs.values() if job.due is not None and job.due <= self.now]
            due = sorted(due, key=lambda job: (job.due, job.id))[:most]
        for job in due:
            job.status, job.due = "submitted", None
            self.queues[job.asked.priority].append(job.id)
        return ["promoted", len(due)]

    def lose_queue(self) -> None:
        """Delete the queue's database, and repair it from the records."""
        running = [jid for jid in self.listed() if self.jobs[jid].status == "in progress"]
        for jid in running:
            self._give_back(self.jobs[jid], "drain")
        self.workers = {}
        self.queues = {priority: [] for priority in self.queues}
        for jid in self.listed():
            job = self.jobs[jid]
            if job.status == "submitted":
                queue = self.queues[job.asked.priority]
                queue.insert(0 if jid in running else len(queue), jid)

    def purge(self, most: int) -> list[Any]:
        old = [job for job in self.jobs.values() if job.ended is not None and job.ended + RETENTION <= self.now]
        old = sorted(old, key=lambda job: job.ended_as)[:most]
        for job in old:
            self._delete_job(job)
        return ["purged", len(old)]

    # ------------------------------------------------------------------------------------------- dataset

    def set_current(self, version: str) -> None:
        previous, self.current = self.current, version
        self.pins.setdefault(version, 0)
        self._collect(previous)

    def clear(self) -> None:
        previous, self.current = self.current, None
        self._collect(previous)

    # ---------------------------------------------------------------------------------------------- parts

    def _replay(self, key: str) -> list[Any]:
        kept = self.keys[key]
        return ["replay", kept.fingerprint, " ".join(kept.ids), kept.bulk]

    def _refuse(self, asked: list[tuple[str, Submission]]) -> list[Any] | None:
        version = next((s.dataset for _, s in asked if s.dataset), None)
        if version and version != self.current:
            return ["moved"]
        owner = asked[0][1].owner
        own = len(self.unfinished_of(owner)) + sum(
            submission.owner == owner
            for bulk in self.bulks.values()
            for slice_ in bulk.slices
            for _, submission in slice_
        )
        if owner and own + len(asked) > QUOTA:
            return ["quota", own]
        unfinished = sum(job.status not in FINAL for job in self.jobs.values())
        unfinished += sum(bulk.left for bulk in self.bulks.values())
        return ["full", unfinished] if unfinished + len(asked) > MOST else None

    def _accept(self, asked: list[tuple[str, Submission]], key: str, fingerprint: str, bulk: str) -> None:
        self._created += 1
        for _, submission in asked:
            if submission.dataset:
                self.pins[submission.dataset] += 1
        if key:
            ids = [jid for jid, _ in asked]
            self.keys[key] = Key(fingerprint, ids, len(ids), self.now + KEY_LIVES, bulk)

    def _store(self, jid: str, submission: Submission, key: str, created: tuple[int, int]) -> None:
        job = self.jobs[jid] = Job(jid, submission, key, created)
        if submission.delay:
            job.status, job.due = "scheduled", self.now + submission.delay
        else:
            self.queues[submission.priority].append(jid)

    def _collect(self, version: str | None) -> None:
        if version is not None and version != self.current and self.pins.get(version) == 0:
            del self.pins[version]

    def _pop(self) -> str | None:
        waiting = next((queue for queue in self.queues.values() if queue), None)
        return waiting.pop(0) if waiting else None

    def _waits(self, jid: str) -> bool:
        return jid in self.jobs and self.jobs[jid].status == "submitted"

    def _unqueue(self, jid: str) -> None:
        self.queues = {name: [one for one in queue if one != jid] for name, queue in self.queues.items()}
        for worker in self.workers.values():
            worker.reserved = [one for one in worker.reserved if one != jid]

    def _next(self, worker: str) -> str | None:
        reserved = self.workers[worker].reserved
        return reserved.pop(0) if reserved else self._pop()

    def _start(self, jid: str, worker: str) -> None:
        job = self.jobs[jid]
        job.status, job.worker, job.attempt, job.started = "in progress", worker, job.attempt + 1, self.now
        self.workers[worker].held = jid

    def _start_any(self, jid: str, worker: str, most: int) -> list[Any]:
        self._start(jid, worker)
        return ["job", [self._claimed(self.jobs[jid]), *self._reserve(worker, most, self.workers[worker].reserved)]]

    def _start_reserved(self, worker: str, most: int, jid: str, attempt: str) -> list[Any]:
        known, job = self.workers.get(worker), self.jobs.get(jid)
        is_first = known is not None and known.held is None and known.reserved[:1] == [jid]
        if is_first:
            known.reserved.pop(0)
        if is_first and self._waits(jid) and str(job.attempt + 1) == attempt:
            self._start(jid, worker)
        elif is_first or job is None or (job.worker, str(job.attempt)) != (worker, attempt):
            if known is not None:
                is_cancelled = job is None or job.status == "cancelled"
                known.stop = f"{jid} {attempt}" if is_cancelled else f"{jid} {attempt} released"
            return ["void", []]
        return ["started", self._reserve(worker, most, [])]

    def _reserve(self, worker: str, most: int, before: list[str]) -> list[list[str]]:
        """Return the jobs reserved before, and those from now on."""
        known, ids = self.workers.get(worker), list(before)
        if known is None:
            return []
        most = min(most - len(known.reserved), sum(map(len, self.queues.values())) // len(self.workers)) if most else 0
        while most > 0 and (jid := self._pop()) is not None:
            known.reserved.append(jid)
            ids.append(jid)
            most -= 1
        for jid in ids:
            if not self._waits(jid):
                known.reserved.remove(jid)
        return [self._claimed(self.jobs[jid], 1) for jid in ids if self._waits(jid)]

    def _claimed(self, job: Job, later: int = 0) -> list[str]:
        asked = job.asked
        selection = json.dumps(asked.selection, separators=(",", ":")) if asked.selection else ""
        words = [job.id, str(job.attempt + later), asked.analysis, str(asked.start), "null", "{}", asked.dataset or ""]
        return [*words, selection, asked.request_id or ""]

    def _holds(self, worker: str, jid: str, attempt: str) -> bool:
        job = self.jobs.get(jid)
        return job is not None and (job.status, job.worker, str(job.attempt)) == ("in progress", worker, attempt)

    def _give_back(self, job: Job, why: str) -> None:
        self.workers[job.worker].held = None
        job.worker, job.message = None, None
        job.charged += why not in ("drain", "invalid", "unknown")
        job.reason = job.reason if why == "drain" else why
        if why == "unknown":
            job.unknown_since = self.now if job.unknown_since is None else job.unknown_since
            why = "invalid" if self.now - job.unknown_since >= UNKNOWN_TIMEOUT else why
        if why == "invalid" or job.charged >= job.asked.max_attempts:
            self._end(job, "failed")
        elif why in ("error", "timeout", "unknown"):
            job.status, job.due = "scheduled", self.now + 2 ** (max(job.charged, 1) - 1)
        else:
            job.status = "submitted"
            self.queues[job.asked.priority].insert(0, job.id)

    def _end(self, job: Job, status: str) -> None:
        assert job.status not in FINAL
        self._ends += 1
        job.status, job.due, job.ended, job.ended_as = status, None, self.now, self._ends
        if job.asked.dataset:
            self.pins[job.asked.dataset] -= 1
            self._collect(job.asked.dataset)

    def _delete_job(self, job: Job) -> None:
        del self.jobs[job.id]
        key = self.keys.get(job.key)
        if key is not None and job.id in key.ids:
            key.left -= 1
            if key.left <= 0:
                del self.keys[job.key]
