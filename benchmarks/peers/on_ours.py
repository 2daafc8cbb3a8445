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
    listener = _listener()
    jid = ours.add_job(None, None, "execution", params={"job": job})["id"]
    ended = (f"job.{jid}".encode(), b"complete")
    while (message := listener.get_message(timeout=None)) is None or (message["channel"], message["data"]) != ended:
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
