"""Long polling: delays a response until a job ends, with one subscription connection per process."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import request

import jobs
from web.query_params import invalid, parameter
from web.server.buffers import MinRateSocket

__all__ = ["LongPolling", "requested_wait"]


_LONGEST = 60.0
_REREAD = 1.0  # messages can be lost and Redis can stop answering, so a waiter also rereads the record this often
_TICK = 0.02  # only the listener uses its connection, so it subscribes for a new waiter at its next tick
_BACK_OFF = 0.5
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

    def __init__(self, most: int) -> None:
        self._most = most
        self._changed = threading.Condition()
        self._waiters: dict[str, list[threading.Event]] = {}
        self._count = 0
        self._draining = False
        self._listener: threading.Thread | None = None

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
                news.wait(min(left, _REREAD))
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
        with self._changed:
            if not self._draining and self._count < self._most:
                news = threading.Event()
                self._count += 1
                self._waiters.setdefault(jid, []).append(news)
                self._start_listener()
                self._changed.notify()
        try:
            yield news
        finally:
            if news:
                with self._changed:
                    self._count -= 1
                    self._waiters[jid].remove(news)
                    if not self._waiters[jid]:
                        del self._waiters[jid]

    def _start_listener(self) -> None:
        if self._listener is None:
            self._listener = threading.Thread(target=self._listen, name="waiting", daemon=True)
            self._listener.start()

    def _listen(self) -> None:
        while True:
            try:
                self._listen_loop(jobs.open_pubsub())
            except (*jobs.RedisUnavailable, OSError):
                time.sleep(_BACK_OFF)

    def _listen_loop(self, subscriber: Any) -> None:
        """Wake the waiters of a job after each message about it; the subscription itself counts as one."""
        subscribed: set[str] = set()
        while True:
            with self._changed:
                while not self._waiters and not subscribed:
                    self._changed.wait()
                wanted = set(self._waiters)
            if wanted - subscribed:
                subscriber.subscribe(*(f"job.{jid}" for jid in wanted - subscribed))
            if subscribed - wanted:
                subscriber.unsubscribe(*(f"job.{jid}" for jid in subscribed - wanted))
            subscribed = wanted
            message = subscriber.get_message(timeout=_TICK)
            while message is not None:
                self._wake(message["channel"].decode().removeprefix("job."))
                message = subscriber.get_message(timeout=0)

    def _wake(self, jid: str) -> None:
        with self._changed:
            for news in self._waiters.get(jid, ()):
                news.set()


def _ended(job: jobs.Job) -> bool:
    return jobs.Status(job["status"]).ended
