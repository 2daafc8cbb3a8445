"""Measure what the service costs while it has nothing to do, and how soon it has done something.

    python -m benchmarks.footprint [--quick]

- ``memory-*``: resident memory of the processes before the first job, and their share of it (Pss), in which a page that
  n processes map counts as 1/n.
- ``idle-redis-*``: CPU of Redis while 200 workers wait under 1, 2 and 100 supervisors. The workers and supervisors are
  threads of this process: Redis sees the same calls on as many connections. The other side is a server without clients.
- ``idle-wakes``: workers woken for each job that is added while all wait.
- ``start``: from ``make run`` on an installed checkout to the end of the first job.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import redis

import jobs
from benchmarks.figures import HERE, Figure, report
from benchmarks.harness import processes_of
from benchmarks.processes import fresh_redis, own_redis, running
from config.settings import Settings
from jobstore import JobQueue
from ops.devserver.processes import free_ports
from runtime import tick_seconds

__all__ = ["WORKERS", "measure", "redis_cpu", "waiting_workers"]

WORKERS = 200
SUPERVISORS = (1, 2, 100)
IDLE_SECONDS, QUICK_IDLE_SECONDS = 10.0, 3.0
WOKEN_JOBS = 1000
GAP_SECONDS = 0.001
SETTLE_SECONDS = 2.5  # until all workers wait, which takes as long as one wait
API = (sys.executable, "-m", "gunicorn", "-c", "python:web.server.gunicorn_conf", "api:create_app()")
_GIVE_UP_SECONDS = 60.0


def measure(quick: bool) -> Iterator[Figure]:
    """Yield the figures of one round."""
    yield from _memory()
    seconds = QUICK_IDLE_SECONDS if quick else IDLE_SECONDS
    for supervisors in SUPERVISORS:
        yield from _idle(supervisors, seconds)
    with fresh_redis("--appendonly", "yes") as port, redis.Redis(port=port) as client:
        share = _usage_during(client, seconds)
        for supervisors in SUPERVISORS:
            yield Figure(f"idle-redis-{supervisors}", "no clients", share, "%")
    yield Figure("start", HERE, _start(), "s")


def _memory() -> Iterator[Figure]:
    [port] = free_ports(1)
    with (
        own_redis("--appendonly", "yes"),
        running(sys.executable, "worker.py", WORKERS=1, STANDBY_CHILDREN=0) as worker,
        running(*API, API_PORT=port) as api,
    ):
        _until(lambda: bool(jobs.get_workers()))
        _until(lambda: _get(f"http://127.0.0.1:{port}", "/ready") is not None)
        parent, child = processes_of(worker.pid)
        served = processes_of(api.pid)
        for name, pids in {"parent": [parent], "child": [child], "api": served[-1:], "api-all": served}.items():
            sizes = [_memory_of(pid) for pid in pids]
            yield Figure(f"memory-{name}", HERE, sum(size["Rss"] for size in sizes), "MiB")
            yield Figure(f"memory-{name}-share", HERE, sum(size["Pss"] for size in sizes), "MiB")


def _memory_of(pid: int) -> dict[str, float]:
    """Return the sizes of a process, in MiB, by their names in the kernel."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(size.split()[0]) / 1024 for name, size in (line.split(":") for line in lines)}


def _idle(supervisors: int, seconds: float) -> Iterator[Figure]:
    with own_redis("--appendonly", "yes"), waiting_workers(supervisors):
        time.sleep(SETTLE_SECONDS)
        yield Figure(f"idle-redis-{supervisors}", HERE, _usage_during(jobs.rd, seconds), "%")
        if supervisors == 1:
            yield Figure("idle-wakes", HERE, _wakes(), "workers/job")


def _wakes() -> float:
    """Return the waits that end for each added job. The next worker to wake is the one that waits longest, so that all
    are woken before a wait is over by itself."""
    before = _waits()
    for _ in range(WOKEN_JOBS):
        jobs.add_job(None, None, "sleep", params={"seconds": 0})
        time.sleep(GAP_SECONDS)
    return (_waits() - before) / WOKEN_JOBS


@contextmanager
def waiting_workers(supervisors: int) -> Iterator[None]:
    """Let :data:`WORKERS` workers wait for jobs, under so many supervisors."""
    ids = [str(uuid4()) for _ in range(WORKERS)]
    queues = []
    for worker in ids:
        jobs.register_worker(worker, "benchmark", 0)
        queue = JobQueue(jobs.q.name, connection_pool=jobs.q._client.connection_pool, records_db=jobs.settings.redis_db)
        queue.set_worker_id(worker)
        queues.append(queue)
    stop = threading.Event()
    loops: list[Callable[[], None]] = [lambda queue=queue: _work(queue) for queue in queues]  # type: ignore[misc]
    loops += [lambda n=n: _supervise(ids[n::supervisors], n / supervisors, stop) for n in range(supervisors)]  # type: ignore[misc]
    threads = [threading.Thread(target=loop, daemon=True) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for queue in queues:
            queue.draining = True
        for thread in threads:
            thread.join()


def _work(queue: JobQueue) -> None:
    while (job := queue.get(block=True)) is not None:
        queue.defer_complete(job, b"{}", [], "")


def _supervise(workers: list[str], phase: float, stop: threading.Event) -> None:
    """Send the heartbeats of a supervisor."""
    tick = tick_seconds(Settings())
    pause = phase * 2 * tick
    while not stop.wait(pause):
        # It does so at whole ticks.
        pause = max(1, round(jobs.heartbeat(workers).pause / tick)) * tick


def _usage_during(client: redis.Redis, seconds: float) -> float:
    """Return the percentage of a core that Redis uses in these seconds."""
    begun, cpu = time.monotonic(), redis_cpu(client)
    time.sleep(seconds)
    return (redis_cpu(client) - cpu) / (time.monotonic() - begun) * 100


def redis_cpu(client: redis.Redis) -> float:
    """Return the seconds of CPU that Redis has used."""
    info: Any = client.info("cpu")
    return float(info["used_cpu_user"] + info["used_cpu_sys"])


def _waits() -> int:
    info: Any = jobs.rd.info("commandstats")
    return int(info["cmdstat_blpop"]["calls"])


def _start() -> float:
    """Return the seconds from the start of the development server to the end of its first job."""
    api_port, redis_port = free_ports(2)
    # With REDIS_IP it would start no Redis.
    own = {"API_PORT": api_port, "REDIS_PORT": redis_port, "REDIS_IP": "", "WORKERS": ""}
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        with running(sys.executable, "-m", "ops.devserver.run", DATA_DIR=folder, **own):
            job = {"analysis": "sleep", "params": {"seconds": 0}, "start": None, "end": None}
            address = f"http://127.0.0.1:{api_port}"
            added: dict[str, Any] = {}
            _until(lambda: bool(added.update(_get(address, "/jobs", json=job) or {}) or added))
            _until(lambda: (_get(address, f"/jobs/{added['id']}?wait=10") or {}).get("status") == "complete")
            return time.monotonic() - begun


def _get(address: str, path: str, **posted: Any) -> dict[str, Any] | None:
    """GET a path, or POST to it; return None unless it is answered with success."""
    try:
        with httpx.Client(base_url=address, timeout=30, trust_env=False) as client:
            response = client.request("POST" if posted else "GET", path, **posted)
    except httpx.TransportError:
        return None
    found: dict[str, Any] | None = response.json() if response.is_success else None
    return found


def _until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + _GIVE_UP_SECONDS
    while not condition():
        if time.monotonic() > give_up:
            raise RuntimeError(f"not met within {_GIVE_UP_SECONDS:g} s: {condition}")
        time.sleep(0.01)


if __name__ == "__main__":
    report(measure)
