"""Dramatiq with default settings."""

from __future__ import annotations

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks.peers.execution import execute

dramatiq.set_broker(RedisBroker(port=int(os.environ["REDIS_PORT"])))


@dramatiq.actor  # type: ignore[untyped-decorator]
def run(job: str) -> None:
    execute(job)


def add(jobs: list[str]) -> None:
    for job in jobs:
        run.send(job)
