"""Huey with default settings."""

from __future__ import annotations

import os

from huey import RedisHuey

from benchmarks.peers.execution import execute

huey = RedisHuey("trial", port=int(os.environ["REDIS_PORT"]))


@huey.task()  # type: ignore[untyped-decorator]
def run(job: str) -> None:
    execute(job)


def add(jobs: list[str]) -> None:
    for job in jobs:
        run(job)
