"""The streams that follow the whole service."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

from web.events.changes import ChangedIds, ChangedJobs
from web.events.listener import JobListener
from web.events.messages import change_event
from web.events.sinks import Sink
from web.events.state import Overview, read_overview

__all__ = ["ChangeStream", "ChangeStreams"]

_SECONDS = 1.0
_GATHER_SECONDS = 0.05  # a short job changes three times within this time: one event is enough

_Events = dict[tuple[bool, tuple[str, ...]], bytes]
"""The events of one round by what is in them."""


class ChangeStream:
    """A client that follows the service."""

    sink: Sink
    is_still_valid: Callable[[], bool]
    """Returns whether the key of the client is still valid."""

    def __init__(self, overview: Overview) -> None:
        self.overview = overview
        """The state that was last sent."""
        self.sent_at = time.monotonic()
        self.changed = ChangedIds()
        """What changed since then."""


class ChangeStreams:
    """Sends each stream what changed, at most once a second. One thread calls the methods."""

    def __init__(self, listener: JobListener, call: Callable[[Callable[[], None]], None]) -> None:
        self._streams: set[ChangeStream] = set()
        self._changed_jobs = ChangedJobs(listener, lambda begins: call(partial(self._note, begins)))
        self._noted_at: float | None = None
        self._read_at = self._sent_at = 0.0
        self._waits_for_ids = False

    def __len__(self) -> int:
        return len(self._streams)

    def __iter__(self) -> Iterator[ChangeStream]:
        return iter(list(self._streams))

    def add(self, stream: ChangeStream) -> None:
        """Add a stream that was sent the first event."""
        self._streams.add(stream)
        if len(self._streams) == 1:
            self._changed_jobs.start()

    def remove(self, stream: ChangeStream) -> None:
        """Remove a stream, unless that was done before."""
        if stream in self._streams:
            self._streams.remove(stream)
            if not self._streams:
                self._changed_jobs.stop()

    @property
    def due(self) -> float:
        """When to call :meth:`send`: soon after a job changed, and once a second for other changes."""
        regular = self._read_at + _SECONDS
        if self._noted_at is None:
            return regular
        return min(regular, max(self._noted_at + _GATHER_SECONDS, self._sent_at + _SECONDS))

    def send(self) -> None:
        """Send what changed.

        :raises jobs.RedisError: it cannot be read; the next call tries again.
        """
        self._read_at = time.monotonic()
        # Taken before the state is read, so that the state is never older than what led to the event.
        taken, self._noted_at = self._changed_jobs.take(), None
        for stream in self._streams:
            stream.changed.add(taken.ids, more=taken.more)
        overview = read_overview()
        if self._is_ahead(overview) and not self._waits_for_ids:
            # The messages about these jobs are on their way.
            self._waits_for_ids, self._noted_at = True, self._read_at
            return
        self._waits_for_ids = False
        events: _Events = {}
        for stream in self._streams:
            self._send(stream, overview, events)

    def _is_ahead(self, overview: Overview) -> bool:
        """Return whether jobs changed of which no id is known."""
        return any(
            overview.stats["jobs"] != stream.overview.stats["jobs"] and not stream.changed.ids
            for stream in self._streams
        )

    def _send(self, stream: ChangeStream, overview: Overview, events: _Events) -> None:
        changed, now = stream.changed, time.monotonic()
        if not changed.ids and not overview.differs(stream.overview):
            # There may have been changes before the subscription began, but there were none.
            changed.more = False
            return
        if now < stream.sent_at + _SECONDS or not stream.sink.is_ready:
            return
        if not changed.ids and overview.stats["jobs"] != stream.overview.stats["jobs"]:
            changed.more = True
        key = (changed.more, tuple(changed.ids))
        if key not in events:
            events[key] = change_event(overview, changed)
        stream.sink.send(events[key])
        stream.overview, stream.sent_at, stream.changed = overview, now, ChangedIds()
        self._sent_at = now

    def _note(self, begins: bool) -> None:
        now = time.monotonic()
        if begins:
            # The sooner the state is compared with the one before, the fewer jobs seem to have been missed.
            self._read_at = now - _SECONDS
        self._noted_at = now
