"""Event streams to clients: one thread of the process sends the events of all."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from flask import Response, request

import jobs
from web.auth import validity_check
from web.events.change_streams import ChangeStream, ChangeStreams
from web.events.job_streams import JobStream, JobStreams
from web.events.listener import JobListener
from web.events.messages import KEEP_ALIVE, job_event
from web.events.sinks import QueueSink, SocketSink
from web.links import path_to
from web.problems import RETRY_AFTER, Problem
from web.server.buffers import MinRateSocket
from web.shared_counts import SharedCount

__all__ = ["MAX_STREAMS", "EventStreams"]

MAX_STREAMS = 1000
"""Half of the connections that the server has (``worker_connections``): the others are for requests that end."""

_BEAT_SECONDS = 15.0
_SWEEP_SECONDS = 1.0


class EventStreams:
    """The event streams of this process. Only their own thread changes their state; others send it calls."""

    def __init__(self, listener: JobListener, most: int = MAX_STREAMS) -> None:
        self._most = most
        self.count = SharedCount()
        """The streams of this process; the limit is for all processes."""
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._of_jobs = JobStreams(listener, self._calls.put, self._end)
        self._of_changes = ChangeStreams(listener, self._calls.put)
        self._beats: dict[JobStream | ChangeStream, float] = {}
        """When each stream is sent the next comment."""
        self._swept_at = 0.0
        self._draining = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._beats)

    def follow_job(self, job: jobs.Job) -> Response:
        """Return a response that sends a job now and after each change, until it has ended or is deleted.

        :raises Problem: unavailable, there are too many streams.
        """
        stream = JobStream(job, path_to(""))
        first = job_event(job, None, stream.root)
        return self._response(first, None if jobs.Status(job["status"]).ended else stream)

    def follow_changes(self) -> Response:
        """Return a response that sends the state of the service now, and what changes, at most once a second.

        :raises Problem: unavailable, there are too many streams.
        :raises jobs.RedisUnavailable: Redis does not answer.
        """
        jobs.ping()
        return self._response(b"", ChangeStream())

    def drain(self) -> None:
        """End all streams now and further ones at once, because the process is about to stop.

        Signal handlers may call it.
        """
        self._draining = True
        self._calls.put(self._end_all)

    def _response(self, first: bytes, stream: JobStream | ChangeStream | None) -> Response:
        if stream and self.count.total >= self._most:
            raise Problem("unavailable", f"{self._most} clients follow events: try again.", headers=RETRY_AFTER)
        if stream:
            stream.is_still_valid = validity_check()
        body = iter(()) if request.method == "HEAD" else self._body(first, stream, request.environ)
        # nginx would hold events back until its buffer is full.
        return Response(body, headers={"X-Accel-Buffering": "no"}, content_type="text/event-stream")

    def _body(self, first: bytes, stream: JobStream | ChangeStream | None, environ: dict[str, Any]) -> Iterator[bytes]:
        """Yield the first event, if there is one yet; of other servers than ours also the further ones."""
        sock = environ.get("gunicorn.socket")
        if first or isinstance(sock, MinRateSocket):
            yield first  # with nothing in it, it sends the headers
        if stream is None or self._draining:
            return
        remove = partial(self._calls.put, partial(self._remove, stream))
        if isinstance(sock, MinRateSocket):
            stream.sink = SocketSink(sock, remove, chunked=environ["SERVER_PROTOCOL"] == "HTTP/1.1")
            self._start(stream)
            return
        stream.sink = sink = QueueSink()
        self._start(stream)
        try:
            yield from sink.parts()
        finally:
            remove()

    def _start(self, stream: JobStream | ChangeStream) -> None:
        self._calls.put(partial(self._add, stream))
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="event streams", daemon=True)
                self._thread.start()

    # In the thread of the streams

    def _run(self) -> None:
        while True:
            with suppress(queue.Empty):
                self._calls.get(timeout=self._pause())()
                while True:
                    self._calls.get_nowait()()
            now = time.monotonic()
            # While Redis is unavailable, clients are sent comments.
            with suppress(jobs.RedisError):
                self._of_jobs.send()
                if self._of_changes and now >= self._of_changes.due:
                    self._of_changes.send()
            if now >= self._swept_at + _SWEEP_SECONDS:
                self._sweep(now)

    def _pause(self) -> float | None:
        if not self._beats:
            return None
        due = self._swept_at + _SWEEP_SECONDS
        if self._of_changes:
            due = min(due, self._of_changes.due)
        return max(0.0, due - time.monotonic())

    def _add(self, stream: JobStream | ChangeStream) -> None:
        if self._draining or not stream.sink.is_open:
            stream.sink.end()
            return
        self._beats[stream] = time.monotonic() + _BEAT_SECONDS
        self.count.add(1)
        if isinstance(stream, JobStream):
            self._of_jobs.add(stream)
        else:
            self._of_changes.add(stream)

    def _remove(self, stream: JobStream | ChangeStream) -> None:
        if self._beats.pop(stream, None) is not None:
            self.count.add(-1)
        if isinstance(stream, JobStream):
            self._of_jobs.remove(stream)
        else:
            self._of_changes.remove(stream)

    def _end_all(self) -> None:
        for stream in list(self._beats):
            self._end(stream)

    def _end(self, stream: JobStream | ChangeStream) -> None:
        stream.sink.end()
        self._remove(stream)

    def _sweep(self, now: float) -> None:
        self._swept_at = now
        self._of_jobs.sweep()
        with suppress(jobs.RedisError):
            for stream in [stream for stream in self._beats if not stream.is_still_valid()]:
                self._end(stream)
        for stream in [stream for stream, at in self._beats.items() if at <= now]:
            self._beats[stream] += _BEAT_SECONDS
            if stream.sink.is_ready:
                stream.sink.send(KEEP_ALIVE)
