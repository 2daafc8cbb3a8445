"""Huey with default settings, except that a client that waits for a result is notified."""

from __future__ import annotations

import os

from huey import RedisHuey

from benchmarks.peers.execution import execute

huey = RedisHuey("trial", port=int(os.environ["REDIS_PORT"]), notify_result="RESULTS" in os.environ)


@huey.task()  # type: ignore[untyped-decorator]
def run(job: str) -> str:
    execute(job)
    return ""


def add(jobs: list[str]) -> None:
    for job in jobs:
        run(job)


def wait(job: str) -> None:
    run(job).get(blocking=True)
