"""HotQueue as it is taught: the record is set in progress, the job runs, the record is set complete."""

from __future__ import annotations

import os
import uuid
from typing import Any

from hotqueue import HotQueue
from redis import StrictRedis

from benchmarks.peers.execution import execute

_port = int(os.environ["REDIS_PORT"])
q = HotQueue("queue", host="127.0.0.1", port=_port, db=1)
rd = StrictRedis(host="127.0.0.1", port=_port, db=0)


def _save_job(job: dict[Any, Any]) -> None:
    rd.hset(f"job.{job['id']}", mapping=job)


def _update_job_status(jid: str, status: str) -> str:
    saved: Any = rd.hgetall(f"job.{jid}")
    job = {name.decode(): value.decode() for name, value in saved.items()}
    _save_job({**job, "status": status})
    return str(job["start"])


@q.worker  # type: ignore[untyped-decorator]
def execute_job(jid: str) -> None:
    execute(_update_job_status(jid, "in progress"))
    _update_job_status(jid, "complete")


def submit(start: str, end: str) -> dict[str, str]:
    job = {"id": str(uuid.uuid4()), "status": "submitted", "start": start, "end": end}
    _save_job(job)
    q.put(job["id"])
    return job


def add(jobs: list[str]) -> None:
    for job in jobs:
        submit(job, "")


if __name__ == "__main__":
    execute_job()
