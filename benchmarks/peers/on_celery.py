"""Celery with default settings."""

from __future__ import annotations

import os

from celery import Celery

from benchmarks.peers.execution import execute

app = Celery("trial", broker=f"redis://127.0.0.1:{os.environ['REDIS_PORT']}/0")


@app.task(name="run", ignore_result=True)  # type: ignore[untyped-decorator]
def run(job: str) -> None:
    execute(job)


def add(jobs: list[str]) -> None:
    for job in jobs:
        run.delay(job)
