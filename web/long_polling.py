"""Long polling: delays a response until a job ends."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flask import request

import jobs
from web.events.listener import JobListener
from web.query_params import invalid, parameter
from web.server.buffers import MinRateSocket

__all__ = ["LongPolling", "requested_wait"]


_LONGEST = 60.0
_REREAD = 0.5, 1.5
"""Messages can be lost and Redis can stop answering, so a waiter also rereads the record after a time within these
bounds: a random one, because those who began together would delay everyone by rereading together."""
_SECONDS = re.compile(r"\d+(\.\d+)?([eE]-\d+)?", re.ASCII)  # programs format 0.00001 as 1e-05
_PREFERENCE = re.compile(r'\s*wait\s*=\s*"?(\d+)"?\s*(?:;.*)?', re.ASCII | re.IGNORECASE)


def requested_wait() -> tuple[float, dict[str, str]]:
    """Return the seconds that the client wants to wait, and the response headers for it (RFC 7240)."""
    text = parameter("wait")
    if text is not None:
        if not _SECONDS.fullmatch(text):
            raise invalid("wait", "Expected seconds, from 0 to 60.")
        return min(float(text), _LONGEST), {}
    for preference in request.headers.get("Prefer", "").split(","):
        if match := _PREFERENCE.fullmatch(preference):
            seconds = int(min(float(match[1]), _LONGEST))
            return float(seconds), {"Preference-Applied": f"wait={seconds}"}
    return 0.0, {}


class _Nobody:
    """A client whose disconnect cannot be detected, because another server than ours is used."""

    is_hung_up: bool = False
    on_hang_up: Callable[[], None] | None = None


class LongPolling:
    """Requests that wait for jobs, at most ``most`` at once; further ones are answered without waiting."""

    def __init__(self, most: int, listener: JobListener | None = None) -> None:
        self._most = most
        self._listener = listener or JobListener()
        self._lock = threading.Lock()
        self._waiters: dict[str, list[threading.Event]] = {}
        self._count = 0
        self._draining = False

    def wait(self, jid: str, seconds: float) -> jobs.Job:
        """Return the job once it has ended, or its state after ``seconds``.

        :raises jobs.JobNotFound: there is no such job, or it was deleted during the wait.
        """
        job = jobs.get_job_by_id(jid)
        if seconds <= 0 or _ended(job):
            return job
        deadline = time.monotonic() + seconds
        sock = request.environ.get("gunicorn.socket")
        client = sock if isinstance(sock, MinRateSocket) else _Nobody()
        with self._register_waiter(job["id"]) as news:
            client.on_hang_up = news.set if news else None
            while news and not (self._draining or client.is_hung_up or _ended(job)):
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                news.wait(min(left, random.uniform(*_REREAD)))
                news.clear()
                job = jobs.get_job_by_id(jid)
            client.on_hang_up = None
        return job

    def drain(self) -> None:
        """Answer all pending long polls now and accept no more, because the process is about to stop."""
        self._draining = True
        for news in [news for waiters in list(self._waiters.values()) for news in list(waiters)]:
            news.set()

    @contextmanager
    def _register_waiter(self, jid: str) -> Iterator[threading.Event | None]:
        """Register a waiter for a job and yield its event; None if all places are taken."""
        news: threading.Event | None = None
        with self._lock:
            if not self._draining and self._count < self._most:
                news = threading.Event()
                self._count += 1
                self._waiters.setdefault(jid, []).append(news)
        if news is None:
            yield None
            return
        self._listener.watch(jid, news.set)
        try:
            yield news
        finally:
            self._listener.unwatch(jid, news.set)
            with self._lock:
                self._count -= 1
                self._waiters[jid].remove(news)
                if not self._waiters[jid]:
                    del self._waiters[jid]


def _ended(job: jobs.Job) -> bool:
    return jobs.Status(job["status"]).ended
