"""The streams that follow the whole service."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
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

    def __init__(self) -> None:
        self.overview: Overview | None = None
        """The state that was last sent."""
        self.sent_at = 0.0
        self.changed = ChangedIds()
        """What changed since then."""


class ChangeStreams:
    """Sends each stream what changed, at most once a second. One thread calls the methods."""

    def __init__(self, listener: JobListener, call: Callable[[Callable[[], None]], None]) -> None:
        self._streams: set[ChangeStream] = set()
        self._beginning: set[ChangeStream] = set()
        """Streams that would miss changes yet."""
        self._call = call
        self._changed_jobs = ChangedJobs(listener, partial(call, self._note))
        self._noted_at: float | None = None
        self._read_at = self._sent_at = 0.0
        self._again_at = math.inf
        """When a stream may be sent the event that was due too soon after the one before."""
        self._waits_for_ids = False

    def __len__(self) -> int:
        return len(self._streams) + len(self._beginning)

    def add(self, stream: ChangeStream) -> None:
        """Add a stream. It is sent the first event once no change after that can be missed."""
        if not len(self):
            self._changed_jobs.start()
        self._beginning.add(stream)
        self._changed_jobs.sync(partial(self._call, partial(self._begin, stream)))

    def remove(self, stream: ChangeStream) -> None:
        """Remove a stream, unless that was done before."""
        for streams in (self._streams, self._beginning):
            if stream in streams:
                streams.remove(stream)
                if not len(self):
                    self._changed_jobs.stop()

    @property
    def due(self) -> float:
        """When to call :meth:`send`: soon after a job changed, and once a second for other changes."""
        regular = min(self._read_at + _SECONDS, self._again_at)
        if self._noted_at is None:
            return regular
        return min(regular, max(self._noted_at + _GATHER_SECONDS, self._sent_at + _SECONDS))

    def send(self) -> None:
        """Send what changed.

        :raises jobs.RedisError: it cannot be read; the next call tries again.
        """
        self._read_at, self._again_at = time.monotonic(), math.inf
        # Taken before the state is read, so that the state is never older than what led to the event.
        self._take()
        overview = read_overview()
        for stream in self._streams:
            if stream.overview is None:
                self._send_to(stream, overview, change_event(overview, ChangedIds()))
        if self._is_ahead(overview) and not self._waits_for_ids:
            # The messages about these jobs are on their way.
            self._waits_for_ids, self._noted_at = True, self._read_at
            return
        self._waits_for_ids = False
        events: _Events = {}
        for stream in self._streams:
            self._send(stream, overview, events)

    def _begin(self, stream: ChangeStream) -> None:
        """Note changes for a stream from now on, and send it the state soon."""
        if stream in self._beginning:
            self._take()
            self._beginning.remove(stream)
            self._streams.add(stream)
            self._read_at = time.monotonic() - _SECONDS

    def _take(self) -> None:
        taken, self._noted_at = self._changed_jobs.take(), None
        for stream in self._streams:
            stream.changed.add(taken.ids, more=taken.more)

    def _is_ahead(self, overview: Overview) -> bool:
        """Return whether jobs changed of which no id is known."""
        return any(
            stream.overview and overview.stats["jobs"] != stream.overview.stats["jobs"] and not stream.changed.ids
            for stream in self._streams
        )

    def _send(self, stream: ChangeStream, overview: Overview, events: _Events) -> None:
        changed = stream.changed
        if stream.overview is None or not (changed.ids or overview.differs(stream.overview)):
            # There may have been changes while there was no subscription, but there were none.
            changed.more = False
            return
        if not stream.sink.is_ready:
            return
        if time.monotonic() < stream.sent_at + _SECONDS:
            self._again_at = min(self._again_at, stream.sent_at + _SECONDS)
            return
        if not changed.ids and overview.stats["jobs"] != stream.overview.stats["jobs"]:
            changed.more = True
        key = (changed.more, tuple(changed.ids))
        if key not in events:
            events[key] = change_event(overview, changed)
        self._send_to(stream, overview, events[key])
        self._sent_at = stream.sent_at

    def _send_to(self, stream: ChangeStream, overview: Overview, event: bytes) -> None:
        stream.sink.send(event)
        stream.overview, stream.sent_at, stream.changed = overview, time.monotonic(), ChangedIds()

    def _note(self) -> None:
        self._noted_at = time.monotonic()
