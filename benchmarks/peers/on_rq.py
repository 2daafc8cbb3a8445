"""RQ with default settings."""

from __future__ import annotations

import os

from redis import Redis
from rq import Queue

from benchmarks.peers.execution import execute

queue = Queue(connection=Redis(port=int(os.environ["REDIS_PORT"])))


def add(jobs: list[str]) -> None:
    for job in jobs:
        queue.enqueue(execute, job)


def submit(start: str, end: str) -> dict[str, str]:
    return {"id": queue.enqueue(execute, start).id, "start": start, "end": end}


def bulk(jobs: list[str]) -> None:
    queue.enqueue_many([Queue.prepare_data(execute, (job,)) for job in jobs])
