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
from web.server.thread_pool import waiting

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
    for preference in request.environ.get("HTTP_PREFER", "").split(","):
        if match := _PREFERENCE.fullmatch(preference):
            seconds = int(min(float(match[1]), _LONGEST))
            return float(seconds), {"Preference-Applied": f"wait={seconds}"}
    return 0.0, {}


class _Nobody:
    """A client whose disconnect cannot be detected, because another server than ours is used."""

    is_hung_up: bool = False
    on_hang_up: Callable[[], None] | None = None


class _WatchedJob:
    """A job that clients wait for; after a change, one of them reads it for all."""

    def __init__(self, jid: str) -> None:
        self.waiters: list[threading.Event] = []
        self._jid = jid
        self._lock = threading.Lock()
        self._is_fresh = False
        """Whether there was no change since the job was read, or was begun to be read."""
        self._job: jobs.Job | None = None

    def add(self, news: threading.Event) -> None:
        """Add a waiter, which reads the job first: it may have changed just before."""
        if self.waiters:
            self._is_fresh = False
            news.set()
        self.waiters.append(news)

    def changed(self) -> None:
        """Wake those who wait."""
        self._is_fresh = False
        for news in list(self.waiters):
            news.set()

    def read(self) -> jobs.Job:
        """Return the job, read after the last change before this call.

        :raises jobs.JobNotFound: it was deleted.
        """
        with self._lock:
            if not self._is_fresh or self._job is None:
                self._job, self._is_fresh = None, True
                self._job = jobs.get_job_by_id(self._jid)
            return self._job


class LongPolling:
    """Requests that wait for jobs, at most ``most`` at once; further ones are answered without waiting."""

    def __init__(self, most: int, listener: JobListener | None = None) -> None:
        self._most = most
        self._listener = listener or JobListener()
        self._lock = threading.Lock()
        self._watched: dict[str, _WatchedJob] = {}
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
        with self._register_waiter(job["id"]) as (watched, news):
            client.on_hang_up = news.set
            while watched and not (self._draining or client.is_hung_up or _ended(job)):
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                with waiting():
                    is_news = news.wait(min(left, random.uniform(*_REREAD)))
                news.clear()
                job = watched.read() if is_news else jobs.get_job_by_id(jid)
            client.on_hang_up = None
        return job

    def drain(self) -> None:
        """Answer all pending long polls now and accept no more, because the process is about to stop."""
        self._draining = True
        for news in [news for watched in list(self._watched.values()) for news in list(watched.waiters)]:
            news.set()

    @contextmanager
    def _register_waiter(self, jid: str) -> Iterator[tuple[_WatchedJob | None, threading.Event]]:
        """Register a waiter for a job, and yield the job and the waiter's event; no job if all places are taken."""
        news = threading.Event()
        with self._lock:
            if self._draining or self._count >= self._most:
                watched = None
            else:
                self._count += 1
                watched = self._watch(jid)
                watched.add(news)
        if watched is None:
            yield None, news
            return
        try:
            yield watched, news
        finally:
            with self._lock:
                self._count -= 1
                watched.waiters.remove(news)
                if not watched.waiters:
                    del self._watched[jid]
                    self._listener.unwatch(jid, watched.changed)

    def _watch(self, jid: str) -> _WatchedJob:
        watched = self._watched.get(jid)
        if watched is None:
            watched = self._watched[jid] = _WatchedJob(jid)
            self._listener.watch(jid, watched.changed)
        return watched


def _ended(job: jobs.Job) -> bool:
    return jobs.Status(job["status"]).ended
