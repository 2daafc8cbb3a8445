"""Clients that wait for the same job: one reads it for all, and none misses its end."""

from __future__ import annotations

import threading
import time

import pytest
from flask import Flask

import jobs
from web.events.listener import JobListener
from web.long_polling import LongPolling

WAITERS = 20


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """The ids of the jobs that were read."""
    found: list[str] = []
    read = jobs.get_job_by_id

    def get_job_by_id(jid: str) -> jobs.Job:
        found.append(jid)
        time.sleep(0.05)  # as long as all need to wake
        return read(jid)

    monkeypatch.setattr(jobs, "get_job_by_id", get_job_by_id)
    return found


def test_a_change_is_read_once_for_all_who_wait(rd, reads):
    # Given clients that wait for one job
    jid = jobs.add_job(None, None, "sleep")["id"]
    waiting = LongPolling(WAITERS, JobListener())
    answers: list[str] = []

    def wait() -> None:
        with Flask(__name__).test_request_context():
            answers.append(waiting.wait(jid, 20)["status"])

    threads = [threading.Thread(target=wait) for _ in range(WAITERS)]
    for thread in threads:
        thread.start()
    time.sleep(0.4)
    reads.clear()
    # when it ends
    jobs.cancel_job(jid)
    for thread in threads:
        thread.join(10)
    # then all are answered, and few have read it
    assert answers == ["cancelled"] * WAITERS
    assert len(reads) < WAITERS / 2
