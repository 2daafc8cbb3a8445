"""The streams that each follow one job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import jobs
from web.events.listener import JobListener
from web.events.messages import job_event
from web.events.sinks import Sink
from web.events.state import read_jobs

__all__ = ["JobStream", "JobStreams"]

_REREAD_SWEEPS = 5  # messages can be lost, so each job is also read once in so many sweeps


class JobStream:
    """A client that follows a job."""

    sink: Sink
    is_still_valid: Callable[[], bool]
    """Returns whether the key of the client is still valid."""

    def __init__(self, job: jobs.Job, root: str) -> None:
        self.job = job
        """The job as it was last sent."""
        self.root = root
        """The path of the application as the client sees it."""


class JobStreams:
    """Sends each stream the events of its job. One thread calls the methods."""

    def __init__(
        self,
        listener: JobListener,
        call: Callable[[Callable[[], None]], None],
        end: Callable[[JobStream], None],
    ) -> None:
        self._listener = listener
        self._call = call
        self._end = end
        self._streams: dict[str, set[JobStream]] = {}
        self._watchers: dict[str, Callable[[], None]] = {}
        self._unread: set[str] = set()
        self._late: set[str] = set()
        """Jobs of which a client has not taken the last event; only then it is sent the next one."""
        self._sweeps = 0

    def __len__(self) -> int:
        return sum(map(len, list(self._streams.values())))

    def __iter__(self) -> Iterator[JobStream]:
        return iter([stream for streams in self._streams.values() for stream in streams])

    def add(self, stream: JobStream) -> None:
        """Add a stream that was sent the first event."""
        jid = stream.job["id"]
        self._streams.setdefault(jid, set()).add(stream)
        if jid in self._watchers:
            self._unread.add(jid)
        else:
            # It is also called when the subscription begins, so nothing is missed since the first event.
            self._watchers[jid] = partial(self._call, partial(self._unread.add, jid))
            self._listener.watch(jid, self._watchers[jid])

    def remove(self, stream: JobStream) -> None:
        """Remove a stream, unless that was done before."""
        jid = stream.job["id"]
        streams = self._streams.get(jid, set())
        if stream in streams:
            streams.remove(stream)
            if not streams:
                del self._streams[jid]
                self._listener.unwatch(jid, self._watchers.pop(jid))

    def send(self) -> None:
        """Send events about the jobs that may have changed.

        :raises jobs.RedisError: they cannot be read; the next call tries again.
        """
        unread = [jid for jid in self._unread if jid in self._streams]
        found = read_jobs(unread) if unread else {}
        self._unread.clear()
        for jid, job in found.items():
            if job is None:
                for stream in list(self._streams[jid]):
                    self._end(stream)
            else:
                self._send(job, self._streams[jid])

    def sweep(self) -> None:
        """Mark the jobs that are read even without a message; call it regularly."""
        self._unread |= self._late
        self._late.clear()
        self._sweeps = (self._sweeps + 1) % _REREAD_SWEEPS
        self._unread.update(jid for jid in self._streams if hash(jid) % _REREAD_SWEEPS == self._sweeps)

    def _send(self, job: jobs.Job, streams: set[JobStream]) -> None:
        """Send a job to those that were last sent another state of it."""
        events: dict[tuple[str, object, object], bytes] = {}
        for stream in [stream for stream in streams if stream.job != job]:
            if not stream.sink.is_ready:
                self._late.add(job["id"])
                continue
            key = (stream.root, stream.job["status"], stream.job["attempt"])
            if key not in events:
                events[key] = job_event(job, stream.job, stream.root)
            stream.sink.send(events[key])
            stream.job = job
            if jobs.Status(job["status"]).ended:
                self._end(stream)
