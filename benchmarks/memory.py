"""Measure the Redis memory of jobs that do nothing: queued, finished with all indexes, and by part.

    python -m benchmarks.memory [--quick]

The jobs are added and finished through the queue, as a worker does it, with the results that a worker builds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import jobs
from analyses import Outcome
from benchmarks.figures import HERE, Figure, report
from benchmarks.processes import fresh_redis
from config.settings import Settings
from runtime.results import Rows, build_results, parse_selection

__all__ = ["measure"]

_JOBS, _QUICK_JOBS, _AT_ONCE = 20_000, 5_000, 1_000


def measure(quick: bool) -> Iterator[Figure]:
    """Yield the bytes of a job: in all, queued, and of each kind of key."""
    count = _QUICK_JOBS if quick else _JOBS
    with fresh_redis("--appendonly", "no") as port:
        settings = Settings(redis_port=port)
        jobs.connect(settings)
        jobs.register_worker("1f0e2a9c-5a34-4b7e-9d57-6a2f0c3b8e11", "host", 1)
        jobs.q.set_worker_id("1f0e2a9c-5a34-4b7e-9d57-6a2f0c3b8e11")
        _run(1, settings.max_result_bytes)
        before = _used()
        _add(count)
        yield Figure("redis-memory-queued", HERE, (_used() - before) / count, "bytes")
        _finish(count, settings.max_result_bytes)
        yield Figure("redis-memory", HERE, (_used() - before) / count, "bytes")
        for part, size in _parts().items():
            yield Figure(f"redis-memory-{part}", HERE, size / (count + 1), "bytes")


def _run(count: int, limit: int) -> None:
    _add(count)
    _finish(count, limit)


def _add(count: int) -> None:
    asked = jobs.Submission(start=None, end=None, analysis="noop")
    for at in range(0, count, _AT_ONCE):
        jobs.add_jobs([asked] * min(_AT_ONCE, count - at))


def _finish(count: int, limit: int) -> None:
    for _ in range(count):
        job = jobs.q.get()
        assert job is not None
        document, _artifacts = build_results(job, Outcome({}), {}, Rows(parse_selection(job)), limit)
        jobs.q.defer_complete(job, document, [], "")
    jobs.q.flush()


def _used() -> int:
    used: int = jobs.rd.info("memory")["used_memory"]
    return used


def _parts() -> dict[str, int]:
    """Return the bytes of all keys by kind: `record`, `results`, `log`, and each index."""
    sizes: defaultdict[str, int] = defaultdict(int)
    keys: Any = jobs.rd.scan_iter(count=1000)
    for key in map(bytes.decode, keys):
        kind = key.partition(".")[0]
        part = {"job": "record", "results": "results", "log": "log"}.get(kind, key)
        sizes[part] += jobs.rd.memory_usage(key, samples=0) or 0
    return dict(sorted(sizes.items()))


if __name__ == "__main__":
    report(measure)
