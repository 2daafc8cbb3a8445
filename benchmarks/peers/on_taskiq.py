"""Taskiq on its Redis list broker, with default settings."""

from __future__ import annotations

import asyncio
import os

from taskiq_redis import ListQueueBroker

from benchmarks.peers.execution import execute_async

broker = ListQueueBroker(f"redis://127.0.0.1:{os.environ['REDIS_PORT']}")


@broker.task(task_name="run")  # type: ignore[untyped-decorator]
async def run(job: str) -> None:
    await execute_async(job)


def add(jobs: list[str]) -> None:
    asyncio.run(_add(jobs))


async def _add(jobs: list[str]) -> None:
    await broker.startup()
    for job in jobs:
        await run.kiq(job)
    await broker.shutdown()
