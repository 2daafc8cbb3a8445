"""arq with default settings, or ``AT_ONCE`` jobs at once. Run as a program, it is a worker without logging."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from arq import create_pool, run_worker
from arq.connections import RedisSettings

from benchmarks.peers.execution import execute_async


async def run(_: dict[str, Any], job: str) -> None:
    await execute_async(job)


class WorkerSettings:
    functions = (run,)
    max_jobs = int(os.environ.get("AT_ONCE", "10"))
    redis_settings = RedisSettings(port=int(os.environ["REDIS_PORT"]))


def add(jobs: list[str]) -> None:
    asyncio.run(_add(jobs))


async def _add(jobs: list[str]) -> None:
    pool = await create_pool(WorkerSettings.redis_settings)
    for job in jobs:
        await pool.enqueue_job("run", job)
    await pool.aclose()


if __name__ == "__main__":
    run_worker(WorkerSettings)
