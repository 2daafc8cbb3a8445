"""All transitions in random order, some sent twice or late, behave as the model does (``model.py``).

After every step, records, queues, workers, results, counts, pins and keys are compared with the model's. The invariants
are verified at the end, or after every step with ``MODEL=long``. A failure prints the steps that lead to it, and a blob
that repeats them: ``@reproduce_failure``.
"""

from __future__ import annotations

import json
import os
import random
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple
from unittest import mock

import fakeredis
import hypothesis
import pytest
import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from jobs import Idempotency, Status, Submission
from jobstore import Transitions, by_name, to_records
from ops.invariants import find_violations
from tests.conftest import ROOT
from tests.faults.model import FINAL, KEY_LIVES, LEASE, MOST, QUOTA, RETENTION, Model

LONG = os.environ.get("MODEL") == "long"
EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "2000" if LONG else "60"))
SEED = int(os.environ.get("MODEL_SEED", "3"))
WORKERS = ("w1", "w2", "w3")
WHYS = ("drain", "killed", "lost", "error", "timeout", "invalid", "unknown")
OUTCOMES = ("finish", "finish_claim", *WHYS)
PRIORITIES = ("normal", "normal", "high", "low")
NOTED = ("started", "ended", "unknown_since")
MARGIN = 0.3
OWNERS = ("", "", "ann", "bob")
PICK = st.integers(0, 11)
KEYS = [Idempotency(key, "").hash for key in "ab"]


class Fake:
    """fakeredis, with a clock that advances half a millisecond per reading."""

    def __init__(self, queue_db: int) -> None:
        self._time = 1_800_000_000.0
        self._patch = mock.patch("time.time", self._read)
        self._patch.start()
        server = fakeredis.FakeServer()
        self.records = fakeredis.FakeRedis(server=server, db=0, decode_responses=True)
        self.queue = fakeredis.FakeRedis(server=server, db=queue_db, decode_responses=True)

    def now(self) -> float:
        return self._read()

    def advance(self, seconds: float) -> None:
        self._time += seconds

    def close(self) -> None:
        self.records.close()
        self.queue.close()
        self._patch.stop()

    def _read(self) -> float:
        self._time += 0.0005
        return self._time


class Real:
    """A real server; time passes by moving all stored times into the past."""

    def __init__(self, port: int, queue_db: int) -> None:
        self.records = redis.Redis(port=port, db=0, decode_responses=True)
        self.queue = redis.Redis(port=port, db=queue_db, decode_responses=True)
        self.records.flushall()
        self._passed = 0.0

    def now(self) -> float:
        seconds, microseconds = self.records.time()
        return seconds + microseconds / 1e6 + self._passed

    def advance(self, seconds: float) -> None:
        self._passed += seconds
        back = round(seconds * 1e6)
        for client, name in ((self.queue, "workers"), (self.records, "jobs.due"), (self.records, "jobs.ended")):
            for member in client.zrange(name, 0, -1):
                client.zincrby(name, -back, member)
        keys = self.records.keys("job.*")
        pipeline = self.records.pipeline()
        for key in keys:
            pipeline.hmget(key, *NOTED)
        for key, times in zip(keys, pipeline.execute(), strict=True):
            for name, noted in zip(NOTED, times, strict=True):
                if noted is not None:
                    pipeline.hset(key, name, int(noted) - back)
        for key in self.records.keys("idempotency.*"):
            pipeline.pexpire(key, max(0, self.records.pttl(key) - round(seconds * 1000)))
        pipeline.execute()

    def close(self) -> None:
        self.records.close()
        self.queue.close()


class Call(NamedTuple):
    """A transition that was sent, with its arguments and those of the model's."""

    name: str
    words: tuple[Any, ...]
    meant: tuple[Any, ...]


class Machine(RuleBasedStateMachine):
    """Sends transitions and compares the results."""

    world: Fake | Real

    def __init__(self, make: Callable[[], Fake | Real]) -> None:
        super().__init__()
        self.world, self.model = make(), Model()
        queue_db = self.world.queue.connection_pool.connection_kwargs["db"]
        self.transitions = Transitions(self.world.records, records_db=0, queue_db=queue_db, queue_name="queue")
        self.publishing, self.clearing = (
            self.world.records.register_script(
                "".join((ROOT / "dataset" / "lua" / f"{each}.lua").read_text() for each in ("drop_version", name))
            )
            for name in ("publish", "clear")
        )
        self.calls: list[Call] = []
        self.ids: list[str] = []
        self.runs: list[tuple[str, str, str]] = []
        self.reserved: list[tuple[str, str, str]] = []
        self.ended: dict[str, str] = {}

    def teardown(self) -> None:
        try:
            self._verify()
        finally:
            self.world.close()

    # ------------------------------------------------------------------------------------------- clients

    @initialize(with_data=st.booleans())
    def begin(self, with_data):
        self.transitions.run("repair", 3)
        if with_data:
            self.publish("v1")
        for worker in WORKERS[:2]:
            self._register(worker)
        self.add(2, "normal", 0, 2, with_data, "", "", "")

    @rule(
        count=st.integers(1, 4),
        priority=st.sampled_from(PRIORITIES),
        delay=st.sampled_from([0, 0, 0, 5, 35]),
        most=st.integers(1, 3),
        with_data=st.booleans(),
        key=st.sampled_from(["", "", "", "a", "b"]),
        body=st.sampled_from(["one", "one", "two"]),
        owner=st.sampled_from(OWNERS),
    )
    def add(self, count, priority, delay, most, with_data, key, body, owner):
        version = self.model.current if with_data else None
        selection = {"search": "x"} if body == "two" else {}
        asked = [
            Submission(
                start=n, end=None, analysis="sleep", priority=priority, delay=delay, max_attempts=most, dataset=version,
                timeout=95.0, selection=selection, owner=owner or None,
            )
            for n in range(count)
        ]  # fmt: skip
        named = [(str(uuid.UUID(int=len(self.ids) + n, version=4)), one) for n, one in enumerate(asked)]
        self.ids += [jid for jid, _ in named]
        hashed = Idempotency(key, body).hash if key else ""
        common, fields = to_records([jid for jid, _ in named], asked, hashed)
        words = (
            version or "",
            hashed,
            body,
            int(KEY_LIVES),
            MOST,
            owner,
            QUOTA,
            len(fields[0]),
            len(common),
            *common,
            *(word for one in fields for word in one),
        )
        self._send("add", words, (named, hashed, body))

    @rule(
        sizes=st.lists(st.integers(1, 3), min_size=1, max_size=3),
        priority=st.sampled_from(PRIORITIES),
        with_data=st.booleans(),
        key=st.sampled_from(["", "a", "b"]),
        owner=st.sampled_from(OWNERS),
    )
    def add_in_slices(self, sizes, priority, with_data, key, owner):
        version = self.model.current if with_data else None
        asked = Submission(
            start=0, end=None, analysis="sleep", priority=priority, dataset=version, timeout=95.0, owner=owner or None
        )
        ids = [str(uuid.UUID(int=len(self.ids) + n, version=4)) for n in range(sum(sizes))]
        self.ids += ids
        bulk, hashed, left = f"bulk{len(self.ids)}", Idempotency(key, "one").hash if key else "", iter(ids)
        slices = [[(next(left), asked) for _ in range(size)] for size in sizes]
        common, rows = to_records(ids, [asked] * len(ids), hashed)
        position = 0
        for n, slice_ in enumerate(slices):
            part = [word for row in rows[position : position + len(slice_)] for word in row]
            self.transitions.stage({f"bulk.{bulk}.{n}": [str(position), *common, *part]}, 10**9)
            position += len(slice_)
        self.model.staged[bulk] = len(slices)
        terms = (version or "", hashed, "one", int(KEY_LIVES), MOST, owner, QUOTA)
        words = (
            *terms,
            bulk,
            len(slices),
            len(ids),
            len(ids) if version else 0,
            len(rows[0]),
            len(common),
            " ".join(ids),
        )
        self._send("accept", words, (bulk, slices, hashed, "one"))

    @rule(oldest=st.booleans(), pick=PICK)
    def publish_slice(self, oldest, pick):
        bulk = "" if oldest or not self.model.bulks else _pick(list(self.model.bulks), pick)
        self._send("publish", (bulk,), (bulk,))

    @rule(pick=PICK)
    def cancel(self, pick):
        waiting = next((queue for queue in self.model.queues.values() if queue), [])
        next_up = [jid for jid in waiting[:1] if jid in self.model.jobs]
        self._about(pick, "cancel", next_up if pick % 2 else [])

    @rule(pick=PICK)
    def delete(self, pick):
        ended = [jid for jid, job in self.model.jobs.items() if job.status in FINAL]
        self._about(pick, "delete", ended if pick % 4 else [])

    @rule(pick=PICK)
    def promote_by_hand(self, pick):
        if self.ids:
            jid = _pick(self.ids, pick)
            self._send("promote", (1, jid), (1, jid))

    @rule(picks=st.lists(PICK, min_size=1, max_size=3))
    def put(self, picks):
        ids = tuple(_pick(self.ids, pick) for pick in picks) if self.ids else ("nonsense",)
        self._send("put", ids, ids)

    @rule(pick=PICK, nonsense=st.booleans())
    def push_what_has_ended(self, pick, nonsense):
        ids = [jid for jid, job in self.model.jobs.items() if job.status in FINAL]
        jid = "nonsense" if nonsense or not ids else _pick(ids, pick)
        self._settle()
        self.model.push(jid)
        self.world.queue.rpush("hotqueue:queue", jid)
        self._compare()

    # ------------------------------------------------------------------------------------------- workers

    @rule(worker=st.sampled_from(WORKERS))
    def register(self, worker):
        self._register(worker)

    @rule(workers=st.sets(st.sampled_from(WORKERS)))
    def renew(self, workers):
        words = tuple(sorted(workers))
        self._send("renew", (round(LEASE * 1e6), round(RETENTION * 1e6), *words), words)

    @rule(worker=st.sampled_from(WORKERS))
    def claim(self, worker):
        self._take(worker)

    @rule(pick=PICK)
    def unreserve(self, pick):
        if run := self._run(pick):
            self._send("unreserve", run, run)

    @rule(pick=PICK, outcome=st.sampled_from(["", *OUTCOMES]))
    def work(self, pick, outcome):
        """Let an idle worker claim a job, reserve some, and do something with it."""
        idle = [name for name, worker in self.model.workers.items() if worker.held is None]
        if idle:
            self._take(_pick(idle, pick), pick % 4)
        if outcome:
            self._end(pick, outcome)

    @rule(pick=PICK, outcome=st.sampled_from(OUTCOMES))
    def end(self, pick, outcome):
        self._end(pick, outcome)

    @rule(pick=PICK, count=st.integers(0, 4))
    def end_collected(self, pick, count):
        """Let a worker end its job and then some that it has reserved, in one call, and start the next one."""
        worker, jid, attempt = self._run(pick) or (WORKERS[pick % 3], "", "")
        known = self.model.workers.get(worker)
        reserved = known.reserved if known is not None and pick < 10 else [one[1] for one in self.reserved][-4:]
        ended = [(jid, attempt)] if jid and pick % 4 else []
        attempts = [(each, str(self.model.jobs[each].attempt + 1)) for each in reserved if each in self.model.jobs]
        ended = list(dict(ended + attempts[:count]).items())  # a worker runs no job twice in a row
        following = (attempts[count:] or [("", "")])[0] if pick % 3 else self._following(worker, pick)
        lines = "".join(f"{each} {number} {pick} 0 v1 {number}\n" for each, number in ended)
        self._send("finish_collected", (worker, pick % 4, *following, lines), (worker, pick % 4, *following, *ended))

    @rule(pick=PICK, why=st.sampled_from(WHYS[:5]), meant=st.booleans(), other=st.booleans())
    def deregister(self, pick, why, meant, other):
        worker, jid, attempt = self._run(pick) or (WORKERS[pick % 3], "", "")
        if not meant:
            jid, attempt = "", ""
        worker = WORKERS[pick % 3] if other else worker
        self._send("deregister", (worker, why, _error(why), 0, jid, attempt, 0), (worker, why, jid, attempt, 0))

    @rule(pick=PICK)
    def report(self, pick):
        if run := self._run(pick):
            self._send("report", (*run, 0.5, f"half of {run[2]}", ""), (*run, f"half of {run[2]}"))

    # -------------------------------------------------------------------------------------- housekeeping

    @rule(seconds=st.sampled_from([10, 10, 20, 100, 1100]))
    def let_time_pass(self, seconds):
        self.world.advance(seconds)
        self._settle()

    @rule(most=st.sampled_from([2, 1000]))
    def promote(self, most):
        self._send("promote", (most, ""), (most, ""))

    @rule(most=st.sampled_from([2, 1000]))
    def purge(self, most):
        self._send("purge", (round(RETENTION * 1e6), most), (most,))

    @rule()
    def lose_the_queue(self):
        """Lose the queue's database; heartbeats repair it in slices."""
        self._settle()
        for pattern in ("hotqueue:*", "worker*"):
            for key in self.world.queue.keys(pattern):
                self.world.queue.delete(key)
        self.model.lose_queue()
        while self.transitions.run("repair", 3)[1]:
            pass
        self._compare()

    @rule(worker=st.sampled_from(WORKERS))
    def dismiss_lost(self, worker):
        self._send("deregister", (worker, "lost", _error("lost"), 0, "", "", 1), (worker, "lost", "", "", 1))

    # ------------------------------------------------------------------------------------------- dataset

    @rule(version=st.sampled_from(["v1", "v2"]))
    def publish(self, version):
        self._settle()
        self.world.records.set(f"data.{version}.0", "rows", nx=True, ex=3600)
        self.publishing(keys=["data.current"], args=[version, 1, "{}", 1, "", "", "", 0])
        self.model.set_current(version)
        self._compare()

    @rule()
    def clear(self):
        self._settle()
        self.clearing(keys=["data.current"], args=["", ""])
        self.model.clear()
        self._compare()

    # ------------------------------------------------------------------------------------- twice, and late

    @rule()
    def send_twice(self):
        self._resend(0)

    @rule(pick=st.integers(0, 40))
    def send_late(self, pick):
        self._resend(pick)

    @rule(dice=st.integers(0, 2**32 - 1))
    def at_random(self, dice):
        """Run many random steps, which reaches further than the variations of Hypothesis."""
        self._roll_many(dice, 12)

    @rule(dice=st.integers(0, 2**32 - 1))
    def at_random_for_long(self, dice):
        self._roll_many(dice, 40)

    def _roll_many(self, dice: int, times: int) -> None:
        roll = random.Random(dice)
        for _ in range(times):
            self._roll(roll)

    def _roll(self, roll: random.Random) -> None:
        pick, worker, most = roll.randrange(12), roll.choice(WORKERS), roll.choice([2, 1000])
        outcome, lucky = roll.choice(OUTCOMES), roll.random() < 0.5
        version, owner = roll.choice(["v1", "v2"]), roll.choice(OWNERS)
        asked = (
            roll.choice(PRIORITIES),
            roll.choice([0, 0, 5, 35]),
            roll.randint(1, 3),
            lucky,
            roll.choice(["", "a", "b"]),
        )
        steps: list[tuple[int, Callable[..., object], tuple[Any, ...]]] = [
            (8, self.add, (roll.randint(1, 4), *asked, "one", owner)),
            (12, self.work, (pick, outcome if lucky else "")),
            (8, self.end, (pick, outcome)),
            (8, self.end_collected, (pick, roll.randint(0, 4))),
            (5, self.cancel, (pick,)),
            (3, self.delete, (pick,)),
            (2, self.put, ([pick, roll.randrange(12)],)),
            (2, self.push_what_has_ended, (pick, lucky)),
            (3, self.register, (worker,)),
            (3, self.renew, ({worker, roll.choice(WORKERS)},)),
            (3, self.deregister, (pick, roll.choice(WHYS[:5]), lucky, roll.random() < 0.3)),
            (2, self.report, (pick,)),
            (3, self.let_time_pass, (roll.choice([10, 20, 100, 1100]),)),
            (3, self.promote, (most,)),
            (2, self.unreserve, (pick,)),
            (2, self.purge, (most,)),
            (2, self.dismiss_lost, (worker,)),
            (1, self.publish, (version,)),
            (1, self.clear, ()),
            (1, self.lose_the_queue, ()),
            (4, self.add_in_slices, ([roll.randint(1, 3)] * roll.randint(1, 3), asked[0], *asked[3:], owner)),
            (8, self.publish_slice, (lucky, pick)),
            (8, self._resend, (0 if lucky else roll.randrange(40),)),
        ]
        _, step, words = roll.choices(steps, [weight for weight, _, _ in steps])[0]
        step(*words)

    # ---------------------------------------------------------------------------------------------- parts

    def _about(self, pick: int, name: str, likely: list[str]) -> None:
        if self.ids:
            jid = _pick(likely or self.ids, pick)
            self._send(name, (jid,), (jid,))

    def _register(self, worker: str) -> None:
        self._send("register", (worker, round(LEASE * 1e6), "host", 1), (worker,))

    def _take(self, worker: str, most: int = 0) -> None:
        self._send("claim", (worker, 0, most), (worker, most))

    def _end(self, pick: int, outcome: str) -> None:
        run = self._run(pick)
        if run is None:
            return
        if outcome == "finish":
            self._send("finish", (*run, _document(run), "said"), (*run, "said"))
        elif outcome == "finish_claim":
            following = (pick % 4, *self._following(run[0], pick))
            self._send("finish_claim", (*run, _document(run), "said", *following), (*run, "said", *following))
        else:
            self._send("release", (*run, outcome, _error(outcome), 0, "said"), (*run, outcome, "said"))

    def _following(self, worker: str, pick: int) -> tuple[str, str]:
        """Return usually the first job that a worker has reserved, in its next attempt, otherwise any or none."""
        known = self.model.workers.get(worker)
        if pick < 7 and known is not None and known.reserved and known.reserved[0] in self.model.jobs:
            return known.reserved[0], str(self.model.jobs[known.reserved[0]].attempt + 1)
        return _pick(self.reserved, pick)[1:] if self.reserved and pick < 10 else ("", "")

    def _note_runs(self, name: str, words: tuple[Any, ...], answer: list[Any]) -> None:
        """Keep what the worker runs from now on, also a job that it must not run, and what it has reserved."""
        if name not in ("claim", "finish_claim", "finish_collected"):
            return
        worker, claimed = str(words[0]), answer[-1] if isinstance(answer[-1], list) else []
        started = {"finish_claim": words[6:8], "finish_collected": words[2:4]}.get(name, ("", ""))
        if started[0]:
            self.runs.append((worker, str(started[0]), str(started[1])))
        elif claimed and name != "finish_collected":
            self.runs.append((worker, *claimed.pop(0)[:2]))
        self.reserved += [(worker, *one[:2]) for one in claimed]

    def _run(self, pick: int) -> tuple[str, str, str] | None:
        """Return usually the run that a worker holds, otherwise an earlier one."""
        held = [run for run in self.runs if self.model._holds(*run)]
        before = [run for run in self.runs if run not in held and run[:2] in [now[:2] for now in held]]
        likely = held if pick < 9 else before
        return _pick(likely or self.runs, pick) if self.runs else None

    def _resend(self, pick: int) -> None:
        if self.calls:
            call = _pick(self.calls, pick)
            self._send(*call)

    def _send(self, name: str, words: tuple[Any, ...], meant: tuple[Any, ...]) -> None:
        self.calls.append(Call(name, words, meant))
        hypothesis.note(f"{name}{meant}")
        self._settle()
        expected = getattr(self.model, name)(*meant)
        answer = self.transitions.run(name, *words)
        if name == "renew":
            answer = _without_times(answer)
        if answer[0] == "added":
            answer = answer[:1]
        if name in ("claim", "finish_claim", "finish_collected") and isinstance(answer[-1], list):
            answer[-1] = [one[:8] + one[9:] for one in answer[-1]]  # without the time that it waited
        assert answer == expected
        self._compare()
        self._note_runs(name, words, answer)

    def _settle(self) -> None:
        """Wait until an imminent change has happened: the model's clock differs from that of Redis by milliseconds."""
        moments, now = self.model.deadlines(), self.world.now()
        while any(abs(moment - now) < MARGIN for moment in moments):
            self.world.advance(2 * MARGIN)
            now = self.world.now()
        self.model.pass_time(now)

    def _compare(self) -> None:
        """Compare the contents of Redis with the model."""
        self._compare_records()
        self._compare_queue()
        self._compare_counts()
        if LONG:
            self._verify()

    def _compare_records(self) -> None:
        model, pipeline = self.model, self.world.records.pipeline(transaction=False)
        for jid in self.ids:
            pipeline.hmget(f"job.{jid}", "status", "worker", "attempt", "failed_attempts", "message", "error")
            pipeline.hget(f"results.{jid}", "document")
            pipeline.hget(f"job.{jid}", "results")
            pipeline.hgetall(f"log.{jid}")
        pipeline.zrange("jobs", 0, -1).get("data.current").zrange("bulks", 0, -1)
        for version in ("v1", "v2"):
            pipeline.hget(f"data.{version}", "pins")
        for owner in OWNERS[2:]:
            pipeline.zrange(f"jobs.unfinished.{owner}", 0, -1)
        for key in KEYS:
            pipeline.hget(f"idempotency.{key}", "left")
        found = iter(pipeline.execute())
        for jid in self.ids:
            assert _read(*(next(found) for _ in range(4))) == _expect(model, jid), jid
        assert (next(found), next(found), next(found)) == (model.unfinished(), model.current, list(model.bulks))
        assert _counted(next(found), next(found)) == [model.pins.get(version) for version in ("v1", "v2")]
        assert [next(found), next(found)] == [model.unfinished_of(owner) for owner in OWNERS[2:]]
        assert _counted(*found) == [model.keys[key].left if key in model.keys else None for key in KEYS]
        for jid, status in self.ended.items():
            assert jid not in model.jobs or model.jobs[jid].status == status
        self.ended = {jid: job.status for jid, job in model.jobs.items() if job.ended is not None}

    def _compare_queue(self) -> None:
        model, pipeline = self.model, self.world.queue.pipeline(transaction=False)
        for suffix in (".high", "", ".low"):
            pipeline.lrange(f"hotqueue:queue{suffix}", 0, -1)
        for worker in WORKERS:
            pipeline.lrange(f"hotqueue:queue:{worker}", 0, -1)
        for worker in WORKERS:
            pipeline.lrange(f"hotqueue:queue:{worker}.reserved", 0, -1)
        *lists, living = pipeline.zrange("workers", 0, -1).execute()
        held = {name: [worker.held] if worker.held else [] for name, worker in model.workers.items()}
        reserved = [model.workers[name].reserved if name in model.workers else [] for name in WORKERS]
        assert lists == [*model.queues.values(), *(held.get(worker, []) for worker in WORKERS), *reserved]
        assert set(living) == set(model.workers)

    def _compare_counts(self) -> None:
        stats = by_name(self.transitions.run("stats", *Status)[1:])
        waiting, counts = stats["waiting"], stats["jobs"]
        jobs = self.model.jobs.values()
        submitted = [job.asked.priority for job in jobs if job.status == "submitted"]
        assert waiting == [*(submitted.count(priority) for priority in self.model.queues), len(submitted)]
        assert counts == [sum(job.status == status for job in jobs) for status in Status]

    def _verify(self) -> None:
        # Housekeeping runs only by the rules below.
        assert find_violations(self.world.records, self.world.queue, housekeeping_seconds=10**9) == []


def _counted(*counts: str | None) -> list[int | None]:
    return [None if count is None else int(count) for count in counts]


def _without_times(renewed: list[Any]) -> list[Any]:
    """Return the expired workers in order, for each job whether it is over its time, and which scripts are due.

    Bulks are published and a lost queue is repaired at once here.
    """
    _, expired, held, due, *_ = renewed
    answers = [[one[0], by_name(one[1:])] if len(one) > 1 else one for one in held]
    for one in answers:
        if len(one) > 1:
            one[1]["left"] = int(int(one[1]["left"]) < 0)
    return [sorted(expired), answers, [name for name in due if name in ("promote", "purge")]]


def _pick(found: list[Any], pick: int) -> Any:
    """Return one of these, preferably a late one."""
    return found[-1 - pick % len(found)]


def _document(run: tuple[str, str, str]) -> str:
    return f'{{"job":"{run[1]}","attempt":{run[2]}}}'


def _error(why: str) -> str:
    return "" if why == "drain" else json.dumps({"reason": why})


def _read(record: list[Any], document: str | None, packed: str | None, logs: dict[str, str]) -> Any:
    status, worker, attempt, charged, message, error = record
    if status is None:
        return None, document, logs
    reason = json.loads(error)["reason"] if error else None
    results = json.loads(document)["attempt"] if document else int(packed.split()[-1]) if packed else None
    return (status, worker, int(attempt or 0), int(charged or 0), message, reason), results, logs


def _expect(model: Model, jid: str) -> Any:
    job = model.jobs.get(jid)
    if job is None:
        return None, None, {}
    return (job.status, job.worker, job.attempt, job.charged, job.message, job.reason), job.results, job.logs


def _play(make: Callable[[], Fake | Real], examples: int, steps: int) -> None:
    profile = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(hypothesis.seed(SEED)(lambda: Machine(make)), settings=profile)


@pytest.mark.timeout(0 if LONG else 900)
@pytest.mark.parametrize("queue_db", [1, 0])
def test_on_fakeredis_the_transitions_do_what_the_model_does(queue_db):
    _play(lambda: Fake(queue_db), EXAMPLES // 2, 25)


@pytest.mark.timeout(0 if LONG else 900)
@pytest.mark.parametrize("queue_db", [1, 0])
def test_on_a_real_server_the_transitions_do_what_the_model_does(server, queue_db):
    _play(lambda: Real(server.port, queue_db), EXAMPLES, 25)
