"""SAQ with default settings, or ``AT_ONCE`` jobs at once."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from saq import Queue

from benchmarks.peers.execution import execute_async


def _queue() -> Queue:
    return Queue.from_url(f"redis://127.0.0.1:{os.environ['REDIS_PORT']}")


async def run(_: dict[str, Any], *, job: str) -> None:
    await execute_async(job)


settings = {"queue": _queue(), "functions": [run], "concurrency": int(os.environ.get("AT_ONCE", "10"))}


def add(jobs: list[str]) -> None:
    asyncio.run(_add(jobs))


async def _add(jobs: list[str]) -> None:
    queue = _queue()
    await queue.connect()
    for job in jobs:
        await queue.enqueue("run", job=job)
    await queue.disconnect()
