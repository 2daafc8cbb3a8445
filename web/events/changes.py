"""Collects which jobs changed, for the event `change`; the work for it is bounded, however many jobs change."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable

from web.events.listener import JobListener

__all__ = ["MAX_IDS", "ChangedIds", "ChangedJobs"]

MAX_IDS = 100


class ChangedIds:
    """At most ``MAX_IDS`` ids, and whether there were more."""

    def __init__(self) -> None:
        self.ids: dict[str, None] = {}
        self.more = False

    def add(self, ids: Iterable[str], *, more: bool = False) -> None:
        """Add ids as far as there is room."""
        self.more = self.more or more
        for jid in ids:
            if jid in self.ids:
                continue
            if len(self.ids) >= MAX_IDS:
                self.more = True
                return
            self.ids[jid] = None


class ChangedJobs:
    """Watches all jobs until ``MAX_IDS`` have changed; it continues when these have been taken.

    Calls ``on_change`` at the first change.
    """

    def __init__(self, listener: JobListener, on_change: Callable[[], None]) -> None:
        self._listener = listener
        self._on_change = on_change
        self._barriers = itertools.count()
        self._lock = threading.Lock()
        self._changed = ChangedIds()
        self._is_paused = False

    def start(self) -> None:
        """Start watching."""
        self._changed = ChangedIds()
        self._is_paused = False
        self._listener.watch_all(self._note)

    def stop(self) -> None:
        """Stop watching."""
        self._is_paused = False
        self._listener.watch_all(None)

    def sync(self, done: Callable[[], None]) -> None:
        """Call ``done`` once watching has begun and every change before this call is noted."""
        # Redis confirms subscriptions in order with messages; no job has this id.
        barrier = f"barrier-{next(self._barriers)}"

        def passed() -> None:
            self._listener.unwatch(barrier, passed)
            done()

        self._listener.watch(barrier, passed)

    def take(self) -> ChangedIds:
        """Return what changed since the last call."""
        with self._lock:
            taken, self._changed = self._changed, ChangedIds()
            was_paused, self._is_paused = self._is_paused, False
        if was_paused:
            self._listener.watch_all(self._note)
        return taken

    def _note(self, jid: str | None) -> None:
        with self._lock:
            is_first = not self._changed.ids
            self._changed.add([jid] if jid else [], more=jid is None)
            is_full = len(self._changed.ids) >= MAX_IDS
            if is_full:
                self._changed.more = self._is_paused = True
        if is_full:
            self._listener.watch_all(None)
        if is_first:
            self._on_change()
