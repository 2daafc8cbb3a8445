"""Measure what each part of a large service costs: each function of ``PARTS`` is one round.

- ``heartbeat-*``: CPU of Redis for the heartbeats of 10,000 workers, under supervisors of 1, 2 and 8 workers, with two
  leases. One process sends the supervisors' own heartbeats at their own intervals, in turn; where it cannot keep up,
  the CPU of those that it sent is scaled to all. All 10,000 workers are registered, and each holds a job where they are
  busy.
- ``waits``: CPU of Redis while 200 workers wait for jobs, scaled to 10,000.
- ``redis-job``, ``log-job``: CPU of Redis, and bytes of its log, for jobs that are added, claimed and finished singly,
  and CPU for jobs that are added in lists of 1,000.
- ``connections-*``: connections of a real worker process; ``connection-memory``: bytes of Redis for each.
- ``memory-*``: bytes of a job among a million that wait, and among those that are kept.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from uuid import uuid4

import redis

import jobs
from analyses import Outcome
from benchmarks.figures import HERE, Figure
from benchmarks.footprint import WORKERS as WAITING
from benchmarks.footprint import redis_cpu, waiting_workers
from benchmarks.processes import fresh_redis, own_redis, running
from config.settings import Settings, load
from runtime import tick_seconds
from runtime.results import Rows, build_results, parse_selection

__all__ = ["LEASES", "PARTS", "SHAPES", "WORKERS"]

WORKERS, QUICK_WORKERS = 10_000, 500
SHAPES = (1, 2, 8)
"""Workers of one supervisor."""
LEASES = (15, 30)
"""Values of `LEASE_SECONDS`."""
SECONDS, QUICK_SECONDS = 10.0, 1.0
LOOK_SECONDS = 1.5
"""Between two looks of a supervisor for orders to stop a job: 1.2 s, in whole ticks."""
SETTLE_SECONDS = 2.5
SINGLE_JOBS, QUICK_SINGLE_JOBS = 5_000, 200
QUEUED, QUICK_QUEUED, KEPT, QUICK_KEPT = 1_000_000, 5_000, 100_000, 1_000
CONNECTIONS, QUICK_CONNECTIONS = 2_000, 100
_AT_ONCE = 1_000
_APPENDING = ("--appendonly", "yes", "--appendfsync", "everysec", "--maxclients", "20000")


def heartbeats(quick: bool) -> Iterator[Figure]:
    """Yield the figures of the heartbeats of idle, then of busy workers."""
    with own_redis(*_APPENDING):
        workers = [str(uuid4()) for _ in range(QUICK_WORKERS if quick else WORKERS)]
        for worker in workers:
            jobs.register_worker(worker, "benchmark", 0)
        for state in ("idle", "busy"):
            if state == "busy":
                _give_each_a_job(workers)
            for lease in LEASES:
                jobs.connect(replace(jobs.settings, lease_seconds=lease))
                for shape in SHAPES:
                    yield from _heartbeats(workers, shape, state, QUICK_SECONDS if quick else SECONDS)


def _give_each_a_job(workers: list[str]) -> None:
    _add(len(workers))
    for at, worker in enumerate(workers):
        jobs.q.set_worker_id(worker)
        assert jobs.q.get() is not None
        if at % _AT_ONCE == 0:
            _renew(workers)


def _renew(workers: list[str]) -> None:
    """Renew all leases, which would be over before it is their turn."""
    for at in range(0, len(workers), _AT_ONCE):
        jobs.heartbeat(workers[at : at + _AT_ONCE])


def _heartbeats(workers: list[str], shape: int, state: str, seconds: float) -> Iterator[Figure]:
    """Send the heartbeats of all supervisors in turn, at the interval that they have for this number of workers.

    Between two of them, those with jobs look for orders to stop one.
    """
    _renew(workers)
    groups = [workers[at : at + shape] for at in range(0, len(workers), shape)]
    tick = tick_seconds(Settings())
    # The first is answered as the one that keeps house; the others have the interval of all.
    jobs.heartbeat(groups[0])
    interval = max(1, round(jobs.heartbeat(groups[1]).pause / tick)) * tick
    rate = len(groups) / interval
    begun, cpu = time.monotonic(), redis_cpu(jobs.rd)
    sent = 0
    for group in itertools.cycle(groups):
        now = time.monotonic() - begun
        if now >= seconds:
            break
        if (ahead := sent / rate - now) > 0:
            time.sleep(ahead)
        jobs.heartbeat(group)
        for _ in range(round(interval / LOOK_SECONDS) if state == "busy" else 0):
            jobs.count_stop_orders()
        sent += 1
    elapsed, used = time.monotonic() - begun, redis_cpu(jobs.rd) - cpu
    side = f"{shape} each, {jobs.settings.lease_seconds:g} s"
    yield Figure(f"heartbeat-{state}", side, used / sent * rate * 100, "%")
    yield Figure(f"heartbeat-{state}-rate", side, rate, "/s")
    yield Figure(f"heartbeat-{state}-sent", side, sent / elapsed / rate * 100, "%")


def waits(quick: bool) -> Iterator[Figure]:
    """Yield the CPU of Redis for workers that wait."""
    seconds = QUICK_SECONDS if quick else SECONDS
    with own_redis(*_APPENDING):
        begun, cpu = time.monotonic(), redis_cpu(jobs.rd)
        time.sleep(seconds)
        rest = (redis_cpu(jobs.rd) - cpu) / (time.monotonic() - begun)
        # Without heartbeats: those are measured above.
        with waiting_workers(0):
            time.sleep(SETTLE_SECONDS)
            begun, cpu = time.monotonic(), redis_cpu(jobs.rd)
            time.sleep(seconds)
            share = (redis_cpu(jobs.rd) - cpu) / (time.monotonic() - begun)
    yield Figure("waits", HERE, (share - rest) / WAITING * WORKERS * 100, "%")


def single_jobs(quick: bool) -> Iterator[Figure]:
    """Add, claim and finish jobs one at a time, as where jobs take long and clients submit singly."""
    count = QUICK_SINGLE_JOBS if quick else SINGLE_JOBS
    with own_redis(*_APPENDING):
        _register()
        log, cpu = _log_bytes(), redis_cpu(jobs.rd)
        for _ in range(count):
            jobs.add_job(None, None, "noop")
        added = redis_cpu(jobs.rd)
        _finish(count)
        yield Figure("redis-job", "add", (added - cpu) / count * 1e6, "µs")
        yield Figure("redis-job", "claim and finish", (redis_cpu(jobs.rd) - added) / count * 1e6, "µs")
        yield Figure("log-job", HERE, (_log_bytes() - log) / count, "bytes")
        cpu = redis_cpu(jobs.rd)
        _add(10 * count)
        yield Figure("redis-job", "add in lists", (redis_cpu(jobs.rd) - cpu) / (10 * count) * 1e6, "µs")


def connections(quick: bool) -> Iterator[Figure]:
    """Yield the connections of a worker process, and the memory of one."""
    count = QUICK_CONNECTIONS if quick else CONNECTIONS
    with own_redis(*_APPENDING):
        own, found = _clients("connected"), {}
        for children in (1, 3):
            with running(sys.executable, "worker.py", WORKERS=children, STANDBY_CHILDREN=0):
                while _clients("blocked") < children:
                    time.sleep(0.1)
                found[children] = _clients("connected") - own
        child = (found[3] - found[1]) / 2
        yield Figure("connections", "child", child, "")
        yield Figure("connections", "supervisor", found[1] - child, "")
        before = _used()
        clients = [redis.Redis(port=jobs.settings.redis_port) for _ in range(count)]
        for client in clients:
            client.ping()
        yield Figure("connection-memory", HERE, (_used() - before) / count, "bytes")
        for client in clients:
            client.close()


def memory(quick: bool) -> Iterator[Figure]:
    """Yield the bytes of a job."""
    queued, kept = (QUICK_QUEUED, QUICK_KEPT) if quick else (QUEUED, KEPT)
    with fresh_redis("--appendonly", "no") as port:
        jobs.connect(Settings(redis_port=port, max_queued_jobs=2 * queued))
        _register()
        before = _used()
        _add(queued)
        yield Figure("memory-job", "waits", (_used() - before) / queued, "bytes")
    with fresh_redis("--appendonly", "no") as port:
        jobs.connect(Settings(redis_port=port))
        _register()
        before = _used()
        _add(kept)
        _finish(kept)
        yield Figure("memory-job", "is kept", (_used() - before) / kept, "bytes")


def _register() -> None:
    worker = str(uuid4())
    jobs.register_worker(worker, "benchmark", 0)
    jobs.q.set_worker_id(worker)


def _add(count: int) -> None:
    asked = jobs.Submission(start=None, end=None, analysis="noop")
    for at in range(0, count, _AT_ONCE):
        jobs.add_jobs([asked] * min(_AT_ONCE, count - at))


def _finish(count: int) -> None:
    limit = load({}).max_result_bytes
    for _ in range(count):
        job = jobs.q.get()
        assert job is not None
        document, _ = build_results(job, Outcome({}), {}, Rows(parse_selection(job)), limit)
        jobs.q.defer_complete(job, document, [], "")
    jobs.q.flush()


def _used() -> int:
    used: int = jobs.rd.info("memory")["used_memory"]
    return used


def _clients(which: str) -> int:
    clients: int = jobs.rd.info("clients")[f"{which}_clients"]
    return clients


def _log_bytes() -> int:
    size: int = jobs.rd.info("persistence")["aof_current_size"]
    return size


PARTS: dict[str, Callable[[bool], Iterator[Figure]]] = {
    "heartbeats": heartbeats,
    "waits": waits,
    "jobs": single_jobs,
    "connections": connections,
    "memory": memory,
}
