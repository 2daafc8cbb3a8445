"""Celery with default settings; with ``RESULTS``, it keeps results in Redis."""

from __future__ import annotations

import os

from celery import Celery

from benchmarks.peers.execution import execute

_RESULTS = bool(os.environ.get("RESULTS"))
_URL = f"redis://127.0.0.1:{os.environ['REDIS_PORT']}/0"

app = Celery("trial", broker=_URL, backend=_URL if _RESULTS else None)


@app.task(name="run", ignore_result=not _RESULTS)  # type: ignore[untyped-decorator]
def run(job: str) -> None:
    execute(job)


def add(jobs: list[str]) -> None:
    for job in jobs:
        run.delay(job)
