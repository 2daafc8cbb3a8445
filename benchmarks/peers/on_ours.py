"""This project with default settings and one added analysis."""

from __future__ import annotations

from functools import cache

import redis

import jobs as ours
from config.settings import load


def add(jobs: list[str]) -> None:
    _connect()
    for job in jobs:
        ours.add_job(None, None, "execution", params={"job": job})


def bulk(jobs: list[str]) -> None:
    _connect()
    ours.add_jobs([ours.Submission(start=None, end=None, analysis="execution", params={"job": each}) for each in jobs])


def wait(job: str) -> None:
    _connect()
    jid = ours.add_job(None, None, "execution", params={"job": job})["id"]
    while ours.rd.hget(f"job.{jid}", "status") != b"complete":
        pass
    ours.get_results(jid)


@cache
def _connect() -> None:
    ours.connect(load())


@cache
def _listener() -> redis.client.PubSub:
    _connect()
    listener = ours.open_pubsub()
    listener.psubscribe("job.*")
    return listener
